"""The main job over HTTP, against real processes, in both modes."""

from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from testing.stack import GOAL, Stack
from testing.waiting import wait_until


@dataclass
class Made:
    """A finished roadmap, the answer that accepted it, and the events as they came."""

    answer: httpx2.Response
    events: list[dict[str, Any]]
    tree: dict[str, Any]

    @property
    def path(self) -> str:
        return str(self.answer.headers["location"])


@pytest.fixture(scope="module")
def made(stack: Stack) -> Made:
    answer = stack.post("/api/v1/roadmaps", json={"goal": GOAL})
    path = answer.headers["location"]
    return Made(answer, stack.events(path), stack.finished(path))


def test_a_goal_becomes_a_finished_roadmap(made: Made) -> None:
    assert made.answer.status_code == 202
    assert made.answer.json()["status"] == "queued"
    assert made.answer.headers["retry-after"] == "1"

    tree = made.tree

    assert tree["status"] == "ready"
    concepts = [
        c for stage in tree["stages"] for module in stage["modules"] for c in module["concepts"]
    ]
    assert len(concepts) >= 15
    assert tree["progress"] == {"ready": 3 * len(concepts), "failed": 0, "total": 3 * len(concepts)}
    assert tree["hours"] == sum(concept["hours"] for concept in concepts)
    seen: set[str] = set()
    for concept in concepts:
        assert set(concept["prerequisites"]) <= seen
        assert concept["contents"]["tutorial"] == {"status": "ready", "version": 1, "error": ""}
        seen.add(concept["id"])


def test_a_concept_has_its_tutorial_resources_and_quiz_without_answers(
    stack: Stack, made: Made
) -> None:
    node = made.tree["stages"][0]["modules"][0]["concepts"][0]

    concept = stack.get(f"{made.path}/concepts/{node['id']}").json()

    assert len(concept["tutorial"]["markdown"]) > 1000
    assert all(resource["url"].startswith("https://") for resource in concept["resources"])
    assert concept["quiz"]["questions"]
    shown = {"id", "type", "prompt", "options", "seed", "needs_tutorial"}
    assert set(concept["quiz"]["questions"][0]) == shown


def test_the_list_is_paged_newest_first(stack: Stack) -> None:
    headers, asked = stack.register(), {"goal": GOAL, "review": True}
    mine = [
        stack.post("/api/v1/roadmaps", json=asked, headers=headers).json()["id"] for _ in range(5)
    ]

    seen, path, pages = [], "/api/v1/roadmaps?limit=2", 0
    while path and len(seen) < 5:
        answer = stack.get(path, headers=headers)
        seen += [item["id"] for item in answer.json()["items"]]
        link = answer.headers.get("link", "")
        path = link[1 : link.index(">")] if link else ""
        pages += 1

    assert seen[:5] == mine[::-1]
    assert pages == 3


def test_events_are_numbered_without_gaps_and_resume_after_the_last_one_seen(
    stack: Stack, made: Made
) -> None:
    everything = made.events
    assert [event["id"] for event in everything] == list(range(1, len(everything) + 1))
    assert everything[0]["event"] == "roadmap.queued"
    assert everything[-1]["event"] == "roadmap.ready"

    rest = stack.events(made.path, after=5)

    assert rest == everything[5:]


def test_the_execution_log_tells_what_was_done(stack: Stack, made: Made) -> None:
    path = made.tree["links"]["logs"]

    def complete() -> list[dict]:
        items = stack.get(f"{path}?limit=100").json()["items"]
        return items if len(items) > 90 and "accept" in (item["step"] for item in items) else []

    records = wait_until(
        complete, reason="the log is stored, also what the API had to say, which comes by itself"
    )
    steps = [record["step"] for record in records]
    assert steps[0] == "accept"
    assert "outline" in steps
    assert steps.count("tutorial") > 15
    assert [record["id"] for record in records] == sorted(record["id"] for record in records)


def test_what_belongs_to_others_does_not_exist(stack: Stack, made: Made) -> None:
    if stack.mode == "embedded":
        assert stack.get("/api/v1/roadmaps", headers={"Host": "evil.example"}).status_code == 403
        return
    stranger = stack.register()
    concept = made.tree["stages"][0]["modules"][0]["concepts"][0]["id"]
    for path in ("", "/events", "/logs", f"/concepts/{concept}"):
        answer = stack.get(made.path + path, headers=stranger)
        assert answer.status_code == 404, path
        assert answer.json()["type"] == "/problems/not-found"
    assert stack.get("/api/v1/roadmaps", headers=stranger).json()["items"] == []


def test_an_unchanged_roadmap_is_not_sent_again(stack: Stack, made: Made) -> None:
    first = stack.get(made.path)
    again = stack.get(made.path, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
