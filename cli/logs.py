"""`logs`: search and follow the execution log."""

import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import click
from rich.text import Text

from cli.output import as_document, console
from core import clock
from core.ids import first_id
from core.sanitize import one_line
from roadmap.operations import log_search
from roadmap.operations.execution_log import LogLevel
from roadmap.operations.log_search import SETTLES, LogEntry
from roadmap.operations.search_filters import LogFilter

PAUSE = 1.0  # seconds between two queries
AT_ONCE = 200  # records of one query
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
COLOURS = {"warning": "yellow", "error": "red", "debug": "dim"}


def _moment(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> datetime | None:
    """Parse `15m`, `2h`, `7d` before now, or an ISO 8601 time (UTC by default)."""
    if value is None:
        return None
    try:
        if ago := re.fullmatch(r"([0-9]{1,6})([smhd])", value.strip()):
            return clock.now() - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(value)
    except (ValueError, OverflowError):  # 999999d ago is before year 1
        raise click.BadParameter(
            "must be a time such as 2026-11-26T08:00, or an age such as 15m, 2h, 7d."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Keep printing new records until Ctrl-C.")
@click.option(
    "--level",
    "levels",
    type=click.Choice([*LogLevel]),
    multiple=True,
    help="Only this level; repeatable.",
)
@click.option("--category", "categories", multiple=True, help="Only this category; repeatable.")
@click.option("--step", help="Only this step.")
@click.option("--roadmap", "roadmap_id", type=click.UUID, help="Only the roadmap with this id.")
@click.option(
    "--trace",
    "trace_id",
    type=click.UUID,
    help="Only this trace, in every process.",
)
@click.option("--since", callback=_moment, help="Start: 15m, 2h or 7d ago, or a time (UTC).")
@click.option("--until", callback=_moment, help="End, in the same form.")
@click.option("--text", default="", help='Words in the message; "a phrase", -excluded, or.')
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="Maximum number of records; the newest are shown.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document per line and record."
)
def logs(
    *,
    follow: bool,
    levels: tuple[str, ...],
    categories: tuple[str, ...],
    step: str | None,
    roadmap_id: UUID | None,
    trace_id: UUID | None,
    since: datetime | None,
    until: datetime | None,
    text: str,
    limit: int,
    as_json: bool,
) -> None:
    """Show the newest records of the execution log in order of time, or follow it."""
    wanted = LogFilter.model_construct(  # the search checks the text
        level=",".join(levels),
        category=",".join(categories),
        step=step,
        roadmap_id=roadmap_id,
        trace_id=trace_id,
        since=since,
        until=until,
        text=text,
    )
    # Later records may be incomplete and out of order; --follow prints them.
    begun = clock.now() - SETTLES
    settled = wanted.model_copy(update={"until": min(wanted.until or begun, begun)})
    found: list[LogEntry] = []
    cursor: str | None = ""
    while cursor is not None and len(found) < limit:
        page = log_search.search(
            settled if follow else wanted,
            before=UUID(cursor) if cursor else None,
            limit=min(AT_ONCE, limit - len(found)),
        )
        found, cursor = found + page.items, page.next_cursor
    _print(reversed(found), as_json)
    if not found and not follow and not as_json:
        click.echo("No records found.")
    last = first_id(begun)
    while follow:
        came = log_search.newer(wanted, last, AT_ONCE)
        _print(came, as_json)
        last = came[-1].id if came else last
        if len(came) < AT_ONCE:
            time.sleep(PAUSE)


def _print(records: Iterable[LogEntry], as_json: bool) -> None:
    for each in records:
        if as_json:
            click.echo(as_document(each))
            continue
        took = f" ({each.duration_ms} ms)" if each.duration_ms is not None else ""
        about = f" {each.roadmap_id}" if each.roadmap_id else ""
        message = one_line(f"{each.category}/{each.step}: {each.message}")
        level = (f"{each.level:<7}", COLOURS.get(each.level, ""))
        line = Text.assemble(f"{each.at:%Y-%m-%d %H:%M:%S} ", level, f" {message}{took}{about}")
        console.print(line, soft_wrap=True)
