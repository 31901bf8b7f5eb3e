"""Requests that are sent again because an answer was lost are never done twice, never lost."""

import json
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from testing.servers import Postgres, Redis
from testing.stack import GOAL, Stack, running, server_stack
from testing.waiting import HANG, wait_until

ROADMAPS = "/api/v1/roadmaps"
AT_ONCE = 24


@pytest.fixture(scope="module")
def two_processes(
    postgres: Postgres, module_broker: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Two processes of the API that share nothing but the database."""
    with running(
        server_stack(tmp_path_factory.mktemp("two"), postgres, module_broker, API_WORKERS="2")
    ) as made:
        yield made


def stack_of(request: pytest.FixtureRequest, mode: str) -> Stack:
    name = {
        "embedded": "shared_embedded",
        "server": "shared_server",
        "two processes": "two_processes",
    }[mode]
    stack: Stack = request.getfixturevalue(name)
    return stack


def ids(stack: Stack) -> set[str]:
    return {item["id"] for item in stack.get(f"{ROADMAPS}?limit=100").json()["items"]}


def sent(stack: Stack, path: str, body: dict, key: str) -> list[httpx2.Response]:
    """The same request, many times at once, each on a connection of its own."""
    headers = {"Idempotency-Key": key}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(
            pool.map(lambda _: stack.post(path, json=body, headers=headers), range(AT_ONCE))
        )


def check_once(answers: list[httpx2.Response], status: int) -> dict:
    """Check that all have one answer, but for those that must retry later."""
    good = [answer for answer in answers if answer.status_code == status]
    busy = [
        answer
        for answer in answers
        if answer.json().get("type") == "/problems/idempotency-key-in-use"
    ]
    assert good
    assert len(good) + len(busy) == len(answers), [answer.text for answer in answers]
    assert len({answer.content for answer in good}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in good) == 1
    return dict(good[0].json())


@pytest.mark.parametrize("mode", ["embedded", "server", "two processes"])
class TestAtOnce:
    @pytest.fixture
    def stack(self, request: pytest.FixtureRequest, mode: str) -> Stack:
        return stack_of(request, mode)

    def test_a_goal_that_is_posted_many_times_at_once_is_one_roadmap(self, stack: Stack) -> None:
        before = ids(stack)
        for _ in range(3):
            key = str(uuid.uuid4())
            made = check_once(sent(stack, ROADMAPS, {"goal": GOAL, "review": True}, key), 202)
            assert ids(stack) - before == {made["id"]}
            before = ids(stack)

    def test_a_plan_that_is_edited_many_times_at_once_is_edited_once(self, stack: Stack) -> None:
        path = stack.create(review=True)

        def planned() -> dict | None:
            tree: dict = stack.get(path).json()
            return tree if tree["status"] == "awaiting_review" else None

        tree = wait_until(planned, reason="its plan can be edited")
        concept = tree["stages"][0]["modules"][0]["concepts"][0]
        edit = {
            "operations": [
                {
                    "op": "rewrite",
                    "what": "concept",
                    "key": concept["key"],
                    "title": "Another title",
                }
            ]
        }
        check_once(sent(stack, f"{path}/edits", edit, str(uuid.uuid4())), 202)
        assert len(stack.get(f"{path}/revisions").json()["items"]) == 2


@pytest.mark.parametrize("mode", ["embedded", "server", "two processes"])
def test_of_many_that_change_at_once_what_they_have_read_one_succeeds(
    request: pytest.FixtureRequest, mode: str
) -> None:
    """Each names the tag of what it has read, and all have read the same."""
    stack = stack_of(request, mode)
    for round_ in range(5):
        tag = stack.get("/api/v1/profile").headers["etag"]

        def change(hours: int, tag: str = tag) -> httpx2.Response:
            return stack.request(
                "PUT", "/api/v1/profile", json={"hours_per_week": hours}, headers={"If-Match": tag}
            )

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(change, range(1 + round_ * 12, 13 + round_ * 12)))
        (winner,) = [answer for answer in answers if answer.status_code == 200]
        losers = [answer for answer in answers if answer.status_code != 200]
        assert {(answer.status_code, answer.json()["type"]) for answer in losers} == {
            (412, "/problems/precondition-failed")
        }
        assert stack.get("/api/v1/profile").json() == winner.json()


def test_what_is_no_http_is_answered_with_a_problem_too(stack: Stack) -> None:
    with socket.create_connection(("127.0.0.1", stack.port), timeout=HANG) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
        head, _, body = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["type"] == "/problems/malformed"
