"""`Prefer`: an answer that waits for the outline, or a short one."""

import threading
from typing import Any

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from core.errors import Unavailable
from testing.stack import GOAL
from testing.waiting import HANG
from tests.cases import try_each
from web.api.roadmaps import LONGEST_WAIT, prefers_minimal, wait_of
from web.roadmaps.sse import poller

pytestmark = pytest.mark.usefixtures("short")

ROADMAPS = "/api/v1/roadmaps"


def preferring(*values: str) -> Request:
    return Request({"type": "http", "headers": [(b"prefer", value.encode()) for value in values]})


def asked(*values: str) -> int:
    return wait_of(preferring(*values))


@try_each(
    ("values", "seconds"),
    [
        ([], 0),
        (["wait=5"], 5),
        (["Wait = 5"], 5),
        (['wait="5"'], 5),
        (["respond-async, wait=7"], 7),
        (["respond-async", "wait=7"], 7),
        (["wait=7; strict"], 7),
        (["wait=3, wait=9"], 3),
        (["wait=0"], 0),
        (["wait=100000"], LONGEST_WAIT),
        (["wait=-1"], 0),
        (["wait=1.5"], 0),
        (["wait"], 0),
        (["wait=" + "9" * 5000], 0),
        (["return=minimal"], 0),
        ([""], 0),
    ],
)
def test_what_is_understood(values: list[str], seconds: int) -> None:
    assert asked(*values) == seconds


@try_each(
    ("values", "minimal"),
    [
        (["return=minimal"], True),
        (['wait=5, Return = "minimal"; x'], True),
        (["return=representation"], False),
        (["return=representation, return=minimal"], False),
        (["minimal"], False),
        ([], False),
    ],
)
def test_a_short_answer_may_be_preferred(values: list[str], minimal: bool) -> None:
    assert prefers_minimal(preferring(*values)) == minimal


def test_a_short_answer_has_no_links(client: TestClient) -> None:
    short = {"Prefer": "return=minimal", "Idempotency-Key": "once"}
    answer = client.post(ROADMAPS, json={"goal": GOAL}, headers=short)
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "return=minimal")
    assert answer.json() == {
        "id": answer.headers["location"].rpartition("/")[2],
        "status": "queued",
    }
    again = client.post(ROADMAPS, json={"goal": GOAL}, headers={"Idempotency-Key": "once"})
    assert again.content == answer.content  # the first answer is the answer
    waited = client.post(
        ROADMAPS, json={"goal": GOAL}, headers={"Prefer": "return=minimal, wait=20"}
    )
    assert (waited.status_code, waited.headers["preference-applied"], "links" in waited.json()) == (
        201,
        "wait=20",
        True,
    )


class TestWaiting:
    def test_who_waits_gets_the_outline(self, client: TestClient) -> None:
        answer = client.post(ROADMAPS, json={"goal": GOAL}, headers={"Prefer": "wait=20"})
        assert (answer.status_code, answer.headers["preference-applied"]) == (201, "wait=20")
        assert len(answer.json()["stages"]) == 1
        assert answer.headers["location"] == answer.json()["links"]["self"]
        assert client.get(answer.headers["location"]).json()["id"] == answer.json()["id"]

    def test_who_does_not_wait_does_not(self, client: TestClient) -> None:
        answer = client.post(ROADMAPS, json={"goal": GOAL}, headers={"Prefer": "respond-async"})
        assert answer.status_code == 202
        assert "preference-applied" not in answer.headers

    def test_when_the_time_is_over_it_is_accepted_all_the_same(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "tasks.dispatcher.sender.submit", lambda steps: None
        )  # no worker gets it
        answer = client.post(ROADMAPS, json={"goal": GOAL}, headers={"Prefer": "wait=1"})
        assert answer.status_code == 202
        assert "preference-applied" not in answer.headers
        assert client.get(answer.headers["location"]).json()["status"] == "queued"

    def test_a_plan_that_waits_for_review_is_an_outline(self, client: TestClient) -> None:
        answer = client.post(
            ROADMAPS, json={"goal": GOAL, "review": True}, headers={"Prefer": "wait=20"}
        )
        assert (answer.status_code, answer.json()["status"]) == (201, "awaiting_review")

    def test_asked_again_with_a_key_it_is_the_same_roadmap(self, client: TestClient) -> None:
        headers = {"Prefer": "wait=20", "Idempotency-Key": "once"}
        first, again = (
            client.post(ROADMAPS, json={"goal": GOAL}, headers=headers) for _ in range(2)
        )
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json()["id"] == again.json()["id"]
        assert again.headers["idempotency-replayed"] == "true"
        accepted = client.post(ROADMAPS, json={"goal": GOAL}, headers={"Idempotency-Key": "once"})
        assert (accepted.status_code, accepted.json()["id"]) == (202, first.json()["id"])

    def test_what_cannot_be_read_in_the_end_is_accepted_all_the_same(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object) -> None:
            raise Unavailable("The database does not respond.")

        monkeypatch.setattr("roadmap.lifecycle.reading.queries.roadmap_tree", away)
        answer = client.post(ROADMAPS, json={"goal": GOAL}, headers={"Prefer": "wait=20"})
        assert answer.status_code == 202

    def test_when_too_many_wait_already_no_further_one_waits(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("web.roadmaps.sse.MOST_OF_ONE", 0)
        answer = client.post(ROADMAPS, json={"goal": GOAL}, headers={"Prefer": "wait=20"})
        assert answer.status_code == 202

    def test_an_end_of_the_process_ends_the_waiting(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tasks.dispatcher.sender.submit", lambda steps: None)
        answers: list[Any] = []

        waits, watch = threading.Event(), poller.watch

        def watched(*given: Any, **how: Any) -> Any:
            waits.set()
            return watch(*given, **how)

        monkeypatch.setattr(poller, "watch", watched)

        def ask() -> None:
            answers.append(
                client.post(ROADMAPS, json={"goal": GOAL}, headers={"Prefer": "wait=50"})
            )

        asking = threading.Thread(target=ask)
        asking.start()
        assert waits.wait(HANG)
        poller.close()
        asking.join(HANG)
        assert [answer.status_code for answer in answers] == [202]
