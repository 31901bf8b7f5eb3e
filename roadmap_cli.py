"""The command line, installed as `roadmap`.

A command's module is loaded when the command is called. Learners' commands need only the HTTP
client; operators' commands need no running service.
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
from core.paths import DATA, resolved
from core.sanitize import plain
from core.settings import SettingsError, from_environment
from core.version import COMMIT, NUMBER

LEARNERS = {  # summaries for `roadmap --help`, which loads no command
    "new": "Create a roadmap for GOAL.",
    "list": "List your roadmaps, newest first.",
    "show": "Show a roadmap as a tree.",
    "export": "Export a roadmap as Markdown, Anki deck, calendar, map or JSON.",
    "import": "Create a roadmap from an exported JSON file.",
    "catalogue": "Write, check and preview tracks of your own.",
    "demo": "Create a roadmap for GOAL without a running service.",
    "mcp": "Serve tools to an agent (Model Context Protocol).",
}
OPERATORS = {
    "serve": "Start the service on this machine.",
    "doctor": "Check database, broker, model and settings.",
    "config": "Show every setting with its value and origin.",
    "migrate": "Apply pending database migrations.",
    "users": "Manage accounts, roles, passwords and invitations.",
    "keys": "List, create and revoke API keys.",
    "jobs": "Manage queues, workers and dead letters.",
    "logs": "Search or follow the execution log.",
    "backup": "Write the database to a file.",
    "restore": "Read a backup into an empty database.",
    "cost": "Estimate the monthly bill.",
}
BY_THEMSELVES = {*LEARNERS, "config", "cost"}  # these open neither database nor broker
UNREADABLE = "Cannot open the files of embedded mode: {}. Check DATA_DIR."


class Commands(click.Group):
    """Commands, loaded by name: `new` is `cli/new.py: new_command`.

    Expected errors print one sentence and no traceback. A closed pipe (`| head`) is no error.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        return [*LEARNERS, *OPERATORS]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in (*LEARNERS, *OPERATORS):
            return None
        if name not in BY_THEMSELVES:
            # An operator's command has the settings and the data folder of `make run`.
            os.environ.setdefault("SERVICE_TYPE", "all")
            os.environ["DATA_DIR"] = os.environ.get("DATA_DIR", "").strip() or str(DATA)
        for folder in ("DATA_DIR", "TRACKS_DIR"):  # services are started in the folder of the code
            if path := os.environ.get(folder, "").strip():
                os.environ[folder] = str(resolved(path))
        try:
            module = importlib.import_module(f"cli.{'import_' if name == 'import' else name}")
        except SettingsError as error:
            raise CommandFailed(str(error)) from error
        except OSError as error:
            raise CommandFailed(UNREADABLE.format(error)) from error
        command: click.Command = getattr(module, f"{name}_command", None) or getattr(module, name)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in (("For learners", LEARNERS), ("For operators", OPERATORS)):
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))

    def invoke(self, context: click.Context) -> Any:
        """Run a command; a broken pipe ends it with exit code 0."""
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
        except sqlite3.Error as error:
            code = _show_error(CommandFailed(UNREADABLE.format(error)))
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
    click.echo(plain(text.getvalue()), err=True, nl=False)  # it may quote untrusted text
    return error.exit_code


def _as_failure(error: Exception) -> CommandFailed:
    if isinstance(error, RoadmapError):
        return failure(error, from_environment(os.environ))
    if isinstance(error, DATABASE_FAULTS):
        trouble = database_trouble(error, from_environment(os.environ))
        return (ServiceUnreachable if trouble.is_away else CommandFailed)(capital(f"{trouble}."))
    return CommandFailed(capital(f"{error}" if str(error).endswith(".") else f"{error}."))


def _drop_output() -> int:
    """Discard buffered output, since Python reports a failed flush at exit."""
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
    return Exit.ok


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(f"{NUMBER}, commit {COMMIT}", message="roadmap %(version)s")
def main() -> None:
    """Create and manage learning roadmaps.

    Commands for learners call a running service; demo starts its own, and catalogue calls one only
    for `from`. Commands for operators read the same environment variables as the service.
    """


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # the error is printed once, at the end
    main(prog_name="roadmap")
