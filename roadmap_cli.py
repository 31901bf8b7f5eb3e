"""The command line, installed as `roadmap`.

A command's module is loaded when it is called: those of learners need nothing of the service, which
may be elsewhere, and those of operators need no service that runs.
"""

import importlib
import io
import logging
import os
import sqlite3
import sys
from collections.abc import Sequence
from typing import Any, Never

import click

from cli.output import CommandFailed, Exit, ServiceUnreachable, capital, failure
from core.backup_format import NotABackup
from core.connection_errors import DATABASE_FAULTS, database_trouble
from core.errors import RoadmapError
from core.migrate import MigrationFailed
from core.sanitize import plain
from core.settings import SettingsError, from_environment
from core.version import COMMIT, NUMBER, ROOT

LEARNERS = {  # what `roadmap --help` says of them, without loading them
    "new": "Make a roadmap for GOAL, and watch it being made.",
    "list": "Show your roadmaps, the newest first.",
    "show": "Show a roadmap as a tree.",
    "export": "Write a roadmap as a file: to read, to learn with, or to move.",
    "import": "Make a roadmap of a file that was exported.",
    "demo": "Make a roadmap for GOAL without a service.",
}
OPERATORS = {
    "doctor": "Check everything that the service needs.",
    "config": "Show every variable, its value, and where that is from.",
    "migrate": "Bring the database up to date.",
    "users": "Accounts: list, add, invite, ranks, passwords, shut out.",
    "keys": "API keys: list, create, revoke.",
    "jobs": "Queues: messages, workers, dead letters, pauses.",
    "logs": "Search and follow the execution log.",
    "backup": "Write the whole database to FILE.",
    "restore": "Put a backup into an empty database.",
    "cost": "Estimate a month's bill.",
}
BY_THEMSELVES = {*LEARNERS, "config", "cost"}  # these do not open what the environment names


class Commands(click.Group):
    """Each command is the object of its own name in the module of its own name.

    Nothing ends with a traceback that somebody could expect, and a reader who has seen enough
    (`| head`) is no error.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        return [*LEARNERS, *OPERATORS]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in (*LEARNERS, *OPERATORS):
            return None
        if name not in BY_THEMSELVES:
            # An operator's command looks at the service from outside, in the folder of `make run`.
            os.environ.setdefault("SERVICE_TYPE", "all")
            # A relative folder is one beside the code, not in the caller's folder.
            folder = os.environ.get("DATA_DIR", "").strip() or "data"
            os.environ["DATA_DIR"] = str(ROOT / folder)
        try:
            module = importlib.import_module(f"cli.{'import_' if name == 'import' else name}")
        except SettingsError as error:
            raise CommandFailed(str(error)) from error
        except (sqlite3.Error, OSError) as error:
            raise CommandFailed(
                f"the files of embedded mode in DATA_DIR cannot be opened: {error}"
            ) from error
        command: click.Command = getattr(module, f"{name}_command", None) or getattr(module, name)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in (("For learners", LEARNERS), ("For operators", OPERATORS)):
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))

    def invoke(self, context: click.Context) -> Any:
        """Run a command before click and rich make an exit code of a broken pipe."""
        try:
            return super().invoke(context)
        except BrokenPipeError:
            return _drop_output()
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):
                return _drop_output()
            raise

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **options: Any
    ) -> Never:
        try:
            code = super().main(args, prog_name, **{**options, "standalone_mode": False})
            sys.stdout.flush()
        except click.ClickException as error:
            code = _show_error(error)
        except (
            RoadmapError,
            SettingsError,
            MigrationFailed,
            NotABackup,
            *DATABASE_FAULTS,
        ) as error:
            code = _show_error(_as_failure(error))
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            code = Exit.interrupted
        except BrokenPipeError:
            code = _drop_output()
        except OSError as error:
            place = f": {error.filename}" if error.filename else ""
            code = _show_error(CommandFailed(f"{error.strerror or error}{place}"))
        sys.exit(code if isinstance(code, int) else Exit.ok)


def _show_error(error: click.ClickException) -> int:
    text = io.StringIO()
    error.show(text)
    click.echo(plain(text.getvalue()), err=True, nl=False)  # it may quote anybody's words
    return error.exit_code


def _as_failure(error: Exception) -> CommandFailed:
    if isinstance(error, RoadmapError):
        return failure(error, from_environment(os.environ))
    if isinstance(error, DATABASE_FAULTS):
        trouble = database_trouble(error, from_environment(os.environ))
        return (ServiceUnreachable if trouble.is_away else CommandFailed)(capital(f"{trouble}."))
    return CommandFailed(capital(f"{error}" if str(error).endswith(".") else f"{error}."))


def _drop_output() -> int:
    """Drop the buffered output, which Python would complain about at exit."""
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
    return Exit.ok


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(f"{NUMBER}, commit {COMMIT}", message="roadmap %(version)s")
def main() -> None:
    """Roadmap: learning roadmaps for small teams.

    new, list, show, export and import talk to a running service; demo needs none. The others are
    for who operates one, and read the same environment variables as its processes.
    """


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # what is the matter is said once, at the end
    main(prog_name="roadmap")
