"""Process logs: an object or a line for each event, and no text of anybody that looks like one."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from core.logging_setup import JsonFormatter, TextFormatter, formatter_of_environment
from core.settings import LogFormat
from core.tracing import trace_of_headers, use_trace
from tests.unit.alone import run_alone

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
FORGED = "2026-01-01T00:00:00Z INFO    roadmap.security: logged-in"
UGLY = f'a\n{FORGED}\r{FORGED}\x85{FORGED}\u2028{FORGED}\x1b[31m\x00\udc80 {{"level": 1}} 面包'


@pytest.fixture
def sink() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(params=["json", "text"])
def logger(request: pytest.FixtureRequest, sink: io.StringIO) -> Iterator[logging.Logger]:
    """A logger whose lines are in `sink` alone: pytest could not pass on every text."""
    made = logging.Logger(f"test-{request.param}")
    handler = logging.StreamHandler(sink)
    handler.setFormatter(JsonFormatter("api") if request.param == "json" else TextFormatter())
    made.addHandler(handler)
    yield made
    made.removeHandler(handler)


def fail() -> None:
    raise LookupError(UGLY)


def lines(sink: io.StringIO) -> list[str]:
    return sink.getvalue().split("\n")[:-1]


def test_a_line_has_the_request_and_the_trace_that_it_belongs_to(
    logger: logging.Logger, sink: io.StringIO
) -> None:
    logger.info("before %d", 1)
    with use_trace(trace_of_headers([f"00-{TRACE}-00f067aa0ba902b7-01"], "r-1")):
        logger.warning("inside")
    before, inside = lines(sink)
    if "json" in logger.name:
        body = json.loads(inside)
        assert body.pop("time").endswith("Z")
        assert body == {
            **{"level": "warning", "logger": logger.name, "message": "inside", "service": "api"},
            **{"request_id": "r-1", "trace_id": TRACE},
        }
        assert {"request_id", "trace_id", "exception"}.isdisjoint(json.loads(before))
        assert json.loads(before)["message"] == "before 1"
    else:
        assert inside.endswith(f"Z WARNING {logger.name}: inside request_id=r-1 trace_id={TRACE}")
        assert before.endswith(f"Z INFO    {logger.name}: before 1")


def test_no_text_can_look_like_a_line_of_ours(logger: logging.Logger, sink: io.StringIO) -> None:
    logger.info("%s", UGLY)
    try:
        fail()
    except LookupError:
        logger.exception("failed: %s", UGLY)
    assert [
        line for part in lines(sink) for line in part.splitlines() if line.startswith(FORGED)
    ] == []
    assert "\x1b" not in sink.getvalue()
    assert "面包" in sink.getvalue()
    if "json" in logger.name:
        first, second = map(json.loads, lines(sink))
        assert first["message"] == UGLY
        assert second["exception"].startswith("Traceback (most recent call last):")
        assert second["exception"].endswith(f"LookupError: {UGLY}")
    else:
        first_line, second_line, *traceback = lines(sink)
        assert second_line.partition("failed: ")[2] == first_line.partition(": ")[2]
        assert traceback
        assert [line for line in traceback if not line.startswith("  ")] == []


@pytest.mark.parametrize(
    ("given", "embedded", "is_terminal", "chosen"),
    [
        (LogFormat.auto, False, False, JsonFormatter),
        (LogFormat.auto, False, True, TextFormatter),
        (LogFormat.auto, True, False, TextFormatter),
        (LogFormat.json, True, True, JsonFormatter),
        (LogFormat.text, False, False, TextFormatter),
    ],
)
def test_the_format_fits_who_reads(
    given: LogFormat,
    embedded: bool,
    is_terminal: bool,
    chosen: type[logging.Formatter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return is_terminal

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("LOG_FORMAT", given)
    monkeypatch.setenv("DATABASE_URL", "" if embedded else "postgresql://127.0.0.1/unused")
    assert type(formatter_of_environment()) is chosen


def test_uvicorn_speaks_as_the_service_does_also_above_several_workers() -> None:
    made = "import logging, uvicorn; uvicorn.Config('x:y', log_config='core/uvicorn_logging.json')"
    code = f"{made}; logging.getLogger('uvicorn.error').warning('a\\nb')"
    output = json.loads(run_alone(code, {"LOG_FORMAT": "json", "SERVICE_TYPE": "api"}).stderr)
    assert (output["message"], output["logger"], output["service"], output["level"]) == (
        "a\nb",
        "uvicorn.error",
        "api",
        "warning",
    )
