"""Process logs: one line per event, as JSON or text, with request and trace ids."""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Mapping

from core import tracing
from core.sanitize import without_arguments
from core.settings import LogFormat

# These log every step at INFO, and contents at DEBUG.
QUIET = ("huey", "httpx", "httpx2", "httpcore", "httpcore2", "asyncio", "redis", "openai", "peewee")
# Their programs give these loggers handlers of their own.
WITH_HANDLERS = ("huey", "uvicorn", "uvicorn.error")
# Characters that could begin a line, colour a terminal, or change the direction of writing
NOT_PLAIN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def set_up_logging(level: str, log_format: LogFormat, service: str, *, embedded: bool) -> None:
    """Set up the root logger. Idempotent.

    Verbose libraries stay at WARNING, and at INFO when `level` is DEBUG: at DEBUG they log values
    of rows and headers, secrets among them.
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
    """Route lines of uvicorn and huey to the root logger.

    huey_consumer adds its own handler after it has imported the queues.
    """
    for name in WITH_HANDLERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def say(text: str, level: int = logging.INFO) -> None:
    """Print a line at the start, whatever LOG_LEVEL is.

    It is an object where log lines are JSON, and else plain text. Warnings and errors go to
    standard error.
    """
    try:
        formatter = formatter_of_environment()
    except ValueError:  # LOG_FORMAT is wrong: that is what `text` reports
        formatter = TextFormatter()
    if isinstance(formatter, JsonFormatter):
        text = formatter.format(logging.LogRecord("roadmap", level, "", 0, text, None, None))
    print(text, file=sys.stdout if level < logging.WARNING else sys.stderr, flush=True)


def formatter_of_environment() -> logging.Formatter:
    """Return the formatter for uvicorn_logging.json, without the settings.

    The process above several API workers imports nothing else of the service.
    """
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
    """Formats a record as a JSON object in one line.

    Keys: time, level, logger, message, service; request_id, trace_id and exception if present.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": f"{_second(record)}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_arguments(record.getMessage()),
            "service": self._service,
            **_ids(),
        }
        if exception := _exception(self, record):
            fields["exception"] = exception
        return NOT_PLAIN.sub(
            lambda found: f"\\u{ord(found[0]):04x}", json.dumps(fields, ensure_ascii=False)
        )


class TextFormatter(logging.Formatter):
    """Formats a record as a line of text.

    Line ends in a message are escaped and tracebacks are indented, so that no input can look like
    a line of the log.
    """

    def format(self, record: logging.LogRecord) -> str:
        message = NOT_PLAIN.sub(
            lambda found: repr(found[0])[1:-1], without_arguments(record.getMessage())
        )
        ids = "".join(f" {name}={value}" for name, value in _ids().items())
        line = f"{_second(record)}Z {record.levelname:<7} {record.name}: {message}{ids}"
        trace = (f"  {NOT_PLAIN.sub('?', part)}" for part in _exception(self, record).splitlines())
        return "\n".join((line, *trace))


def _second(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))


def _ids() -> Mapping[str, str]:
    trace = tracing.current()
    if trace is None:
        return {}
    return ({"request_id": trace.request_id} if trace.request_id else {}) | {"trace_id": trace.id}


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    text = formatter.formatException(record.exc_info) if record.exc_info else record.exc_text or ""
    stack = formatter.formatStack(record.stack_info) if record.stack_info else ""
    return "\n".join(filter(None, (without_arguments(text), stack)))
