"""The command line. A command's module is loaded when it is called: `demo` needs nothing of the application."""

import importlib
import os
import sqlite3

import click

from core.settings import SettingsError

COMMANDS = ("demo", "dead", "users")


class Commands(click.Group):
    """Each command is the object of its own name in the module of its own name."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        os.environ.setdefault("SERVICE_TYPE", "all")  # whichever mode the variables name, it is looked at from outside
        try:
            command: click.Command = getattr(importlib.import_module(f"cli.{name}"), name)
        except SettingsError as error:
            raise click.ClickException(str(error)) from error
        except sqlite3.Error as error:
            raise click.ClickException(f"the files of embedded mode in DATA_DIR cannot be opened: {error}") from error
        return command


@click.group(cls=Commands)
def main() -> None:
    """Roadmap: learning roadmaps for small teams."""


if __name__ == "__main__":
    main()
