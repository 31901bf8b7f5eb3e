"""A short fuzz of embedded mode, the same each time; a long one with `--long`."""

from pathlib import Path

import pytest

from tests.fuzz.short import fuzzed, well


def test_nothing_that_is_asked_breaks_embedded_mode(tmp_path: Path) -> None:
    assert well(fuzzed("embedded", tmp_path))


@pytest.mark.long
def test_nothing_that_is_asked_for_long_breaks_embedded_mode(tmp_path: Path) -> None:
    assert well(fuzzed("embedded", tmp_path, seconds=120))
