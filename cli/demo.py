"""`demo`: create one roadmap over HTTP, with services of its own."""

import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress

from cli.api_client import service_client
from cli.local_service import POLL, start_services, stop, wait_until_ready
from cli.new import COLUMNS, choose_course, scope_option
from cli.output import CommandFailed, console, status_sentence
from cli.show import print_tree
from core.i18n import pluralize
from core.paths import START
from roadmap_client import ROADMAPS, RoadmapClient

GOAL = "Become a backend engineer in Python"  # as in the Makefile
BUILD_LIMIT = 1800.0  # seconds for the roadmap; a model needs minutes, the catalogue seconds
SERVER_VARIABLES = ("DATABASE_URL", "REDIS_URL", "DIRECT_DATABASE_URL", "HOST")
ENDED = ("ready", "partial", "failed", "cancelled")


@click.command()
@click.argument("goal", default=GOAL)
@click.option(
    "--level", default="beginner", show_default=True, help="beginner, intermediate or advanced."
)
@click.option(
    "--hours-per-week", default=8, show_default=True, type=int, help="Learning hours per week."
)
@click.option(
    "--output",
    default="roadmap.md",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.",
)
@scope_option
def demo(goal: str, level: str, hours_per_week: int, output: Path, scope: str | None) -> None:
    """Start the services in a temporary folder, create a roadmap for GOAL, print it, write it to a
    file, and stop the services. Default: a Python backend.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    place = output if output.exists() else output.absolute().parent
    if not os.access(place, os.W_OK):
        raise CommandFailed(f"{output} cannot be written. Choose another path with --output.")
    with running_service() as url, service_client(url) as client:
        request = {"goal": goal, "level": level, "hours_per_week": hours_per_week}
        roadmap = make_roadmap(client, request | ({"scope": scope} if scope else {}))
        if roadmap["stages"]:
            output.write_bytes(client.request("GET", roadmap["links"]["markdown"]).content)
            print_tree(roadmap)
            show_cost(client.get(roadmap["links"]["receipt"]))
            console.print(
                f"\nWritten to [bold]{output}[/]. To use it in a browser: [bold]{START}[/]"
            )
        if roadmap["status"] != "ready" or not roadmap["stages"]:
            raise CommandFailed(status_sentence(roadmap))


@contextmanager
def running_service() -> Iterator[str]:
    """Run the three services on SQLite and a free port; yield their URL."""
    with tempfile.TemporaryDirectory(prefix="roadmap-demo-") as scratch:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = str(probe.getsockname()[1])  # a free one
        environment = {
            **{name: value for name, value in os.environ.items() if name not in SERVER_VARIABLES},
            "PORT": port,
            "DATA_DIR": scratch,
            "LOG_LEVEL": "WARNING",
        }
        log = Path(scratch) / "services.log"
        services = start_services(environment, log)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url, services, log)
            yield url
        finally:
            stop(services)


def make_roadmap(client: RoadmapClient, request: dict[str, Any]) -> dict[str, Any]:
    """Post the goal, show its progress, and return the finished tree."""
    made = client.post(ROADMAPS, request)
    path = made["links"]["self"]
    if "scope" not in request:
        choose_course(client, made)
    deadline = time.monotonic() + BUILD_LIMIT
    with Progress(*COLUMNS, console=console) as progress:
        bar = progress.add_task("Drafting the plan", total=None)
        while time.monotonic() < deadline:
            roadmap = client.get(path)
            parts = roadmap["progress"]
            if total := parts["total"]:
                done = parts["ready"] + parts["failed"]
                progress.update(
                    bar, description="Writing the contents", completed=done, total=total
                )
            if roadmap["status"] in ENDED:
                return roadmap
            time.sleep(POLL)
    raise CommandFailed(f"The roadmap was not finished within {BUILD_LIMIT:g} s.")


def show_cost(receipt: dict[str, Any]) -> None:
    """Print calls, tokens and cost of the model; nothing for the catalogue."""
    calls = sum(step["calls"] for step in receipt["steps"])
    if calls:
        tokens = sum(step["prompt_tokens"] + step["completion_tokens"] for step in receipt["steps"])
        price = f", {receipt['spent']} {receipt['currency']}" if float(receipt["spent"]) else ""
        console.print(
            f"\n{pluralize(calls, 'model call')}, {pluralize(tokens, 'token')}{price}",
            highlight=False,
        )
