"""LESSONS_AHEAD with reviews, edits, budgets and limits, and the page of a lesson that waits."""

from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from core.db import settings, transaction
from core.ids import new_id
from models.roadmaps import Roadmap
from roadmap.lifecycle import plan_rows
from roadmap.lifecycle.making import create
from tests.unit.roadmap.lifecycle.test_upgrade_contents import GOAL, Model, concepts_of, with_model

pytestmark = pytest.mark.usefixtures("short")
HTML = {"Accept": "text/html"}


@pytest.fixture(autouse=True)
def ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    with_model(monkeypatch, Model())
    write_ahead(monkeypatch, 1)


def write_ahead(monkeypatch: pytest.MonkeyPatch, lessons: int) -> None:
    changes = {"lessons_ahead": lessons, "openai_api_key": SecretStr("sk-of-the-tests")}
    monkeypatch.setattr(plan_rows, "settings", settings.model_copy(update=changes))


def make(client: TestClient, **fields: Any) -> str:
    path: str = client.post("/api/v1/roadmaps", json={"goal": GOAL, **fields}).json()["links"][
        "self"
    ]
    return path


def written(client: TestClient, path: str) -> list[int]:
    """The places of lessons that are written, from 0."""
    return [
        at
        for at, each in enumerate(concepts_of(client.get(path).json()))
        if any(part["version"] for part in each["contents"].values())
    ]


def learn(client: TestClient, path: str, at: int, progress: str) -> None:
    concept = concepts_of(client.get(path).json())[at]["id"]
    answer = client.put(
        f"{path}/concepts/{concept}/progress",
        json={"progress": progress},
        headers={"Idempotency-Key": f'"{new_id()}"'},  # its transaction ends before lessons begin
    )
    assert answer.status_code == 200


def test_an_approved_plan_goes_on_without_another_approval(client: TestClient) -> None:
    path = make(client, review=True)
    learn(client, path, 0, "done")  # nothing is written before the approval
    tree = client.get(path).json()
    assert (tree["status"], written(client, path)) == ("awaiting_review", [])
    client.post(f"{path}/approve", json={})
    assert written(client, path) == [0, 1]
    learn(client, path, 1, "skipped")
    assert client.get(path).json()["status"] == "ready"
    assert written(client, path) == [0, 1, 2]


def test_lessons_that_an_edit_adds_far_away_wait_as_well(client: TestClient) -> None:
    path = make(client)
    module = client.get(path).json()["stages"][0]["modules"][-1]
    added = {"op": "add_concept", "module": module["key"], "title": "Far", "hours": 2}
    answer = client.post(f"{path}/edits", json={"operations": [{**added, "difficulty": 2}]})
    assert answer.status_code == 202, answer.text
    assert client.get(path).json()["status"] == "ready"
    assert written(client, path) == [0, 1]


def test_what_was_cancelled_or_is_over_budget_does_not_go_on(client: TestClient) -> None:
    path = make(client)
    for changes in ({"status": "cancelled"}, {"status": "partial", "over_budget": True}):
        with transaction():
            Roadmap.update(changes).execute()
        before = client.get(path).json()["updated_at"]
        learn(client, path, 0, "done")
        assert written(client, path) == [0, 1]
        assert client.get(path).json()["updated_at"] == before


def test_without_room_they_wait_for_the_next_progress(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(client)
    with monkeypatch.context() as patch:
        full = settings.model_copy(update={"most_unfinished_roadmaps": 0})
        patch.setattr(create, "settings", full)
        learn(client, path, 0, "done")
        assert written(client, path) == [0, 1]
    learn(client, path, 0, "done")
    assert written(client, path) == [0, 1, 2]


def test_set_back_to_0_the_next_progress_brings_all(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(client)
    write_ahead(monkeypatch, 0)
    learn(client, path, 0, "learning")
    assert written(client, path) == [0, 1, 2]


def test_a_lesson_that_waits_is_written_by_a_button(client: TestClient) -> None:
    path = make(client)
    page = path.removeprefix("/api/v1")
    lesson = f"{page}/concepts/{concepts_of(client.get(path).json())[2]['id']}"
    assert "Later lessons are written as you learn" in client.get(page, headers=HTML).text
    shown = client.get(lesson, headers=HTML).text
    assert "Write it now" in shown
    assert "There is none" not in shown
    client.post(f"{lesson}/progress", data={"progress": "learning"}, headers=HTML)
    assert "Write it now" not in client.get(lesson, headers=HTML).text
    assert written(client, path) == [0, 1, 2]
