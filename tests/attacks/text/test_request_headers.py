"""Paths, queries and headers of requests make no headers and no log lines."""

import itertools
import json
import re
import socket
from uuid import uuid4

import pytest

from testing.stack import Stack
from testing.waiting import HANG, wait_until
from tests.attacks.text.checks import (
    FORGED,
    ROADMAPS,
    SCRIPT,
    assert_no_header_is_forged,
    assert_no_line_is_forged,
    texts,
)


def raw(
    stack: Stack, target: bytes, *headers: bytes, method: bytes = b"GET"
) -> tuple[int, list[tuple[str, str]], str]:
    """Status, headers and body of an answer to a request that no client would send."""
    own = [f"{name}: {value}".encode() for name, value in stack.headers.items()]
    lines = [
        method + b" " + target + b" HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Connection: close",
        *own,
        *headers,
        b"",
        b"",
    ]
    with socket.create_connection(("127.0.0.1", stack.port), timeout=HANG) as connection:
        connection.sendall(b"\r\n".join(lines))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    assert [field for field in fields if not re.fullmatch(r"[A-Za-z-]+: [\x20-\x7e]*", field)] == []
    return (
        int(status.split()[1]),
        [(name.lower(), value) for name, _, value in (field.partition(": ") for field in fields)],
        body.decode(),
    )


TARGETS = [
    f"/%0d%0aX-{FORGED}:%201",
    f"/%0AERROR%20{FORGED}",
    f"{ROADMAPS}/%0d%0aX-{FORGED}:%201",
    f"{ROADMAPS}/%0AERROR%20{FORGED}/events",
    f"{ROADMAPS}?cursor=%0d%0aX-{FORGED}:%201",
    f"{ROADMAPS}?status=%0AERROR%20{FORGED}",
    f"{ROADMAPS}?%0d%0aX-{FORGED}=1",
    f"/{SCRIPT}",
    "/%1b%5d0;owned%07",
    "/%00",
    "/%ff%fe%c0%ae",
    f"/health?%0AERROR%20{FORGED}=1",
]


def test_a_path_and_a_query_make_no_header_and_no_line(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    for target, method in itertools.product(TARGETS, (b"GET", b"POST", b"DELETE")):
        with subtests.test(target=target, method=method):
            status, headers, body = raw(stack, target.encode(), b"Content-Length: 0", method=method)
            assert 400 <= status < 500
            assert_no_header_is_forged(headers)
            if status != 400:  # else it is the server below, which did not take it for HTTP
                assert dict(headers)["content-type"] == "application/problem+json"
                assert dict(headers)["x-content-type-options"] == "nosniff"
                assert [text for text in texts(json.loads(body)) if text.startswith("<")] == []
    assert_no_line_is_forged(stack)


def test_a_category_with_an_end_of_line_stays_in_its_parameter(stack: Stack) -> None:
    path = stack.create(review=True)
    wait_until(
        lambda: stack.get(f"{path}/logs?limit=1").headers.get("link"),
        reason="more than one record is stored",
    )
    for evil in (
        f"%0d%0aX-{FORGED}:%201",
        f"api%0AERROR%20{FORGED}",
        f"%3E;rel=%22{FORGED}%22,%3Chttp:",
    ):
        status, headers, body = raw(stack, f"{path}/logs?limit=1&category={evil}".encode())
        assert (status, json.loads(body)["items"]) == (200, [])
        assert_no_header_is_forged(headers)
    assert_no_line_is_forged(stack)


EVIL_VALUES = {
    "an end of a line": b"a\nX-%b: 1",
    "an end of a line and a header": b"a\r\nX-%b: 1",
    "a carriage return": b"a\rX-%b: 1",
    "a folded line": b"a\r\n X-%b: 1",
    "encoded": b"a%%0d%%0aX-%b:%%201",
    "escaped": b"a\\r\\nX-%b: 1",
    "a letter that ends lines elsewhere": "a\u0085X-%b: 1".encode("latin-1"),
    "a letter of two bytes": "a\u560d\u560aX-%b".encode(),
    "an escape sequence": b"a\x1b]0;%b\x07",
    "NUL": b"a\x00X-%b: 1",
    "a page": b"<script>%b</script>",
    "a very long one": b"a" * 5000 + b"%b",
}


def test_a_header_of_the_request_makes_none_of_the_answer(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    names = (
        b"X-Request-ID",
        b"Last-Event-ID",
        b"If-None-Match",
        b"User-Agent",
        b"Accept",
        b"Origin",
    )
    for (kind, value), name in itertools.product(EVIL_VALUES.items(), names):
        with subtests.test(name=name, value=kind):
            place = (
                f"{ROADMAPS}/{uuid4()}/events" if name == b"Last-Event-ID" else "/api/v1/auth/me"
            )
            status, headers, body = raw(
                stack, place.encode(), name + b": " + value % FORGED.encode()
            )
            assert_no_header_is_forged(headers)
            assert FORGED not in body.lower()
            assert status in (200, 400, 404, 422, 431)
    assert_no_line_is_forged(stack)


def test_a_request_id_that_is_harmless_is_the_only_one_that_is_repeated(stack: Stack) -> None:
    assert (
        stack.get("/health", headers={"X-Request-ID": "a.b_c-1"}).headers["x-request-id"]
        == "a.b_c-1"
    )
    for given in (f"<{FORGED}>", f"{FORGED} b", f"{FORGED}%0a", FORGED * 20, f"{FORGED}:1"):
        answer = stack.get("/nowhere", headers={"X-Request-ID": given})
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
