"""`doctor`: check what the service depends on."""

import os
import sqlite3
from typing import TYPE_CHECKING

import click
from rich.text import Text

from cli.output import Exit, console, json_option, show
from core.connection_errors import broker_trouble
from core.db import settings
from core.errors import Unavailable
from core.i18n import pluralize
from core.paths import START
from core.startup import diagnostics
from core.startup.diagnostics import Check, State
from roadmap.generation.catalogue import loader
from roadmap.generation.context import GeneratorFault
from roadmap.generation.llm import client
from roadmap.operations import execution_log

if TYPE_CHECKING:
    from tasks.queue_admin import QueueState

MARKS = {State.ok: ("✓", "green"), State.warning: ("!", "yellow"), State.failed: ("✗", "red")}


@click.command()
@click.option(
    "--no-model", is_flag=True, help="Skip the test call of the model, which costs one token."
)
@json_option
def doctor(no_model: bool, as_json: bool) -> None:
    """Check everything that the service needs, with the variables of this environment. The exit
    code is 1 if a check fails; warnings do not count.
    """
    checks = [
        *diagnostics.of_database(settings),
        *diagnostics.of_broker(settings),
        _check_model(no_model),
        _check_catalogue(),
        diagnostics.of_secret(settings),
        diagnostics.of_drain_time(settings, os.environ),
        *diagnostics.of_disk(settings),
    ]
    reachable = {check.name for check in checks if check.state is not State.failed}
    if "broker" in reachable and "service" not in reachable:  # the check `service`: not started yet
        checks += _check_queues()
    if {"database", "migrations"} <= reachable:
        checks.append(_check_log())
    counts = {state: sum(check.state is state for check in checks) for state in State}

    def human() -> None:
        for check in checks:
            mark, colour = MARKS[check.state]
            result = Text.assemble((mark, colour), f" {check.name}: {check.told}")
            console.print(result, soft_wrap=True)
            if check.cause:
                console.print(Text(f"    cause: {check.cause}"), soft_wrap=True)
                console.print(Text(f"    fix: {check.fix}"), soft_wrap=True)
        ok, failed = counts[State.ok], counts[State.failed]
        summary = f"{ok} ok, {pluralize(counts[State.warning], 'warning')}, {failed} failed"
        console.print(f"\n{summary}", highlight=False)

    show(checks, as_json, human)
    raise click.exceptions.Exit(Exit.failed if counts[State.failed] else Exit.ok)


def _check_catalogue() -> Check:
    tracks = loader.tracks().values()
    concepts = sum(len(track.concept_ids) for track in tracks)
    found = f"{len(tracks)} ready-made roadmaps, {concepts} concepts"
    if not (broken := loader.broken_files()):
        return Check("catalogue", State.ok, found)
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    fix = "correct the file, which is in TRACKS_DIR if that is set; or reinstall this version"
    return Check("catalogue", State.failed, found, f"{broken[0]}{more}", fix)


def _check_model(is_off: bool) -> Check:
    if settings.openai_api_key is None:
        return Check("model", State.ok, "built-in catalogue; OPENAI_API_KEY enables a model")
    if is_off:
        return Check("model", State.ok, f"{settings.openai_model}, not called")
    try:
        seconds = client.answer_seconds(settings)
    except GeneratorFault as fault:
        return Check(
            "model",
            State.failed,
            f"{settings.openai_model} does not answer",
            str(fault).rstrip("."),
            "check OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL",
        )
    return Check("model", State.ok, f"{settings.openai_model} answers in {seconds:.1f} s")


def _check_queues() -> list[Check]:
    try:
        from tasks.queue_admin import queue_states  # its import creates the queues of embedded mode

        return [_check_queue(state) for state in queue_states()]
    except sqlite3.Error as error:
        fix = "move queue.db in DATA_DIR away: roadmaps are in the database"
        return [Check("queues", State.failed, "the file cannot be read", str(error), fix)]
    except Unavailable as error:
        trouble = broker_trouble(
            error.__cause__ if isinstance(error.__cause__, Exception) else error
        )
        return [Check("queues", State.failed, trouble.what, trouble.cause, trouble.fix)]


def _check_queue(state: "QueueState") -> Check:
    name = f"queue {state.name}"
    counts = (
        f"{state.ready:,} ready, {state.held:,} held, {state.scheduled:,} scheduled, "
        f"{state.dead:,} dead, "
        f"{pluralize(state.workers, 'consumer')}"
    )
    if state.is_paused:
        fix = f"`roadmap jobs resume {state.name}`"
        return Check(name, State.warning, f"{counts}; paused", "an operator paused it", fix)
    if state.dead:
        fix = f"`roadmap jobs dead --queue {state.name}` shows reasons, `jobs replay` retries"
        return Check(name, State.warning, counts, "tasks failed after all retries", fix)
    if not state.workers and (state.ready or not settings.embedded):
        fix = f"start SERVICE_TYPE=huey_{state.name}, or `{START}`"
        return Check(name, State.warning, counts, "no consumer is running", fix)
    return Check(name, State.ok, counts)


def _check_log() -> Check:
    counts = execution_log.ledger()
    found = (
        f"{counts.stored:,} records stored, {counts.missing:,} missing, {counts.dropped:,} dropped"
    )
    if not (counts.missing or counts.dropped):
        return Check("log", State.ok, found)
    cause = "the broker lost messages, or was unavailable for long"
    fix = "set appendonly to yes in Redis; lost records cannot be recovered"
    return Check("log", State.warning, found, cause, fix)
