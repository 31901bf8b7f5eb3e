"""Bytes over a connection are a request, or are answered by a problem."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn

from testing.servers import free_port
from testing.waiting import HANG, wait_until
from tests.cases import try_each
from web.http import http_limits

LARGE = 8 * 1024 * 1024  # more than sockets of both sides hold


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Says which headers and which path have arrived."""
    headers = [
        [name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]
    ]
    body = json.dumps({"path": scope["path"], "headers": headers}).encode()
    body = bytes(LARGE) if scope["path"] == "/large" else body
    if scope["path"] == "/stream":  # it begins, and then has nothing to say
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass
        return
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
    with socket.create_connection(("127.0.0.1", port), timeout=HANG) as connection:
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
    "another host to be connected to": b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\n"
    b"Connection: close\r\n\r\n",
    "an address of a whole site": b"GET http://evil.example HTTP/1.1\r\nHost: x\r\n"
    b"Connection: close\r\n\r\n",
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


class Line:
    """A transport that keeps what is written."""

    is_closing = get_extra_info = pause_reading = resume_reading = None

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.sent.append(b"".join(pieces))

    def close(self) -> None:
        self.sent.append(b"the end")


class TestWriting:
    HEAD = b"HTTP/1.1 200 OK\r\n\r\n"

    def written(self, *pieces: bytes, turns: int = 0, then_closed: bool = False) -> list[bytes]:
        async def write() -> None:
            loop = asyncio.get_running_loop()
            transport = http_limits.JoiningTransport(line, loop)  # type: ignore[arg-type]
            for piece in pieces:
                transport.write(piece)
                for _ in range(turns):
                    await asyncio.sleep(0)
            if then_closed:
                transport.close()

        line = Line()
        asyncio.run(write())
        return line.sent

    def test_a_head_and_the_body_that_follows_are_sent_together(self) -> None:
        assert self.written(self.HEAD, b"a", b"b") == [self.HEAD + b"a", b"b"]
        assert self.written(self.HEAD, b"") == [self.HEAD]

    def test_a_head_does_not_wait_for_a_later_body(self) -> None:
        assert self.written(self.HEAD, b"a", turns=2) == [self.HEAD, b"a"]

    def test_a_body_that_looks_like_a_head_is_sent_as_well(self) -> None:
        assert self.written(self.HEAD, b"HTTP/1.1 ", turns=2) == [self.HEAD, b"HTTP/1.1 "]

    def test_heads_that_follow_each_other_stay_in_order(self) -> None:
        assert b"".join(
            self.written(self.HEAD, self.HEAD, self.HEAD, turns=0, then_closed=True)
        ) == (self.HEAD * 3 + b"the end")

    def test_a_head_is_sent_before_the_end(self) -> None:
        assert self.written(self.HEAD, then_closed=True) == [self.HEAD, b"the end"]

    def test_a_stream_begins_before_it_has_a_body(self, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=HANG) as connection:
            connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")

    def test_requests_that_come_together_are_answered_in_order(self, port: int) -> None:
        ask = "{} /{} HTTP/1.1\r\nHost: x\r\n{}\r\n"
        requests = [ask.format("HEAD" if n % 2 else "GET", n, "") for n in range(6)]
        requests.append(ask.format("GET", 6, "Connection: close\r\n"))
        answer = b""
        with socket.create_connection(("127.0.0.1", port), timeout=HANG) as connection:
            connection.sendall("".join(requests).encode())
            while piece := connection.recv(65_536):
                answer += piece
        assert answer.count(b"HTTP/1.1 200 OK") == 7
        paths = [int(part[0]) for part in answer.decode().split('{"path": "/')[1:]]
        assert paths == [0, 2, 4, 6]


def unread(port: int) -> socket.socket:
    """A connection whose client has asked for a large response, and reads nothing."""
    client = socket.create_connection(("127.0.0.1", port), timeout=HANG)
    client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return client


def size_of(client: socket.socket) -> int:
    """The bytes that still arrive."""
    count = 0
    with client, suppress(ConnectionResetError):
        while piece := client.recv(1 << 16):
            count += len(piece)
    return count


def test_responses_that_nobody_reads_are_bounded(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_limits, "MOST_UNREAD", 2 * LARGE)
    clients = [unread(port) for _ in range(6)]
    wait_until(lambda: 0 < len(http_limits.BoundedProtocol.unread) < 6)
    whole = [size_of(client) > LARGE for client in reversed(clients)]
    assert whole == sorted(whole, reverse=True), "an older one was kept, and a newer one closed"
    assert (whole[0], whole[-1]) == (True, False)
    wait_until(lambda: not http_limits.BoundedProtocol.unread)


def test_who_does_not_read_for_long_is_left(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, "READ_SECONDS", 0.2)
    monkeypatch.setattr(http_limits, "READ_RATE", 10**9)
    client = unread(port)
    wait_until(lambda: http_limits.BoundedProtocol.unread)
    wait_until(lambda: not http_limits.BoundedProtocol.unread)
    assert size_of(client) < LARGE
