"""`export`: write a roadmap to a file."""

import os
import stat
import sys
from pathlib import Path

import click

from cli.api_client import id_argument, service_options
from cli.output import CommandFailed, as_document
from core.backup_format import new_file
from roadmap.exchange.formats.registry import FORMATS
from roadmap_client import ROADMAPS, RoadmapClient


@click.command("export")
@id_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(sorted(FORMATS)),
    default="md",
    show_default=True,
    help="File format.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; replaced if it exists. Default: stdout.",
)
@service_options
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Same as --format json; with --output, report path and size as JSON.",
)
def export_command(
    roadmap_id: str, form: str, output: Path | None, client: RoadmapClient, as_json: bool
) -> None:
    """Export the roadmap ID: md (Markdown), zip (folder of Markdown files), apkg (Anki deck),
    ics (calendar of the remaining concepts), svg (map), or json (everything, including progress
    and notes, for `roadmap import`).
    """
    form = "json" if as_json and output is None else form
    if FORMATS[form].is_binary and output is None and sys.stdout.isatty():
        raise CommandFailed(
            f"A terminal cannot show {form}. Use --output, or redirect stdout to a file."
        )
    path = f"{ROADMAPS}/{roadmap_id}/export.{form}"
    if output is None:
        click.echo(client.request("GET", path).content, nl=False)
        return
    try:
        # The mode of the replaced file, or the one that the umask allows.
        os.umask(umask := os.umask(0))
        mode = stat.S_IMODE(output.stat().st_mode) if output.exists() else 0o666 & ~umask
        with new_file(output, replace=True) as file:
            size = file.write(client.request("GET", path).content)
        output.chmod(mode)
    except OSError as error:
        raise CommandFailed(
            f"{output} cannot be written ({error.strerror}). Choose another path with --output."
        ) from None
    document = as_document({"file": str(output), "format": form, "bytes": size})
    click.echo(document if as_json else f"Written to {output}.")
