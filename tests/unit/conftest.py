"""Settings of hypothesis, a finished roadmap, a clock that stands still, patient clients."""

import time
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace

import pytest
from hypothesis import settings
from starlette.testclient import TestClient

from core import clock
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.context import DesignBrief
from roadmap.plan.outline import Outline
from testing.stack import GOAL
from tests.copies import Copies

# A busy machine is no failure. The daily suite draws a fifth of what `--long` does.
settings.register_profile("daily", deadline=None, max_examples=20)
settings.register_profile("long", deadline=None, max_examples=100)


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("long" if config.getoption("--long") else "daily")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the first three concepts of a track alone, where their number does not matter.

    To make a roadmap takes a tenth of the time.
    """
    whole = CatalogueGenerator.outline

    def shortened(self: CatalogueGenerator, design: DesignBrief) -> Outline:
        made = whole(self, design)
        stage = made.stages[0]
        module = stage.modules[0]
        first = module.model_copy(update={"concepts": module.concepts[:3]})
        return made.model_copy(update={"stages": (stage.model_copy(update={"modules": (first,)}),)})

    monkeypatch.setattr(CatalogueGenerator, "outline", shortened)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock stand still unless a test moves it, but for a microsecond at each look."""
    begin, looks = datetime.now(UTC), count()
    now = SimpleNamespace(now=lambda _: begin + timedelta(microseconds=next(looks)))
    monkeypatch.setattr(clock, "datetime", now)


@pytest.fixture
def roadmap(request: pytest.FixtureRequest, client: TestClient, copies: Copies) -> str:
    """The path of a finished one, which is small where a test wants `short`."""
    name = "a roadmap"
    if "short" in request.fixturenames:
        request.getfixturevalue("short")  # whatever the order of the test's arguments is
        name = "a short roadmap"
    post = {"url": "/api/v1/roadmaps", "json": {"goal": GOAL}}
    return copies.of(name, lambda: str(client.post(**post).headers["location"]))


@pytest.fixture
def concept(client: TestClient, roadmap: str) -> str:
    """The path of its first concept."""
    node = client.get(roadmap).json()["stages"][0]["modules"][0]["concepts"][0]
    return f"{roadmap}/concepts/{node['id']}"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses of a RoadmapClient before further tries: its time passes in these alone, at once."""
    made: list[float] = []

    at_once = SimpleNamespace(sleep=made.append, monotonic=time.monotonic)
    monkeypatch.setattr("roadmap_client.client.time", at_once)
    monkeypatch.setattr("roadmap_client.errors.monotonic", lambda: sum(made))
    return made
