"""Output of commands: text or JSON, errors and exit codes.

With `--json`, stdout has one document, or one a line where there is no end, and nothing else. An
error is one sentence on stderr in either case.
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
from core.errors import RoadmapError, Unavailable
from core.logging_setup import NOT_PLAIN
from core.sanitize import plain
from core.settings import Settings

console = Console()
NARROW = 24  # characters of a breakable word that stay together
WIDE = 10_000  # columns of a terminal, in which nothing has to be broken
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on stdout, and nothing else there."
)


class Number(click.FloatRange):
    """Number of a range, but not `nan`."""

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
    failed = 1  # refused, or something is wrong
    usage = 2  # the command was not understood; click's own
    away = 3  # the service, the database or the broker cannot be reached: the same may work later
    interrupted = 130  # Ctrl-C


class CommandFailed(click.ClickException):
    """A command has failed; the message names the error and its remedy."""

    exit_code = Exit.failed


class ServiceUnreachable(CommandFailed):
    """The service, the database or the broker cannot be reached; nothing was changed."""

    exit_code = Exit.away


def failure(error: RoadmapError, settings: Settings) -> CommandFailed:
    """Return an error of the service with its fields, or with its cause and the remedy."""
    fields = "; ".join(
        f"{field.pointer.removeprefix('/').removeprefix('?')} {field.detail}"
        for field in error.fields
        if field.detail.rstrip(".") not in error.detail  # the same twice
    )
    detail = f"{error.detail.rstrip('.')} ({fields})." if fields else error.detail
    cause = error.__cause__
    if not isinstance(error, Unavailable):
        return CommandFailed(detail)
    if not isinstance(cause, Exception):
        return ServiceUnreachable(detail)
    if "broker" in detail:
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
    """Return JSON with escapes for signs that control a terminal or text direction."""
    document = json.dumps(data, default=_plain, ensure_ascii=False)
    return NOT_PLAIN.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def say(text: str, as_json: bool, data: Any) -> None:
    """Print what was done, in a sentence or as data."""
    click.echo(as_document(data) if as_json else plain(text))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, breakable: str = "") -> None:
    """Print a table. Its text has no markup and no control characters.

    In a terminal that is too narrow for the words, the lines between the columns go first, and then
    each row becomes a paragraph. Words of the column `breakable` may be broken.
    """
    cells = [[plain(cell(each)) for each in row] for row in rows]
    for box in (HEAVY_HEAD, None):
        shown, narrowest = (Table(box=box, pad_edge=box is not None) for _ in range(2))
        for name in columns:  # an id is copied as a whole, and not wrapped
            shown.add_column(name, overflow="fold", no_wrap=name == "id")
            narrowest.add_column(name, no_wrap=name == "id")
        for row in cells:
            shown.add_row(*row)
            narrowest.add_row(
                *(
                    each[:NARROW] if name == breakable else each
                    for name, each in zip(columns, row, strict=True)
                )
            )
        least = Measurement.get(console, console.options.update(width=WIDE), narrowest).minimum
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


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
