"""Process logs: one line an event, for machines or for a terminal, with the request and the trace that it belongs to."""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from core import tracing

# They tell every step at INFO, and at DEBUG what is in it.
QUIET = ("huey", "httpx", "httpx2", "httpcore", "httpcore2", "asyncio", "redis", "openai", "peewee")
WITH_HANDLERS = (
    "huey",
    "uvicorn",
    "uvicorn.error",
)  # that their programs give handlers of their own
# What could begin a line, colour a terminal, or turn its words round.
NOT_PLAIN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


# Of Redis and Valkey, to a command that they do not know: a login may be one, and then this is its password.
ARGUMENTS = re.compile(", with args beginning with:.*")


def without_arguments(said: str) -> str:
    """What a server has said, without what it repeats of the command."""
    return ARGUMENTS.sub("", said)


class LogFormat(StrEnum):
    auto = "auto"
    text = "text"
    json = "json"


def set_up_logging(level: str, log_format: LogFormat, service: str, *, embedded: bool) -> None:
    """Idempotent. Libraries that chatter are held at WARNING, and at INFO when everything is asked for: at DEBUG they tell
    values of rows and headers, secrets among them.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(log_format, service, embedded=embedded))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel("INFO" if level.upper() == "DEBUG" else "WARNING")
    take_over()


def take_over() -> None:
    """Lines of uvicorn and huey go the same way as all others; huey_consumer makes its own after it has imported ours."""
    for name in WITH_HANDLERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def say(text: str, level: int = logging.INFO) -> None:
    """What a service says of itself when it starts, whatever LOG_LEVEL is: plain, unless its lines
    are objects. To standard output, or to that of errors what is amiss.
    """
    try:
        formatter = formatter_of_environment()
    except ValueError:  # no LOG_FORMAT: that is what is to be said
        formatter = TextFormatter()
    if isinstance(formatter, JsonFormatter):
        text = formatter.format(logging.LogRecord("roadmap", level, "", 0, text, None, None))
    print(text, file=sys.stdout if level < logging.WARNING else sys.stderr, flush=True)


def formatter_of_environment() -> logging.Formatter:
    """For uvicorn_logging.json: the process above several workers of the API imports nothing else of the service."""
    given = os.environ.get("LOG_FORMAT", "").strip().lower() or LogFormat.auto
    service = os.environ.get("SERVICE_TYPE", "").strip() or "api"
    return _formatter(
        LogFormat(given), service, embedded=not os.environ.get("DATABASE_URL", "").strip()
    )


def _formatter(log_format: LogFormat, service: str, *, embedded: bool) -> logging.Formatter:
    if log_format is LogFormat.auto:
        log_format = LogFormat.text if embedded or sys.stderr.isatty() else LogFormat.json
    return JsonFormatter(service) if log_format is LogFormat.json else TextFormatter()


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, service, and what there is of request_id, trace_id, exception."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": f"{_second(record)}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_arguments(record.getMessage()),
            "service": self._service,
            **_ids(),
        }
        if exception := _exception(self, record):
            told["exception"] = exception
        return NOT_PLAIN.sub(
            lambda found: f"\\u{ord(found[0]):04x}", json.dumps(told, ensure_ascii=False)
        )


class TextFormatter(logging.Formatter):
    """A line as people read it. What a message brings that could begin another line is escaped, and what belongs to an
    exception is moved to the right: no text of anybody can look like a line of ours.
    """

    def format(self, record: logging.LogRecord) -> str:
        message = NOT_PLAIN.sub(
            lambda found: repr(found[0])[1:-1], without_arguments(record.getMessage())
        )
        ids = "".join(f" {name}={value}" for name, value in _ids().items())
        line = f"{_second(record)}Z {record.levelname:<7} {record.name}: {message}{ids}"
        told = (f"  {NOT_PLAIN.sub('?', part)}" for part in _exception(self, record).splitlines())
        return "\n".join((line, *told))


def _second(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))


def _ids() -> Mapping[str, str]:
    trace = tracing.current()
    if trace is None:
        return {}
    return ({"request_id": trace.request_id} if trace.request_id else {}) | {"trace_id": trace.id}


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    told: Any = (
        formatter.formatException(record.exc_info) if record.exc_info else record.exc_text or ""
    )
    stack = formatter.formatStack(record.stack_info) if record.stack_info else ""
    return "\n".join(filter(None, (without_arguments(told), stack)))
