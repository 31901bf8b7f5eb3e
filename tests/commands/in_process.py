"""Commands of `roadmap` in this process, each with its own variables, settings and database."""

import importlib
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

from click.testing import CliRunner
from psycopg2 import extensions

import roadmap_cli
from core.backends import open_database
from core.db import settings
from core.queue_factory import make_queue
from core.settings import Settings, from_environment
from core.startup import preflight
from roadmap.generation.catalogue import loader
from roadmap.generation.catalogue.goal_reading import read_goal
from tasks import queue_admin
from tasks.queues import QUEUES
from testing.commands import FinishedCommand, command
from testing.database import using
from testing.stack import ROOT

OF_TRACKS_DIR = (
    *(loader.heads, loader.tracks, loader.load_track, loader.load_concept, loader.lexicon),
    *(loader.load_capstones, read_goal),
)


def roadmap(
    environment: Mapping[str, str], *arguments: str | Path, folder: Path = ROOT
) -> FinishedCommand:
    """Return what `testing.commands.roadmap` does, without the start and end of a process."""
    words = [str(each) for each in arguments]
    with variables(command(dict(environment))), ExitStack() as until_it_ends:
        until_it_ends.callback(os.chdir, os.getcwd())
        os.chdir(folder)
        until_it_ends.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.WARNING)
        if "TRACKS_DIR" in environment or words[0] == "catalogue":
            forget_tracks()
            until_it_ends.callback(forget_tracks)

        asked = queue_admin.queue_states

        def load(name: str) -> ModuleType:
            module = importlib.import_module(name)
            if words[0] not in roadmap_cli.BY_THEMSELVES:
                made = until_it_ends.enter_context(opened())
                if words[0] != "doctor":
                    until_it_ends.enter_context(_queues(made))
            return module

        def open_and_ask() -> list[queue_admin.QueueState]:
            """The doctor imports the queues when it asks."""
            with _queues(settings):
                return asked()

        if words[0] == "doctor":
            replaced = patch.object(queue_admin, "queue_states", open_and_ask)
            until_it_ends.enter_context(replaced)
        loading = SimpleNamespace(import_module=load)
        until_it_ends.enter_context(patch.object(roadmap_cli, "importlib", loading))
        done = CliRunner().invoke(roadmap_cli.main, words, prog_name="roadmap")
    if not isinstance(done.exception, SystemExit | None):
        raise done.exception
    output, errors = done.stdout_bytes.decode(), done.stderr_bytes.decode()
    return FinishedCommand(done.exit_code, output, errors)


def succeeded(
    environment: Mapping[str, str], *arguments: str | Path, folder: Path = ROOT
) -> FinishedCommand:
    result = roadmap(environment, *arguments, folder=folder)
    assert result.code == 0, result
    return result


def refused(environment: Mapping[str, str], *arguments: str | Path, code: int = 1) -> str:
    """The one sentence of a command that fails."""
    result = roadmap(environment, *arguments)
    assert result.code == code, result
    return result.sentence


def started(environment: Mapping[str, str]) -> FinishedCommand:
    """Return the words of a service until it would begin to serve, which it may refuse."""
    output, errors = StringIO(), StringIO()
    with variables(environment), redirect_stdout(output), redirect_stderr(errors):
        code = preflight.main()
    return FinishedCommand(code, output.getvalue(), errors.getvalue())


@contextmanager
def variables(environment: Mapping[str, str]) -> Iterator[None]:
    """Let this process have these variables and no others for the block."""
    waits = extensions.get_wait_callback()
    try:
        with patch.dict(os.environ, environment, clear=True):
            yield
    finally:
        extensions.set_wait_callback(waits)


def forget_tracks() -> None:
    for cached in OF_TRACKS_DIR:
        cached.cache_clear()


@contextmanager
def opened() -> Iterator[Settings]:
    """Open settings and database of the environment, as the import of `core.db` does."""
    made, ours = from_environment(os.environ), settings.__dict__
    with using(lambda: open_database(made)):
        object.__setattr__(settings, "__dict__", made.__dict__)
        try:
            yield made
        finally:
            object.__setattr__(settings, "__dict__", ours)


@contextmanager
def _queues(made: Settings) -> Iterator[None]:
    """Open the queues, as the import of `tasks.queues` does."""
    with ExitStack() as until_it_ends:
        for name, queue in QUEUES.items():
            seen = make_queue(made, name)
            until_it_ends.callback(seen.storage.close)
            for part in ("storage", "serializer"):
                until_it_ends.enter_context(patch.object(queue, part, getattr(seen, part)))
        yield
