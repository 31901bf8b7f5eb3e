"""A generator for commands on roadmaps, and rows with leases."""

from collections.abc import Iterator

import pytest

import web.api.roadmaps
from roadmap.lifecycle.making.leases import BUILDING, PLANNING
from tests.unit.roadmap.lifecycle.designer import PLAN, Designer
from tests.unit.roadmap.lifecycle.leased import Leased
from tests.unit.roadmap.lifecycle.test_jobs import Heart, accepted, beating_by_hand, planned, use


@pytest.fixture(autouse=True)
def by_hand(still: None) -> None:
    """Time passes in these tests where they move the clock alone."""


@pytest.fixture
def designer(monkeypatch: pytest.MonkeyPatch) -> Designer:
    """The generator of the API and of the tasks."""
    made: Designer = use(Designer(PLAN), monkeypatch)
    monkeypatch.setattr(web.api.roadmaps, "current_generator", lambda: made)
    return made


@pytest.fixture(params=["roadmap", "content"])
def leased(request: pytest.FixtureRequest) -> Leased:
    return (
        Leased(PLANNING, accepted())
        if request.param == "roadmap"
        else Leased(BUILDING, planned()[1][0])
    )


@pytest.fixture
def heart() -> Iterator[Heart]:
    with beating_by_hand() as made:
        yield made
