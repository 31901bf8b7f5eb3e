"""Tracks of TRACKS_DIR stand beside the built-in ones, and can break nothing of theirs."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.settings import SettingsError, from_environment
from roadmap.generation.catalogue import authoring
from roadmap.generation.catalogue.generator import CatalogueGenerator, find_tracks
from roadmap.generation.catalogue.goal_reading import read_goal
from roadmap.generation.catalogue.loader import (
    CHINESE,
    TRACKS,
    broken_files,
    heads,
    lexicon,
    load_capstones,
    load_concept,
    load_track,
    tracks,
)
from roadmap.generation.context import ConceptBrief, GeneratorFault
from roadmap.plan.outline import ContentKind
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.validation import problems
from tests.unit.roadmap.generation.catalogue_files import plan


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "tracks"
    add(folder, "rye-bread", "Rye bread")
    monkeypatch.setenv("TRACKS_DIR", str(folder))
    forget()
    yield folder
    monkeypatch.undo()
    forget()


def add(folder: Path, track_id: str, title: str) -> Path:
    for name, text in authoring.skeleton(track_id, title).items():
        path = folder / track_id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder / track_id


def forget() -> None:
    read = (heads, tracks, load_track, load_concept, lexicon, load_capstones, read_goal)
    for cached in read:
        cached.cache_clear()


def found_by(goal: str) -> str | None:
    return next((track.id for track in find_tracks(goal)), None)


def test_a_track_of_the_folder_comes_after_the_built_in_ones(own: Path) -> None:
    assert broken_files(["rye-bread"]) == []
    *others, last = tracks()
    assert (last, others[0]) == ("rye-bread", "python-backend")
    outline = plan("I want to learn rye bread")
    assert (outline.title, problems(outline)) == ("Rye bread", [])
    assert next(concept.key for concept in outline.concepts()) == "rye-bread/first-concept"


def test_its_words_are_no_longer_those_of_a_subject_without_a_track(own: Path) -> None:
    assert found_by("Learn to cook") is None
    head = own / "rye-bread" / "track.toml"
    words = '[words]\n"rye-bread" = ["cook", "烹饪", '
    head.write_text(head.read_text("utf-8").replace('[words]\n"rye-bread" = [', words), "utf-8")
    forget()
    assert found_by("Learn cooking") == found_by("我想学烹饪") == "rye-bread"
    assert found_by("Learn gardening") is None
    add(own, "games", "Dice")  # the name of a subject without a track
    forget()
    assert found_by("Learn dice") == "games"


def test_the_folder_adds_words_to_those_of_all_tracks(own: Path) -> None:
    assert found_by("Learn our frobnicator") is None
    words = own / "words.toml"
    words.write_text('[meanings]\ndevops = ["frobnicator"]\n', "utf-8")
    forget()
    assert found_by("Learn our frobnicator") == "devops"
    words.write_text("meanings = 1\n", "utf-8")
    forget()
    assert found_by("Learn our frobnicator") is None
    assert found_by("Become a DevOps engineer") == "devops"
    (error,) = broken_files(["rye-bread"])
    assert error.startswith("words.toml: meanings: ")


def test_the_id_of_a_built_in_track_is_refused_and_both_places_are_named(own: Path) -> None:
    before = tracks()["devops"]
    shutil.copytree(own / "rye-bread", own / "devops")
    head = own / "devops" / "track.toml"
    head.write_text(head.read_text("utf-8").replace('id = "rye-bread"', 'id = "devops"'), "utf-8")
    forget()
    assert heads()[1] == [
        "devops/track.toml: id: 'devops' is that of a built-in track: "
        "roadmap/generation/catalogue/tracks/devops"
    ]
    assert tracks()["devops"] == before
    assert "rye-bread" in tracks()


def large(path: Path) -> None:
    path.write_bytes(b" " * 1024 * 1024 * 2)


def elsewhere(path: Path) -> None:
    target = path.parents[3] / "elsewhere.md"
    path.rename(target)
    path.symlink_to(target)


def inside(path: Path) -> None:
    """As a volume of Kubernetes has its files."""
    target = path.parents[2] / "..data"
    path.rename(target)
    path.symlink_to(target)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (large, "has more than 1 MiB"),
        (elsewhere, "leads out of the folder of the tracks"),
        (pipe, "is not a file"),
        (Path.unlink, "is not there"),
        (inside, None),
    ],
)
def test_only_files_of_the_folder_are_read(
    own: Path, change: Callable[[Path], None], rule: str | None
) -> None:
    change(own / "rye-bread" / "concepts" / "first-concept.md")
    errors = [f"rye-bread/concepts/first-concept.md: {rule}"] if rule else []
    assert broken_files(["rye-bread"]) == errors
    assert problems(plan("Become a DevOps engineer")) == []


@pytest.mark.parametrize("id_", ["../../devops/concepts/secrets", "/etc/passwd", "A", "a.b", ""])
def test_a_concept_has_the_name_of_a_file(own: Path, id_: str) -> None:
    head = own / "rye-bread" / "track.toml"
    head.write_text(head.read_text("utf-8").replace('"first-concept"', f'"{id_}"'), "utf-8")
    forget()
    (error,) = heads()[1]
    assert error.startswith("rye-bread/track.toml: stages.0.modules.0.concepts.0: String should")


def test_a_track_may_be_written_in_chinese_alone(own: Path) -> None:
    for path in (own / "rye-bread").rglob("*.toml"):
        text = path.read_text("utf-8").replace('language = "en"', 'language = "zh-Hans"')
        text = text.replace('title = "Rye bread"', 'title = "黑麦面包入门"')
        text = text.replace('title = "The idea"', 'title = "原理"').replace("First steps", "第一步")
        path.write_text(text.replace('= ["Rye bread"]', '= ["黑麦面包", "rye bread"]'), "utf-8")
    forget()
    assert broken_files(["rye-bread"]) == []
    assert tracks()["rye-bread"].languages == [CHINESE]
    catalogue = CatalogueGenerator()
    for goal in ("我想学做黑麦面包", "Learn rye bread"):
        request = catalogue.fit(RoadmapRequest(goal=goal).in_language_of_goal())
        assert request.language.startswith("zh")
        outline = plan(goal, language=request.language)
        assert (outline.title, problems(outline)) == ("黑麦面包入门", [])
        assert all(module.key for module in outline.modules())
    brief = ConceptBrief(request, "", "", "", "rye-bread/first-concept", "", "", ())
    assert catalogue.write(ContentKind.tutorial, brief).model_dump().get("language") is None


def test_parts_of_a_track_that_was_removed_say_so(own: Path) -> None:
    request = RoadmapRequest(goal="Learn rye bread")
    brief = ConceptBrief(request, "", "", "", "rye-bread/first-concept", "", "", ())
    assert CatalogueGenerator().write(ContentKind.quiz, brief)
    shutil.rmtree(own / "rye-bread")
    forget()
    with pytest.raises(GeneratorFault, match="removed from TRACKS_DIR") as fault:
        CatalogueGenerator().write(ContentKind.quiz, brief)
    assert fault.value.lasting


def test_the_setting_is_a_folder_of_tracks(own: Path) -> None:
    def read(folder: Path) -> Path | None:
        return from_environment({"SERVICE_TYPE": "all", "TRACKS_DIR": str(folder)}).tracks_dir

    assert read(own) == own
    assert read(Path("roadmap/generation/catalogue/tracks")) == TRACKS
    for wrong in (own / "nowhere", own / "rye-bread"):
        with pytest.raises(SettingsError, match=r"^TRACKS_DIR: must be a folder that holds"):
            read(wrong)
