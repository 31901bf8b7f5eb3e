"""`export`: a roadmap to take along."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from cli.calling import ROADMAPS, Caller, id_argument, service_options
from cli.telling import Failed, as_document
from core.archive import new_file
from roadmap import document


@click.command("export")
@id_argument
@click.option("--format", "form", type=click.Choice(["json", "md", "svg"]), default="md", show_default=True, help="Of the file.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write, replaced if it is there. Default: stdout."
)
@service_options
@click.option(
    "--json", "as_json", is_flag=True, help="Without --output: as --format json. With it: what was written where, as JSON."
)
def export_command(roadmap_id: str, form: str, output: Path | None, caller: Caller, as_json: bool) -> None:
    """Write the roadmap ID with its tutorials, resources and questions: as Markdown to read, as JSON, or its map as SVG."""
    form = "json" if as_json and output is None else form
    parts = FORMS[form](caller, f"{ROADMAPS}/{roadmap_id}")
    if output is None:
        for part in parts:
            click.echo(part, nl=False)
        return
    size = 0
    try:
        mode = _mode(output)
        with new_file(output, replace=True) as file:
            for part in parts:
                size += file.write(part.encode())
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


def _markdown(caller: Caller, path: str) -> Iterator[str]:
    tree = caller.get(path)
    return document.as_markdown(tree, _concepts(caller, path, tree))


def _json(caller: Caller, path: str) -> Iterator[str]:
    """A concept at a time: the whole is large."""
    tree = caller.get(path)
    yield f'{{"roadmap": {json.dumps(tree, ensure_ascii=False)}, "concepts": ['
    for number, concept in enumerate(_concepts(caller, path, tree)):
        yield f"{',' if number else ''}\n{json.dumps(concept, ensure_ascii=False)}"
    yield "]}\n"


def _picture(caller: Caller, path: str) -> Iterator[str]:
    yield caller.text(f"{path}/export.svg")


def _concepts(caller: Caller, path: str, tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (caller.get(f"{path}/concepts/{id_}") for id_ in document.concept_ids(tree))


FORMS: dict[str, Callable[[Caller, str], Iterator[str]]] = {"json": _json, "md": _markdown, "svg": _picture}
