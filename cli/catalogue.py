"""`catalogue`: tracks of one's own."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from cli.api_client import ROADMAPS, ApiClient, id_argument, service_options
from cli.output import CommandFailed, Exit, capital, console, json_option, say, show, table
from core.sanitize import plain
from core.version import ROOT
from roadmap.exchange.formats.markdown import counted
from roadmap.generation import tutorial_lint
from roadmap.generation.catalogue import authoring, loader

COLUMNS = ("file", "words", "exercise", "solution", "resources", "questions", "types")
A_FOLDER = click.Path(file_okay=False, path_type=Path)


def _new_folder(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    if not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", value.name):
        raise click.BadParameter("must end with the ID of the track: a-z, 0-9 and hyphens.")
    if value.exists() or (loader.TRACKS / value.name).exists():
        raise click.BadParameter("is there already, or is the ID of a built-in track.")
    return value


@click.group()
def catalogue() -> None:
    """Write, check and preview tracks of your own, which TRACKS_DIR adds to the built-in ones."""


@catalogue.command("new")
@click.argument("folder", metavar="ID", type=A_FOLDER, callback=_new_folder)
@click.option("--title", help="Title of the track. Default: the ID.")
@json_option
def new(folder: Path, title: str | None, as_json: bool) -> None:
    """Write the skeleton of a track into a new folder ID, with comments that teach the format. The
    ID may follow a path.
    """
    title = title or capital(folder.name.replace("-", " "))
    _write(folder, authoring.skeleton(folder.name, title), as_json)


@catalogue.command("from")
@id_argument
@click.option(
    "--into",
    type=A_FOLDER,
    required=True,
    callback=_new_folder,
    help="New folder, whose name is the ID of the track.",
)
@service_options
@json_option
def from_(roadmap_id: str, into: Path, client: ApiClient, as_json: bool) -> None:
    """Write your roadmap ID as a track: its plan, tutorials, resources, quizzes and projects, and
    nothing of you: no goal, notes, answers or progress.
    """
    document = client.get(f"{ROADMAPS}/{roadmap_id}/export.json")
    _write(into, authoring.track_of(document, into.name), as_json)


def _write(folder: Path, files: Mapping[str, str], as_json: bool) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    shutil.copytree(authoring.SCHEMAS, folder.parent / "schemas", dirs_exist_ok=True)
    found = f"{folder}: {counted(len(files), 'file')}. Next: `roadmap catalogue check {folder}`."
    say(found, as_json, {"folder": str(folder), "files": [*files]})


@catalogue.command("check")
@click.argument("folder", envvar="TRACKS_DIR", default=".", type=A_FOLDER)
@click.option("--run", is_flag=True, help="Also run the code of tutorials, in a clone.")
@json_option
def check(folder: Path, run: bool, as_json: bool) -> None:
    """Check the track in FOLDER, or all tracks in it. Default: TRACKS_DIR, or this folder. Prints
    each error as `file: place: rule` and exits with 1 if there is one. Nothing is executed without
    --run.
    """
    tracks = _opened(folder)
    errors = dict.fromkeys(loader.broken_files([track.id for track in tracks]))
    rows: list[tuple[Any, ...]] = []
    for track in tracks:
        if not any(error.startswith(f"{track.id}/") for error in errors):
            errors |= dict.fromkeys(authoring.faults(track))
            rows += [_row(*each) for each in authoring.concepts_of(track)]
    if not tracks and not errors:
        raise CommandFailed(f"{folder} has no track: a folder with a track.toml.")

    def human() -> None:
        if rows:
            table(COLUMNS, rows)
        click.echo("".join(f"{plain(error)}\n" for error in errors), nl=False)
        click.echo(f"{counted(len(tracks), 'track')}, {counted(len(errors), 'error')}")

    rows_as_objects = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    show({"errors": [*errors], "concepts": rows_as_objects}, as_json, human)
    if errors:
        raise click.exceptions.Exit(Exit.failed)
    for track in tracks if run else ():
        command = ["make", "quality", "RUN=1", "LINKS=0", f"TRACK={track.id}"]
        if find_spec("sqlglot") is None or not (ROOT / "quality").is_dir():
            shown = " ".join([f"TRACKS_DIR={os.environ['TRACKS_DIR']}", *command])
            raise CommandFailed(f"--run needs a clone and its development packages; there: {shown}")
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            raise click.exceptions.Exit(Exit.failed)


def _row(file: str, concept: loader.CatalogueConcept) -> tuple[Any, ...]:
    lesson = tutorial_lint.read(concept.tutorial)
    last = [part.text if part else "" for part in (lesson.exercise, lesson.solution)]
    types = {question.type for question in concept.questions}
    counts = len(concept.resources), len(concept.questions), len(types)
    return (file, *map(tutorial_lint.words, (concept.tutorial, *last)), *counts)


def _opened(folder: Path) -> list[loader.Track]:
    """Return the track in a folder, or the tracks in it, as TRACKS_DIR would add them."""
    is_one, folder = (folder / "track.toml").exists(), folder.resolve()
    root = folder.parent if is_one else folder
    os.environ["TRACKS_DIR"] = str(root)
    tracks = [each for each in loader.tracks().values() if loader.folder_of(each.id).parent == root]
    return [each for each in tracks if each.id == folder.name] if is_one else tracks


@catalogue.command("preview")
@click.argument("folder", metavar="ID", type=A_FOLDER)
@json_option
def preview(folder: Path, as_json: bool) -> None:
    """Show the plan of a track: its folder, or the ID of one that is built in or in TRACKS_DIR. A
    running service has a page for it: /catalogue/ID.
    """
    if (folder / "track.toml").exists():
        _opened(folder)
    track = loader.tracks().get(folder.resolve().name)
    if track is None or (broken := loader.broken_files([track.id])):
        rule = f"{folder} is no track." if track is None else f"{broken[0]}."
        raise CommandFailed(f"{rule} `roadmap catalogue check` names what is wrong.")

    def human() -> None:
        for stage in track.stages:
            console.print(f"[bold]{escape(plain(stage.title))}[/]", highlight=False)
            for module in stage.modules:
                click.echo(plain(f"  {module.title}"))
                for concept in [loader.load_concept(track.id, id_) for id_ in module.concepts]:
                    click.echo(plain(f"    {concept.hours:>3} h  {concept.title}"))

    show(track, as_json, human)
