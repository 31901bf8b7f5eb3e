"""Command reference of docs/COMMANDS.md, generated from the help texts."""

import os
import re
from collections.abc import Iterator
from textwrap import fill

import click

os.environ.setdefault("SERVICE_TYPE", "all")

from roadmap_cli import LEARNERS, OPERATORS, main
from scripts.marked import markdown

NUMBER = re.compile("(INTEGER|FLOAT)( RANGE)?")  # as click names them
HEAD = ("option", "meaning")
COMMON = "`--(url|key|patience|json)\\b"  # listed once
SHARED = """\
Commands for learners have the first three, except `demo`, `catalogue` without `from`, and `mcp`,
which has the first two; every command except `demo`, `mcp` and `serve` has `--json`."""


def reference() -> str:
    """Return the common options, and a section per command in the order of `roadmap --help`."""
    context = click.Context(main, info_name="roadmap")
    parts = ["### Common options", SHARED, markdown(HEAD, list(_common().items()))]
    for name in (*LEARNERS, *OPERATORS):
        command = main.get_command(context, name)
        assert command is not None
        parts += _sections(command, click.Context(command, info_name=name, parent=context))
    return "\n\n".join(parts)


def _common() -> dict[str, str]:
    """Return the options that several commands share, and their help."""
    context = click.Context(main, info_name="roadmap")
    command = main.get_command(context, "list")  # it has all of them
    assert command is not None
    rows = _rows(command, click.Context(command, info_name="list", parent=context))
    return {option: text for option, text in rows if re.match(COMMON, option)}


def _rows(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    """Return the options of a command and their help."""
    records = (
        each.get_help_record(context)
        for each in command.get_params(context)
        if isinstance(each, click.Option)
    )
    return [
        (f"`{NUMBER.sub('N', record[0])}`", record[1])
        for record in records
        if record and "--help" not in record[0]
    ]


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    if isinstance(command, click.Group):
        yield f"### `{context.command_path}`\n\n{_prose(command)}"
        first: dict[click.Command, str] = {}
        for name, each in command.commands.items():
            below = click.Context(each, info_name=name, parent=context)
            if each in first:
                yield f"#### `{below.command_path}`\n\nAlias of `{first[each]}`."
            else:
                first[each] = below.command_path
                yield from _sections(each, below)
        return
    depth = "#" * (3 if context.parent and context.parent.parent is None else 4)
    usage = " ".join(command.collect_usage_pieces(context)).replace("[OPTIONS]", "[options]")
    parts = [f"{depth} `{context.command_path} {usage}`", _prose(command)]
    common = _common().items()
    if rows := [row for row in _rows(command, context) if row not in common]:
        parts.append(markdown(HEAD, rows))
    yield "\n\n".join(parts)


def _prose(command: click.Command) -> str:
    paragraphs = (command.help or "").split("\n\n")
    return "\n\n".join(
        fill(" ".join(each.split()), 100, break_on_hyphens=False) for each in paragraphs
    )
