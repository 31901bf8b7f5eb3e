"""Promises of immediate mode to everyone who tests on this code base."""

from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from core import clock
from roadmap.generation import generator as generator_module
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.context import ConceptBrief, GeneratorFault
from roadmap.plan.outline import ContentKind, Contents
from tasks.queues import content_queue

GOAL = "Become a backend engineer in Python"


def test_a_goal_is_ready_when_the_answer_is_there(client: TestClient) -> None:
    answer = client.post("/api/v1/roadmaps", json={"goal": GOAL})
    assert answer.status_code == 202
    tree = client.get(answer.headers["location"]).json()
    assert tree["status"] == "ready"
    assert tree["progress"]["ready"] == tree["progress"]["total"] > 45


class Moody(CatalogueGenerator):
    """A generator whose first quiz fails once."""

    def __init__(self) -> None:
        self.calls = 0

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        self.calls += 1
        if self.calls == 3:
            raise GeneratorFault("The provider is busy.", retry_after=60)
        return super().write(kind, brief)


def test_a_retry_waits_until_the_clock_is_moved_and_the_queue_drained(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    moody = Moody()
    monkeypatch.setattr(generator_module, "current_generator", lambda: moody)
    path = client.post("/api/v1/roadmaps", json={"goal": GOAL}).headers["location"]
    tree = client.get(path).json()
    assert (tree["status"], tree["progress"]["ready"]) == (
        "building",
        tree["progress"]["total"] - 1,
    )

    assert content_queue.drain() == 0
    clock.travel(timedelta(seconds=61))
    assert content_queue.drain() == 1

    tree = client.get(path).json()
    assert tree["status"] == "ready"
    assert moody.calls == tree["progress"]["total"] + 1
