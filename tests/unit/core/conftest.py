"""A web site on this machine, for visits to pages of others."""

from collections.abc import Iterator

import pytest

from core.net import link_probe, safe_http
from core.net.link_probe import Robots
from testing.site import Site, served
from testing.waiting import HANG


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site whose robots.txt has not been read yet, and whose pages may come slowly."""
    monkeypatch.setattr(link_probe, "robots", Robots())
    monkeypatch.setattr(safe_http, "PARTING", HANG)
    with served() as made:
        yield made
