"""The fuzz sees what it is there to see: each kind of wrong answer, and nothing in a right one."""

import json
from pathlib import Path
from typing import Any

import pytest

from testing.stack import ROOT, Stack
from tests.fuzz.asking import operation_of
from tests.fuzz.people import People, Person
from tests.fuzz.watch import Seen, Watch

GOOD = {
    "content-type": "application/json",
    "x-request-id": "a",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'",
}
PROBLEM = {
    "type": "/problems/not-found",
    "title": "Not found",
    "status": 404,
    "detail": "No.",
    "request_id": "a",
}
BAD = {**GOOD, "content-type": "application/problem+json"}
SECRET, THEIRS = "Zq/secret of the broker", "zebra5f1d"
THEIR_ROADMAP = "01a215d1-eadd-7d0f-8b03-3ca9ebd15373"


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    environment = {
        "SECRET_KEY": "c0ffee" * 6,
        "REDIS_URL": "redis://:Zq%2Fsecret%20of%20the%20broker@127.0.0.1:1/0",
    }
    stack = Stack("server", tmp_path, environment)
    for service in stack.services.values():
        service.log.write_text("")
    me = Person(stack, "a@example.org", "a passphrase", "token-of-mine")
    return Watch(
        People(
            me,
            Person(stack),
            "",
            {},
            theirs={"mark": THEIRS, "token": "token-of-theirs", "roadmap_id": THEIR_ROADMAP},
        ),
        stack,
    )


def seen(
    status: int, text: Any, headers: dict[str, str], operation: str = "read_me", sent: str = ""
) -> Seen:
    content = text if isinstance(text, bytes) else json.dumps(text).encode()
    return Seen(
        operation,
        "GET",
        f"http://127.0.0.1:1/{sent}",
        {"Authorization": "Bearer token-of-mine"},
        b"",
        status,
        headers,
        content,
    )


def found(watch: Watch, answer: Seen) -> list[str]:
    watch.see(answer)
    return [failure.what for failure in watch.failures.values()]


@pytest.mark.parametrize(
    "answer",
    [
        seen(200, {"name": "Ada"}, GOOD),
        seen(404, PROBLEM, BAD),
        seen(204, b"", GOOD),
        seen(200, {"markdown": "psycopg2 and SELECT a FROM b"}, GOOD, "read_concept"),
        seen(200, {"access_token": "token-of-mine"}, GOOD, "log_in"),
        seen(404, {**PROBLEM, "detail": f"/{THEIRS} is not here."}, BAD, sent=THEIRS),
        seen(404, {**PROBLEM, "detail": "/token-of-mine is not here."}, BAD, sent="token-of-mine"),
    ],
)
def test_a_right_answer_is_right(watch: Watch, answer: Seen) -> None:
    assert found(watch, answer) == []


WRONG = {
    "answered 500": seen(500, {**PROBLEM, "status": 500}, BAD),
    "answered 503": seen(503, {**PROBLEM, "status": 503}, {**BAD, "retry-after": "1"}),
    "404 is no problem document but application/json": seen(404, PROBLEM, GOOD),
    "a problem that says 422": seen(404, {**PROBLEM, "status": 422}, BAD),
    "a problem document that is no JSON": seen(404, b"no", BAD),
    "a problem with another request_id than X-Request-ID": seen(
        404, {**PROBLEM, "request_id": "b"}, BAD
    ),
    "422 names no field": seen(422, {**PROBLEM, "status": 422, "type": "/problems/invalid"}, BAD),
    "429 without Retry-After": seen(429, {**PROBLEM, "status": 429}, BAD),
    "401 without WWW-Authenticate": seen(401, {**PROBLEM, "status": 401}, BAD),
    "405 without Allow": seen(405, {**PROBLEM, "status": 405}, BAD),
    "no X-Request-ID": seen(
        200, {}, {name: value for name, value in GOOD.items() if name != "x-request-id"}
    ),
    "not the headers that make browsers careful": seen(
        200, {}, {**GOOD, "x-content-type-options": ""}
    ),
    "tells of its inside: psycopg2": seen(200, {"a": "psycopg2.errors"}, GOOD),
    "tells of its inside: SELECT a FROM": seen(200, {"a": "SELECT a FROM b"}, GOOD),
    f"tells the path {ROOT}": seen(200, {"a": f"{ROOT}/web"}, GOOD),
    "tells the password in REDIS_URL": seen(200, {"a": SECRET}, GOOD),
    "tells SECRET_KEY": seen(200, {}, {**GOOD, "x": "c0ffee" * 6}),
    "repeats a secret of log_in": seen(200, {"a": "token-of-mine"}, GOOD),
    "tells the other one's mark": seen(200, {"notes": THEIRS}, GOOD),
}


def test_operators_are_shown_which_things_there_are_and_not_what_they_hold(watch: Watch) -> None:
    values = {"id": THEIR_ROADMAP, "notes": THEIRS}
    assert found(watch, seen(200, values, GOOD, sent="api/v1/admin/roadmaps")) == [
        "tells the other one's mark"
    ]
    assert "tells the other one's roadmap_id" in found(
        watch, seen(200, values, GOOD, sent="api/v1/roadmaps")
    )


@pytest.mark.parametrize(("what", "answer"), WRONG.items(), ids=WRONG)
def test_a_wrong_answer_is_wrong(watch: Watch, what: str, answer: Seen) -> None:
    assert what in found(watch, answer)


@pytest.mark.parametrize(
    ("printed", "what"),
    [
        ("who is token-of-mine", "api prints a secret of log_in"),
        ("key token-of-theirs", "api prints a secret of token"),
        (SECRET, "api prints the password in REDIS_URL"),
        ("$argon2id$v=19$m=19456,t=2,p=1$abcdefghijklmnop", "api prints the hash of a password"),
        ("Traceback (most recent call last):\n  File\nValueError: no\n", "api prints a traceback"),
    ],
)
def test_what_a_service_may_not_print_is_found(watch: Watch, printed: str, what: str) -> None:
    watch.stack.api.log.write_text(f"started\n{printed}\n")
    watch.printed()
    assert what in [failure.what for failure in watch.failures.values()]


def test_a_command_repeats_a_request_byte_by_byte() -> None:
    plain = Seen("", "POST", "http://x/a", {"A": "b'c", "Empty": ""}, b'{"a": 1}', 200, {}, b"")
    headers = """-H 'A: b'"'"'c' -H 'Empty;'"""
    body = """--data-binary '{"a": 1}'"""
    assert plain.curl == f"curl -i -X POST --path-as-is {headers} {body} http://x/a"
    strange = Seen("", "POST", "http://x/a", {}, b"\x00\xff", 200, {}, b"")
    assert (
        strange.curl
        == "printf '\\000\\377' | curl -i -X POST --path-as-is --data-binary @- http://x/a"
    )


def test_an_address_is_known_by_its_operation() -> None:
    assert operation_of("GET", "/api/v1/roadmaps?limit=1") == "list_roadmaps"
    assert operation_of("POST", "/api/v1/roadmaps") == "create_roadmap"
    assert operation_of("GET", "/api/v1/roadmaps/a/export.svg") == "export_picture"
    assert operation_of("PATCH", "/api/v1/roadmaps") == ""
