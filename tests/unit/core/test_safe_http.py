"""Requests to addresses of others: what comes back as a status, what does not, and limits."""

import socket
import ssl
import threading
from collections.abc import Iterator
from ipaddress import ip_network
from time import thread_time
from typing import Any

import pytest
import trustme
from h11 import LocalProtocolError

from core.net import safe_http
from core.net.safe_http import LARGEST_ANSWER, FetchedResponse, Unreachable, parse
from testing.receiver import Receiver, one_byte_after_the_other, raw, receiving, silence, status
from testing.servers import free_port
from testing.waiting import BRIEF, HANG
from tests.cases import try_each

HERE = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
PAUSE = BRIEF / 4  # between two bytes of those who send them one by one


def post(url: str, **options: Any) -> FetchedResponse:
    return safe_http.post(
        url,
        b"{}",
        {"Content-Type": "application/json"},
        **{"networks": HERE, "discreet": False, "limit": HANG, **options},
    )


def failure(url: str, **options: Any) -> str:
    with pytest.raises(Unreachable) as caught:
        post(url, **options)
    return str(caught.value)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


class TestAnswers:
    def test_what_is_sent_arrives_as_it_is(self, receiver: Receiver) -> None:
        body = b"x" * 200_000
        safe_http.post(receiver.url + "?a=1&b=%20", body, {"X-Name": "value"}, networks=HERE)
        (got,) = receiver.got
        assert got.path == "/hook?a=1&b=%20"
        assert got.body == body
        assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert got.headers["x-name"] == "value"
        assert got.headers["connection"] == "close"

    @try_each(
        ("asked", "expected"),
        [("120", 120.0), ("0", 0.0), ("-1", None), ("99999999", None), ("soon", None)],
    )
    def test_the_status_and_how_long_to_wait(
        self, receiver: Receiver, asked: str, expected: float | None
    ) -> None:
        receiver.answer_from_now_on(status(503, Retry_After=asked))
        assert post(receiver.url) == FetchedResponse(503, expected)

    def test_a_redirect_is_a_status_like_others(self, receiver: Receiver) -> None:
        receiver.answer_from_now_on(status(302, Location=receiver.url + "/other"))
        assert post(receiver.url).status == 302
        assert [got.path for got in receiver.got] == ["/hook"]

    @try_each(
        "early",
        [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"],
    )
    def test_what_comes_before_the_answer_is_none(self, receiver: Receiver, early: bytes) -> None:
        receiver.answer_from_now_on(raw(early, b"HTTP/1.1 201 Created\r\n\r\n"))
        assert post(receiver.url).status == 201

    @try_each(
        "answer",
        [
            b"HTTP/1.0 200 OK\r\n\r\nbody",
            b"HTTP/1.1 200 OK\nContent-Length: 4\n\nbody",
            b"HTTP/1.1 200\r\nContent-Length: 9\r\n\r\nbody",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nbody",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnone",
            b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 500 Another\r\n\r\n",
        ],
    )
    def test_a_body_changes_no_status(self, receiver: Receiver, answer: bytes) -> None:
        receiver.answer_from_now_on(raw(answer))
        assert post(receiver.url) == FetchedResponse(200, None)

    @try_each("value", ["a\r\nX-Other: b", "a\nb", "a\x00b"])
    def test_a_header_of_two_lines_is_not_sent(self, receiver: Receiver, value: str) -> None:
        with pytest.raises(LocalProtocolError):
            safe_http.post(receiver.url, b"", {"X-Name": value}, networks=HERE)
        assert receiver.got == []

    @try_each(
        ("answer", "words"),
        [
            (b"", "ended before an answer"),
            (b"HTTP/1.1 200 OK\r\nServer: half", "not HTTP"),
            (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "not HTTP"),
            (b"+PONG\r\n\r\n", "not HTTP"),
            (b"HTTP/1.1 999 Strange\r\n\r\n", "not HTTP"),
            (b"HTTP/1.1 2000\r\n\r\n", "not HTTP"),
            (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", "not HTTP"),
            (b"HTTP/1.1 100 Continue\r\n\r\n" * LARGEST_ANSWER, "not HTTP"),
            (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2 * LARGEST_ANSWER, "not HTTP"),
        ],
    )
    def test_what_is_no_answer_is_none_and_is_not_shown(
        self, receiver: Receiver, answer: bytes, words: str
    ) -> None:
        receiver.answer_from_now_on(raw(answer))
        found = failure(receiver.url)
        assert words in found
        assert "SSH" not in found
        assert "PONG" not in found

    def test_of_a_huge_answer_little_is_read(self, receiver: Receiver) -> None:
        written = []

        def huge(handler: Any) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            for _ in range(1000):
                handler.wfile.write(b"x" * 100_000)
                written.append(100_000)

        receiver.answer_from_now_on(huge)
        assert post(receiver.url).status == 200
        assert sum(written) < 50_000_000

    def test_a_closed_port_refuses(self) -> None:
        assert "refused" in failure(f"http://127.0.0.1:{free_port()}/")


class TestTime:
    """Each fault ends at the limit; none of them would end by itself."""

    def assert_ended(self, url: str, words: str = "in time") -> None:
        assert words in failure(url, limit=BRIEF)

    def test_silence(self, receiver: Receiver) -> None:
        receiver.answer_from_now_on(silence)
        self.assert_ended(receiver.url)

    def test_one_byte_after_the_other(self, receiver: Receiver) -> None:
        receiver.answer_from_now_on(
            one_byte_after_the_other(b"HTTP/1.1 200 OK\r\nServer: slow", PAUSE)
        )
        self.assert_ended(receiver.url)

    def test_early_answers_without_end(self, receiver: Receiver) -> None:
        receiver.answer_from_now_on(
            one_byte_after_the_other(b"HTTP/1.1 100 Continue\r\n\r\n", PAUSE)
        )
        self.assert_ended(receiver.url)

    def test_a_header_is_read_as_fast_whatever_is_in_it(self, receiver: Receiver) -> None:
        """Blanks before a bare CR, which no header may have."""
        receiver.answer_from_now_on(
            raw(b"HTTP/1.1 302 Found\r\nLocation:" + b" " * 1200 + b"\rx\r\n\r\n")
        )
        began = thread_time()
        assert "not HTTP" in failure(receiver.url)
        assert thread_time() - began < 1

    def test_a_handshake_that_does_not_begin(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.assert_ended(f"https://127.0.0.1:{server.getsockname()[1]}/")

    def test_a_handshake_one_byte_after_the_other(self) -> None:
        """A TLS record that announces sixteen thousand bytes, and brings them one by one."""
        ended = threading.Event()

        def drip(server: socket.socket) -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
                while not ended.wait(PAUSE):
                    try:
                        connection.sendall(b"\x03")
                    except OSError:
                        return

        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=drip, args=[server])
            thread.start()
            try:
                self.assert_ended(f"https://127.0.0.1:{server.getsockname()[1]}/")
            finally:
                ended.set()
                thread.join()

    def test_a_request_that_the_receiver_does_not_read(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}/"

            body = b"x" * 50_000_000
            with pytest.raises(Unreachable, match="in time"):
                safe_http.post(url, body, {}, networks=HERE, discreet=False, limit=BRIEF)

    def test_a_name_that_is_not_looked_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answered = threading.Event()

        def slow(*_: Any, **__: Any) -> list[Any]:
            answered.wait(HANG)
            return []

        monkeypatch.setattr(socket, "getaddrinfo", slow)
        try:
            self.assert_ended("https://example.org/", "not found")
        finally:
            answered.set()

    def test_an_answer_that_has_no_end_is_one_already(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(safe_http, "PARTING", BRIEF)
        sent: list[int] = []

        def drip(handler: Any) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while not receiver.gone.wait(PAUSE):
                sent.append(handler.wfile.write(b"x"))

        receiver.answer_from_now_on(drip)
        assert post(receiver.url).status == 200
        assert len(sent) < HANG / PAUSE / 4  # at the limit it would be four times as many


class TestTls:
    @pytest.fixture
    def names(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two names of this machine."""
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    @pytest.fixture
    def secured(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
        """A receiver whose certificate is for receiver.example, from an authority trusted here."""
        authority = trustme.CA()
        context, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
        authority.issue_cert("receiver.example").configure_cert(context)
        authority.configure_trust(trusting)
        receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
        monkeypatch.setattr(safe_http, "tls_context", lambda: trusting)
        return receiver

    def test_a_certificate_for_the_name_is_needed(self, secured: Receiver, names: None) -> None:
        assert post(f"https://receiver.example:{secured.port}/hook").status == 204
        assert "certificate" in failure(f"https://other.example:{secured.port}/hook")
        assert "certificate" in failure(f"https://127.0.0.1:{secured.port}/hook")
        assert len(secured.got) == 1

    def test_one_of_an_unknown_authority_is_not_enough(
        self, secured: Receiver, names: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        assert "certificate" in failure(f"https://127.0.0.1:{secured.port}/hook")
        assert secured.got == []

    def test_what_speaks_no_tls_is_not_asked(self, receiver: Receiver) -> None:
        assert "TLS" in failure(f"https://127.0.0.1:{receiver.port}/hook")
        assert receiver.got == []


class TestAddressesOfAName:
    def test_the_next_address_is_tried_when_one_is_away(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),  # nothing listens there
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert post(f"http://receiver.example:{receiver.port}/").status == 204
        assert receiver.got[0].headers["host"] == f"receiver.example:{receiver.port}"

    def test_no_proxy_of_the_environment_is_asked(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with receiving() as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            assert post(receiver.url).status == 204
            assert proxy.got == []


class TestParts:
    @try_each(
        ("url", "header"),
        [
            ("https://Example.org", "example.org"),
            ("https://example.org:443/a", "example.org"),
            ("https://example.org:8443/a?b=c", "example.org:8443"),
            ("https://xn--mnchen-3ya.example/", "xn--mnchen-3ya.example"),
            ("http://[::1]:8080/", "[::1]:8080"),
            ("http://127.0.0.1/", "127.0.0.1"),
        ],
    )
    def test_the_host_is_named_as_browsers_do(self, url: str, header: str) -> None:
        assert parse(url, HERE).host_header == header

    def test_a_path_is_never_empty_and_keeps_its_query(self) -> None:
        assert parse("https://example.org", ()).path == "/"
        assert parse("https://example.org?a=%0d%0a", ()).path == "/?a=%0d%0a"
