"""`serve`: the service itself, as `make run` starts it in a checkout."""

import os
import sys

import click

from core.paths import ROOT


@click.command()
@click.option(
    "--port",
    envvar="PORT",
    default=8000,
    show_default=True,
    type=click.IntRange(1, 65_535),
    help="Listen port.",
)
def serve(port: int) -> None:
    """Start the service on this machine: API, pages and workers. Without settings it runs in
    embedded mode, on SQLite, for this machine alone; `roadmap config` shows its folder, DATA_DIR.
    Ctrl-C stops it.
    """
    # roadmap_cli.py has set SERVICE_TYPE=all, unless the environment names one.
    os.environ |= {"PORT": str(port), "ROADMAP_PYTHON": sys.executable}
    entrypoint = str(ROOT / "entrypoint.sh")
    os.execv(entrypoint, [entrypoint])
