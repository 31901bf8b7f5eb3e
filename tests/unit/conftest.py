"""How much hypothesis draws: in the daily suite a fifth of what it does with `--long`."""

import pytest
from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("daily", deadline=None, max_examples=20)
settings.register_profile("long", deadline=None, max_examples=100)


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("long" if config.getoption("--long") else "daily")
