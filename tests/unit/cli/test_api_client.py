"""Learners' commands against faulty HTTP servers on this machine."""

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from cli.api_client import service_client
from cli.output import CommandFailed, ServiceUnreachable
from roadmap_cli import main
from roadmap_client import RoadmapClient
from testing.commands import FinishedCommand
from tests.cases import try_each

SECRET = "rmk_" + "x" * 43
PATH = "/api/v1/roadmaps/1/events"
ASK: tuple[Callable[[RoadmapClient], object], ...] = (
    lambda client: client.get(PATH),
    lambda client: list(client.events(PATH)),
)


class Other(BaseHTTPRequestHandler):
    """Handler of a foreign or broken server."""

    def do_GET(self) -> None:
        self.server.answer(self)  # type: ignore[attr-defined]

    def say(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """The test says what went wrong."""


@contextmanager
def serving(answer: Callable[[Other], None]) -> Iterator[str]:
    """Yield its address, while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    server.answer = answer  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def an_empty_list(handler: Other) -> None:
    handler.say(
        b'{"items": []}'
        if handler.headers["authorization"] in (None, f"Bearer {SECRET}")
        else b"another key"
    )


def roadmap(environment: dict[str, str], *arguments: str | Path) -> FinishedCommand:
    """The command, in this process."""
    result = CliRunner().invoke(
        main, [str(each) for each in arguments], env={"COLUMNS": "300", **environment}
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return FinishedCommand(result.exit_code, result.stdout, result.stderr)


class TestKey:
    def call(self, key: str) -> FinishedCommand:
        with serving(an_empty_list) as url:
            return roadmap({"ROADMAP_URL": url, "ROADMAP_API_KEY": key}, "list", "--json")

    @try_each("around", ["{}\r", "{}\r\n", "{}\n", " {}\t"])
    def test_what_an_editor_leaves_around_it_is_no_part_of_it(self, around: str) -> None:
        assert self.call(around.format(SECRET)).data == []

    @try_each("wrong", ["ключ", "\ufeff", "a\rb", "a\nb", "a b", "\x7f"])
    def test_an_invalid_key_is_refused_and_not_printed(
        self, pauses: list[float], wrong: str
    ) -> None:
        result = self.call(f"{SECRET}{wrong}y")
        assert (result.code, "--key" in result.errors, "Traceback" in result.errors) == (
            2,
            True,
            False,
        )
        assert SECRET not in result.output + result.errors
        assert pauses == []

    def test_none_is_sent_when_it_is_empty(self) -> None:
        assert self.call(" \r\n").data == []

    def test_what_cannot_be_sent_is_not_retried_and_not_printed(self, pauses: list[float]) -> None:
        for ask in ASK:
            with (
                serving(an_empty_list) as url,
                pytest.raises(CommandFailed) as refused,
                service_client(url, f"{SECRET}\r") as client,
            ):
                ask(client)
            assert SECRET not in refused.value.message
            assert not isinstance(refused.value, ServiceUnreachable)
        assert pauses == []


class TestStream:
    def test_one_that_ends_and_tells_nothing_is_given_up_after_the_time_that_was_given(
        self, pauses: list[float]
    ) -> None:
        asked: list[str] = []

        def end(handler: Other) -> None:
            asked.append(handler.path)
            handler.say(
                b"", 204 if len(asked) > 20 else 200, Content_Type="text/event-stream"
            )  # or it would go on for ever

        with (
            serving(end) as url,
            pytest.raises(ServiceUnreachable, match="busy or unavailable"),
            service_client(url, None, 1) as client,
        ):
            list(client.events(PATH))
        assert 1 < len(asked) < 10
        assert len(pauses) == len(asked) - 1

    @try_each(
        "event",
        [b"<html>", b"[1]", b"{}", b'{"seq": "1"}', b'{"seq": 1}', b'{"type": "a"}', b"\xff"],
    )
    def test_a_malformed_event_is_an_error(self, event: bytes) -> None:
        def tell(handler: Other) -> None:
            handler.say(b"data: " + event + b"\n\n", Content_Type="text/event-stream")

        with (
            serving(tell) as url,
            pytest.raises(CommandFailed, match="--url") as refused,
            service_client(url, None, 0.3) as client,
        ):
            list(client.events(PATH))
        assert not isinstance(refused.value, ServiceUnreachable)


class TestOther:
    @try_each(
        "url",
        [
            "http://ä..org",
            "http://☃.net",
            "http://x..org",
            "http://1.2.3.400",
            f"http://{'a' * 70}.org",
        ],
    )
    def test_an_address_that_no_host_can_have_is_a_mistake_of_the_command(self, url: str) -> None:
        result = roadmap({}, "list", "--url", url, "--patience", "1")
        assert (result.code, "--url" in result.errors, "Traceback" in result.errors) == (
            2,
            True,
            False,
        )

    @try_each(
        "body",
        [
            *(b'{"errors": 1}', b'{"errors": ["x"]}', b'{"errors": [{"x": 1}]}'),
            *(b'{"errors": [{"pointer": null, "detail": 1}]}', b'{"detail": [{"x": 1}]}'),
        ],
    )
    def test_a_problem_of_another_service_is_an_error(self, body: bytes) -> None:
        with serving(lambda handler: handler.say(body, 422)) as url:
            result = roadmap({"ROADMAP_URL": url}, "list")
        assert (result.code, "Traceback" in result.errors) == (1, False)

    def test_a_goal_that_is_not_utf_8_is_an_error(self) -> None:
        result = roadmap({}, "new", "Learn \udce9")
        assert (result.code, "invalid characters" in result.errors) == (1, True)

    def test_a_body_that_cannot_be_decompressed_is_an_error(self) -> None:
        with serving(
            lambda handler: handler.say(b"not compressed", Content_Encoding="gzip")
        ) as url:
            for ask in ASK:
                with (
                    pytest.raises(CommandFailed, match="--url"),
                    service_client(url, None, 0.3) as client,
                ):
                    ask(client)

    def test_a_malformed_list_is_an_error(self) -> None:
        with (
            serving(
                lambda handler: handler.say(b'{"items": [], "next_cursor": "a\\u0000b"}')
            ) as url,
            pytest.raises(CommandFailed),
            service_client(url, None, 0.3) as client,
        ):
            list(client.pages(PATH, 10))


class TestExport:
    @pytest.mark.parametrize(
        ("umask", "before", "after"),
        [(0o022, None, 0o644), (0o077, None, 0o600), (0o022, 0o640, 0o640)],
    )
    def test_a_file_may_be_read_by_whom_the_umask_or_the_one_before_it_says(
        self, tmp_path: Path, umask: int, before: int | None, after: int
    ) -> None:
        file = tmp_path / "map.svg"
        if before is not None:
            file.touch()
            file.chmod(before)
        arguments = ("export", str(uuid4()), "--format", "svg", "--output", file)
        with serving(lambda handler: handler.say(b"<svg/>")) as url:
            usual = os.umask(umask)
            try:
                result = roadmap({"ROADMAP_URL": url}, *arguments)
            finally:
                os.umask(usual)
        assert (result.code, file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (
            0,
            "<svg/>",
            after,
        )
