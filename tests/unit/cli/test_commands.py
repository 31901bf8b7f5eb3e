"""Rules of every command of `roadmap`, whatever it does."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import click
import pytest

from cli.output import failure
from core.backup_format import Reader, new_file
from core.db import database, session, settings
from core.errors import FieldError, Invalid
from roadmap.operations import backup
from roadmap_cli import LEARNERS, OPERATORS, main
from scripts.commands_page import reference
from tests.cases import try_each


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(main, info_name="roadmap")
    for name in (*LEARNERS, *OPERATORS):
        command = main.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {each}", below) for each, below in command.commands.items())
        else:
            yield name, command


COMMANDS = dict(commands())


def test_every_command_that_does_not_start_services_can_answer_a_program() -> None:
    options = {
        name: {option for each in command.params for option in each.opts}
        for name, command in COMMANDS.items()
    }
    assert [name for name, known in options.items() if "--json" not in known] == [
        "demo",
        "mcp",
        "serve",
    ]


def test_every_command_and_each_of_its_options_say_what_they_are_for() -> None:
    options = [
        (name, each)
        for name, command in COMMANDS.items()
        for each in command.params
        if isinstance(each, click.Option)
    ]
    assert [name for name, command in COMMANDS.items() if not command.help] == []
    assert [f"{name} {each.name}" for name, each in options if not each.help] == []


def test_the_page_about_commands_says_what_they_say_of_themselves() -> None:
    for name in COMMANDS:
        assert re.search(rf"^###+ `roadmap {name}\b", reference(), re.MULTILINE), name


def test_help_names_every_command_and_loads_none() -> None:
    listed = main.get_help(click.Context(main, info_name="roadmap"))
    assert [name for name in (*LEARNERS, *OPERATORS) if f"  {name} " not in listed] == []


@try_each("option", ["--since", "--until"])
@try_each("moment", ["999999d", "yesterday", "2026-13-01", "12345678s"])
def test_an_invalid_time_is_refused(option: str, moment: str) -> None:
    with pytest.raises(click.BadParameter, match="must be a time such as"):
        COMMANDS["logs"].make_context("logs", [option, moment])


def test_a_refusal_names_options_and_fields_as_a_person_does() -> None:
    error = Invalid(
        "The search text is too long.",
        fields=(FieldError("?text", "has 600 characters"), FieldError("/name", "is empty")),
    )
    message = failure(error, settings).message
    assert message == "The search text is too long (text has 600 characters; name is empty)."


@pytest.mark.usefixtures("schema")
def test_a_backup_has_every_table_and_column_that_the_database_has() -> None:
    """A new kind of column needs a word in `roadmap/operations/backup.py: KINDS`."""
    with session():
        there = set(database.get_tables()) - {backup.HISTORY, "sqlite_sequence"}
        tables = {table._meta.table_name: table for table in backup.tables()}
        assert tables.keys() == there
        for name, table in tables.items():
            assert {column.name for column in database.get_columns(name)} == {
                field.column_name for field in table._meta.sorted_fields
            }
            assert all(backup.kind_of(field) for field in table._meta.sorted_fields)


@pytest.mark.usefixtures("schema")
def test_nothing_but_what_is_made_again_is_left_out_of_a_backup(tmp_path: Path) -> None:
    backup.write(settings, new_file(tmp_path / "backup.gz"), nullcontext())
    kept = {table.name for table in Reader(tmp_path / "backup.gz").manifest().tables}
    assert {table._meta.table_name for table in backup.tables()} - kept == {
        "account_export",
        "export_piece",
    }
