"""Measured processes are started as they are outside of tests."""

from collections.abc import Iterator

import pytest

from testing.stack import Service


@pytest.fixture(autouse=True, scope="package")
def nothing_is_forked() -> Iterator[None]:
    before, Service.fork_server = Service.fork_server, None
    yield
    Service.fork_server = before
