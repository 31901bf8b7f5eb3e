"""`import`: create a roadmap from an exported file."""

import json
from pathlib import Path

import click

from cli.api_client import IMPORTS, page_of, service_options
from cli.output import CommandFailed, json_option, say, titled_status
from core.sanitize import format_size
from roadmap.plan.format_version import FORMAT, LARGEST_DOCUMENT
from roadmap_client import RoadmapClient


@click.command("import")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
@service_options
@json_option
def import_command(file: Path, client: RoadmapClient, as_json: bool) -> None:
    """Create a roadmap from FILE, written by `roadmap export ID --format json` on this or another
    service. `-` reads stdin.
    """
    with click.open_file(str(file), "rb") as source:
        content = source.read(LARGEST_DOCUMENT + 1)
    if len(content) > LARGEST_DOCUMENT:
        raise CommandFailed(
            f"{file} is too large: a roadmap has at most {format_size(LARGEST_DOCUMENT)}."
        )
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise CommandFailed(
            f"{file} is not an exported roadmap. `roadmap export ID --format json` writes one."
        )
    made = client.post(IMPORTS, found)
    say(f"{titled_status(made['title'], made)}: {page_of(client, made)}", as_json, made)
