"""Whatever comes over a connection is a request, or is answered by a problem: also what no application can be asked."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn

from tests.cases import try_each
from tests.servers import free_port
from tests.waiting import wait_until
from web.http import http_limits


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Says which headers and which path have arrived."""
    headers = [
        [name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]
    ]
    body = json.dumps({"path": scope["path"], "headers": headers}).encode()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    where = free_port()
    config = uvicorn.Config(
        echo,
        port=where,
        http=http_limits.BoundedProtocol,
        lifespan="off",
        ws="none",
        log_level="critical",
        loop="asyncio",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield where
    server.should_exit = True
    thread.join()


def answer_to(port: int, content: bytes) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of what is answered until the server hangs up."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(content)
        with suppress(ConnectionResetError):
            while piece := connection.recv(65_536):
                answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return (
        int(first.split()[1]),
        {name.lower(): value for name, _, value in pairs},
        json.loads(body),
    )


NO_REQUESTS = {
    "a method that does not exist": b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in the address": b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes in the address": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "a head without a colon": b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "another host to be connected to": b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an address of a whole site": b"GET http://evil.example HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
}


@try_each("content", NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_what_is_no_request_is_answered_by_a_problem(port: int, content: bytes) -> None:
    status, headers, problem = answer_to(port, content)
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert (problem["type"], problem["status"], problem["title"]) == (
        "/problems/malformed",
        400,
        "Malformed request",
    )
    assert problem["detail"]
    assert problem["request_id"] == headers["x-request-id"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["connection"] == "close"


@try_each("written", [b"1", b" 1", b"1 ", b"\t 1 \t"])
def test_space_around_a_value_is_no_part_of_it(port: int, written: bytes) -> None:
    """RFC 9110, 5.5."""
    _, _, found = answer_to(
        port,
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nLast-Event-ID:" + written + b"\r\n\r\n",
    )
    assert ["last-event-id", "1"] in found["headers"]


def test_an_address_with_a_host_is_read(port: int) -> None:
    _, _, found = answer_to(
        port, b"GET http://x/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert found["path"] == "/a"
