"""`export`: a roadmap to take along."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from cli.calling import ROADMAPS, Caller, id_argument, service_options
from cli.telling import Failed, as_document
from core.archive import new_file
from roadmap import document

BINARY = ("zip", "apkg")


@click.command("export")
@id_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(["apkg", "ics", "json", "md", "svg", "zip"]),
    default="md",
    show_default=True,
    help="Of the file.",
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write, replaced if it is there. Default: stdout."
)
@service_options
@click.option(
    "--json", "as_json", is_flag=True, help="Without --output: as --format json. With it: what was written where, as JSON."
)
def export_command(roadmap_id: str, form: str, output: Path | None, caller: Caller, as_json: bool) -> None:
    """Write the roadmap ID: as Markdown to read (md, or a folder of it as zip), as a deck for Anki (apkg), as a calendar of what
    is left (ics), its map (svg), or all that it is and all that you have left, for `roadmap import` (json).
    """
    form = "json" if as_json and output is None else form
    if form in BINARY and output is None and sys.stdout.isatty():
        raise Failed(f"A terminal cannot show {form}; say --output, or send it to a file with >.")
    parts = _markdown if form == "md" else _as_it_is(form)
    if output is None:
        for part in parts(caller, f"{ROADMAPS}/{roadmap_id}"):
            click.echo(part, nl=False)
        return
    size = 0
    try:
        mode = _mode(output)
        with new_file(output, replace=True) as file:
            for part in parts(caller, f"{ROADMAPS}/{roadmap_id}"):
                size += file.write(part)
        output.chmod(mode)
    except OSError as error:
        raise Failed(f"{output} cannot be written ({error.strerror}); name another place.") from None
    click.echo(as_document({"file": str(output), "format": form, "bytes": size}) if as_json else f"Written to {output}.")


def _mode(output: Path) -> int:
    """Who may read it: whoever may read what it replaces, or whom the umask lets."""
    if output.exists():
        return stat.S_IMODE(output.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _markdown(caller: Caller, path: str) -> Iterator[bytes]:
    """Concept after concept, so that a reader who has seen enough need not wait for all of them."""
    tree = caller.get(path)
    return (part.encode() for part in document.as_markdown(tree, _concepts(caller, path, tree)))


def _as_it_is(form: str) -> Callable[[Caller, str], Iterator[bytes]]:
    def read(caller: Caller, path: str) -> Iterator[bytes]:
        yield caller.content(f"{path}/export.{form}")

    return read


def _concepts(caller: Caller, path: str, tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (caller.get(f"{path}/concepts/{id_}") for id_ in document.concept_ids(tree))
