"""How every command tells what it found and what went wrong: text for people or JSON for programs, and an exit code.

With `--json` one document, or one a line where there is no end, is all that stands on stdout. What went wrong is one sentence on
stderr in either case.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import IntEnum
from math import isnan
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from pydantic import BaseModel
from rich.box import HEAVY_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from core.connection_errors import broker_trouble, database_trouble, first_line
from core.errors import RoadmapError, Unavailable
from core.logging_setup import NOT_PLAIN
from core.sanitize import plain
from core.settings import Settings

HOUSE = Path(__file__).resolve().parent.parent
console = Console()
NARROW = 24  # characters of a word that stay together where it may be broken
WIDE = 10_000  # columns of a terminal, in which nothing has to be broken
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on stdout, and nothing else there."
)


class Number(click.FloatRange):
    """In this range: `nan` is in none, though no comparison says so."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found: float = super().convert(value, param, ctx)
        if isnan(found):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return found


class Exit(IntEnum):
    """What `roadmap` ends with; docs/COMMANDS.md tells it."""

    ok = 0
    failed = 1  # it was said no, or something is wrong
    usage = 2  # the command was not understood; click's own
    away = 3  # the service, the database or the broker cannot be reached: the same may work later
    interrupted = 130  # Ctrl-C


class CommandFailed(click.ClickException):
    """The message says what went wrong and what to do."""

    exit_code = Exit.failed


class ServiceUnreachable(CommandFailed):
    """Something that is needed cannot be reached; nothing was changed by this."""

    exit_code = Exit.away


def data_folder(environment: Mapping[str, str]) -> Path:
    """DATA_DIR as the services read it, whose folder is that of the code, wherever the command is called."""
    return HOUSE / (environment.get("DATA_DIR", "").strip() or "data")


def failure(error: RoadmapError, settings: Settings | None = None) -> CommandFailed:
    fields = "; ".join(
        f"{field.pointer.removeprefix('/').removeprefix('?')} {field.detail}"
        for field in error.fields
        if field.detail.rstrip(".") not in error.detail  # the same twice
    )
    said = f"{error.detail.rstrip('.')} ({fields})." if fields else error.detail
    if not isinstance(error, Unavailable):
        return CommandFailed(said)
    cause = error.__cause__
    if not isinstance(cause, Exception):
        return ServiceUnreachable(said)
    if "broker" in said:
        trouble = broker_trouble(cause)
        said = f"{said} {_sentence(trouble.cause, trouble.fix)}"
    elif settings is not None:
        trouble = database_trouble(cause, settings)
        said = capital(f"{trouble}.")
    else:
        return ServiceUnreachable(f"{said} {capital(first_line(cause))}")
    return (ServiceUnreachable if trouble.is_away else CommandFailed)(said)


def show(data: Any, as_json: bool, human: Callable[[], None]) -> None:
    """The one way out of a command that found something."""
    if as_json:
        click.echo(as_document(data))
    else:
        human()


def as_document(data: Any) -> str:
    """Also on a terminal it shows what it is: what would command one, or turn its words round, stands as its escape."""
    document = json.dumps(data, default=_plain, ensure_ascii=False)
    return NOT_PLAIN.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def say(text: str, as_json: bool, data: Any = None) -> None:
    """What was done, in a sentence or as data."""
    click.echo(
        as_document(data if data is not None else {"done": text}) if as_json else plain(text)
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, breakable: str = "") -> None:
    """Words of others show as they are: no markup, no control characters. Where the terminal is too narrow for the words,
    the lines between the columns go first, and then each row is told as a paragraph. Words of the column `breakable` may
    go on in the next line.
    """
    told = [[plain(cell(each)) for each in row] for row in rows]
    for box in (HEAVY_HEAD, None):
        made, narrowest = (
            Table(box=box, pad_edge=box is not None),
            Table(box=box, pad_edge=box is not None),
        )
        for name in columns:
            made.add_column(
                name, overflow="fold", no_wrap=name == "id"
            )  # an id is copied, and a part of one is worth nothing
            narrowest.add_column(name, no_wrap=name == "id")
        for row in told:
            made.add_row(*row)
            narrowest.add_row(
                *(
                    each[:NARROW] if name == breakable else each
                    for name, each in zip(columns, row, strict=True)
                )
            )
        if (
            Measurement.get(console, console.options.update(width=WIDE), narrowest).minimum
            <= console.width
        ):
            return console.print(made, markup=False, highlight=False)
    for number, row in enumerate(told):
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
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def _sentence(cause: str, fix: str) -> str:
    return f"{capital(cause.rstrip('.'))}; {fix}."


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
