"""How the command line tells of what went wrong: one sentence, and an exit code."""

from collections.abc import Callable
from typing import TypeVar

import click

from core.errors import RoadmapError

Result = TypeVar("Result")


def told(ask: Callable[[], Result]) -> Result:
    try:
        return ask()
    except RoadmapError as error:
        raise click.ClickException(error.detail) from error
