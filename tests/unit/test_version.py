"""The version of the service is said in one way."""

import os
import runpy
import tomllib

import pytest

from core import version
from tests.stack import ROOT


def test_the_number_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == version.NUMBER


def test_a_deployed_commit_is_named_in_short(monkeypatch: pytest.MonkeyPatch) -> None:
    for commit, told in (("1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b", "+1a2b3c4"), ("", "")):
        monkeypatch.setenv("RAILWAY_GIT_COMMIT_SHA", commit)
        assert runpy.run_path(os.fspath(ROOT / "core/version.py"))["VERSION"] == version.NUMBER + told
