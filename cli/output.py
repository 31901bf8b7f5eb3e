"""Output of commands: text or JSON, errors and exit codes.

With `--json`, stdout has one document, or one per line where output has no end, and nothing else.
Errors are on stderr.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import IntEnum
from math import isnan
from typing import Any
from uuid import UUID

import click
from pydantic import BaseModel
from rich.box import HEAVY_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from core.connection_errors import broker_trouble, database_trouble
from core.errors import BrokerUnavailable, RoadmapError, Unavailable
from core.logging_setup import NOT_PLAIN
from core.sanitize import plain
from core.settings import Settings

console = Console()
NARROW = 24  # minimum width of a breakable column
WIDE = 10_000  # columns of a terminal that breaks no word
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
)
STATUSES = {  # of a roadmap, as a predicate
    "queued": "is queued",
    "planning": "is being planned",
    "awaiting_answers": "is waiting for your answers",
    "awaiting_review": "is waiting for your approval",
    "building": "is being written",
    "ready": "is ready",
    "partial": "is partly ready",
    "failed": "failed",
    "cancelled": "was cancelled",
}


class Number(click.FloatRange):
    """Number in a range, without `nan`."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found: float = super().convert(value, param, ctx)
        if isnan(found):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return found


class Exit(IntEnum):
    """Exit codes of `roadmap`, as in docs/COMMANDS.md."""

    ok = 0
    failed = 1  # refused, failed, or a check found a failure
    usage = 2  # invalid command line; click's own
    away = 3  # service, database or broker unreachable; a retry may succeed
    interrupted = 130  # Ctrl-C


class CommandFailed(click.ClickException):
    """A command failed; the message names problem, cause and fix."""

    exit_code = Exit.failed


class ServiceUnreachable(CommandFailed):
    """Service, database or broker unreachable; nothing was changed."""

    exit_code = Exit.away


def failure(error: RoadmapError, settings: Settings) -> CommandFailed:
    """Return an error of the service with its fields, or with cause and fix."""
    fields = "; ".join(
        f"{field.pointer.removeprefix('/').removeprefix('?')} {field.detail}"
        for field in error.fields
        if field.detail.rstrip(".") not in error.detail  # not repeated
    )
    detail = f"{error.detail.rstrip('.')} ({fields})." if fields else error.detail
    cause = error.__cause__
    if not isinstance(error, Unavailable):
        return CommandFailed(detail)
    if not isinstance(cause, Exception):
        return ServiceUnreachable(detail)
    if isinstance(error, BrokerUnavailable):
        trouble = broker_trouble(cause)
        detail = f"{detail} {capital(trouble.cause.rstrip('.'))}; {trouble.fix}."
    else:
        trouble = database_trouble(cause, settings)
        detail = capital(f"{trouble}.")
    return (ServiceUnreachable if trouble.is_away else CommandFailed)(detail)


def show(data: Any, as_json: bool, human: Callable[[], None]) -> None:
    """Print the result of a command: as JSON, or by calling `human`."""
    if as_json:
        click.echo(as_document(data))
    else:
        human()


def as_document(data: Any) -> str:
    """Return JSON; characters that control a terminal are escaped."""
    document = json.dumps(data, default=_plain, ensure_ascii=False)
    return NOT_PLAIN.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def say(text: str, as_json: bool, data: Any) -> None:
    """Print a result as text or as JSON."""
    click.echo(as_document(data) if as_json else plain(text))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, breakable: str = "") -> None:
    """Print a table, without markup and control characters.

    A terminal that is too narrow gets a table without lines, or a paragraph for each row. Words of
    the column `breakable` may be broken.
    """
    cells = [[plain(cell(each)) for each in row] for row in rows]
    for box in (HEAVY_HEAD, None):
        shown = Table(box=box, pad_edge=box is not None)
        for name in columns:  # an id is not wrapped, so that it can be copied
            most = NARROW if name == breakable else None  # while it is measured
            shown.add_column(name, overflow="fold", no_wrap=name == "id", max_width=most)
        for row in cells:
            shown.add_row(*row)
        least = Measurement.get(console, console.options.update(width=WIDE), shown).minimum
        for column in shown.columns:
            column.max_width = None
        if least <= console.width:
            return console.print(shown, markup=False, highlight=False)
    for number, row in enumerate(cells):
        click.echo(
            "\n" * (number > 0)
            + "\n".join(f"{name}: {each}" for name, each in zip(columns, row, strict=True) if each)
        )
    return None


def cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else ""
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, date):  # also a time
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def titled_status(title: str, roadmap: dict[str, Any]) -> str:
    """Return the title of a roadmap with its status."""
    status = roadmap["status"]
    return f"{title} {STATUSES.get(status, f'has the status {status}')}"


def status_sentence(roadmap: dict[str, Any]) -> str:
    """Return the status of a roadmap with its error, without control characters."""
    error = f": {roadmap['error']}" if roadmap["error"] else "."
    return plain(titled_status("The roadmap", roadmap) + error)


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
