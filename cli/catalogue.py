"""`catalogue`: tracks of one's own."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import click

from cli.api_client import id_argument, service_options
from cli.output import CommandFailed, Exit, capital, json_option, say, show, table
from core.i18n import pluralize
from core.paths import ROOT
from core.sanitize import plain
from roadmap.generation import tutorial_lint
from roadmap.generation.catalogue import authoring, loader
from roadmap_client import ROADMAPS, RoadmapClient

COLUMNS = ("module", "concept", "hours", "words", "resources", "questions")
A_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def catalogue() -> None:
    """Write, check and preview tracks of your own, which TRACKS_DIR adds to the built-in ones."""


@catalogue.command("new")
@click.argument("folder", metavar="ID", type=A_FOLDER)
@click.option("--title", help="Title of the track. Default: the ID.")
@json_option
def new(folder: Path, title: str | None, as_json: bool) -> None:
    """Write the skeleton of a track into the new folder ID, with comments that teach the format.
    Other folders may stand before the ID: tracks/ID.
    """
    usual = capital(folder.name.replace("-", " "))
    _write(folder, authoring.skeleton(folder.name, title or usual), as_json)


@catalogue.command("from")
@id_argument
@click.option("--into", type=A_FOLDER, required=True, help="New folder, named as the track's ID.")
@service_options
@json_option
def from_(roadmap_id: str, into: Path, client: RoadmapClient, as_json: bool) -> None:
    """Write your roadmap ID as a track: its plan, tutorials, resources, quizzes and projects, and
    nothing of you: no goal, notes, answers or progress.
    """
    document = client.get(f"{ROADMAPS}/{roadmap_id}/export.json")
    if loader.language_of(document["request"]["language"]) is None:
        raise CommandFailed("A track is in English or Simplified Chinese; this roadmap is not.")
    _write(into, authoring.track_of(document, into.name), as_json)


def _write(folder: Path, files: dict[str, str], as_json: bool) -> None:
    folder.mkdir(parents=True)
    (folder / "concepts").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    shutil.copytree(authoring.SCHEMAS, folder.parent / "schemas", dirs_exist_ok=True)
    done = f"{folder}: {pluralize(len(files), 'file')}. Next: `roadmap catalogue check {folder}`."
    say(done, as_json, {"folder": str(folder), "files": [*files]})


@catalogue.command("check")
@click.argument("folder", envvar="TRACKS_DIR", default=".", type=A_FOLDER)
@click.option("--run", is_flag=True, help="Run the code of tutorials as well, in a clone.")
@json_option
def check(folder: Path, run: bool, as_json: bool) -> None:
    """Check the track in FOLDER, or all tracks in it. Default: TRACKS_DIR, or this folder. Prints
    each error as `file: place: rule`, and exits with 1 if there is one. Nothing is executed without
    --run.
    """
    tracks = _opened(folder)
    errors = dict.fromkeys(loader.broken_files([track.id for track in tracks]))
    good = [each for each in tracks if not any(error.startswith(f"{each.id}/") for error in errors)]
    errors |= dict.fromkeys(error for track in good for error in authoring.faults(track))
    if not tracks and not errors:
        raise CommandFailed(f"{folder} has no track, which is a folder with a track.toml.")

    def human() -> None:
        for track in good:
            table(COLUMNS, _rows(track), breakable="concept")
        click.echo("".join(f"{plain(error)}\n" for error in errors), nl=False)
        click.echo(f"{pluralize(len(tracks), 'track')}, {pluralize(len(errors), 'error')}")

    show({"errors": [*errors], "concepts": {each.id: _rows(each) for each in good}}, as_json, human)
    if errors:
        raise click.exceptions.Exit(Exit.failed)
    for track in tracks if run else ():
        command = ["make", "quality", "RUN=1", f"TRACK={track.id}"]
        if find_spec("sqlglot") is None or not (ROOT / "quality").is_dir():
            shown = " ".join([f"TRACKS_DIR={os.environ['TRACKS_DIR']}", *command])
            raise CommandFailed(f"Code runs in a clone with its development packages: {shown}")
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            raise click.exceptions.Exit(Exit.failed)


@catalogue.command("preview")
@click.argument("folder", metavar="ID", type=A_FOLDER)
@json_option
def preview(folder: Path, as_json: bool) -> None:
    """Show the plan of the track in the folder ID, or of one that is built in or in TRACKS_DIR. A
    running service has a page with all texts: /catalogue/ID.
    """
    if (folder / "track.toml").exists():
        _opened(folder)
    track = loader.tracks().get(folder.resolve().name)
    if track is None or loader.broken_files([track.id]):
        raise CommandFailed(f"{folder} is no valid track. `roadmap catalogue check` names errors.")
    show(track, as_json, lambda: table(COLUMNS, _rows(track), breakable="concept"))


def _opened(folder: Path) -> list[loader.Track]:
    """Return the track in a folder, or the tracks in it, as TRACKS_DIR would add them."""
    is_one, folder = (folder / "track.toml").exists(), folder.resolve()
    os.environ["TRACKS_DIR"] = str(folder.parent if is_one else folder)
    return [
        track
        for track in loader.tracks().values()
        if loader.folder_of(track.id) in ([folder] if is_one else [folder / track.id])
    ]


def _rows(track: loader.Track) -> list[tuple[str | int, ...]]:
    return [
        (
            module.title,
            concept.title,
            concept.hours,
            tutorial_lint.words(concept.tutorial),
            len(concept.resources),
            len(concept.questions),
        )
        for stage in track.stages
        for module in stage.modules
        for concept in (loader.load_concept(track.id, id_) for id_ in module.concepts)
    ]
