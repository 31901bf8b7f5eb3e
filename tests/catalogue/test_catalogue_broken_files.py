"""Broken files of the catalogue are named with the rule."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from roadmap.generation.catalogue import loader
from roadmap.generation.catalogue.generator import find_tracks
from roadmap.generation.catalogue.goal_reading import read_goal
from roadmap.generation.catalogue.loader import CHINESE, LARGEST_FILE, TRACKS, broken_files, tracks
from roadmap.generation.context import GeneratorFault
from roadmap.plan.validation import problems
from tests.unit.roadmap.generation.catalogue_files import plan


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two tracks of the catalogue as a test may break them."""
    folder = tmp_path / "tracks"
    for name in ("python-backend", "devops"):
        shutil.copytree(TRACKS / name, folder / name)
    shutil.copy(TRACKS / "words.toml", folder)
    monkeypatch.setattr(loader, "TRACKS", folder)
    forget()
    yield folder
    forget()


def forget() -> None:
    files = loader
    read = (files.heads, files.tracks, files.load_track, files.load_concept, files.lexicon)
    for cached in (*read, files.load_capstones, read_goal):
        cached.cache_clear()


HERE = "python-backend/concepts/caching.md"
IN_CHINESE = "python-backend/zh-Hans/concepts/caching.md"


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


BREAKS: dict[str, tuple[str, Callable[[str], str], str]] = {
    "a project without its stage": (
        "python-backend/capstones.toml",
        lambda text: text + text[: text.index("[[capstones]]", 1)],
        "capstones: 5 where the track has 4 stages",
    ),
    "a project without a rubric": (
        "python-backend/zh-Hans/capstones.toml",
        replaced("criteria = [", "criteria = []\nnone = ["),
        "capstones.0.criteria: ",
    ),
    "no TOML": (
        HERE,
        replaced("hours = 4", "hours = = 4"),
        "is not TOML: Invalid value (at line 3, column 9)",
    ),
    "no front matter": (
        HERE,
        lambda text: text.replace("+++", "---"),
        "must begin with TOML between two lines of +++",
    ),
    "a field too many": (
        HERE,
        replaced("hours = 4", "hours = 4\nlength = 5"),
        "length: Extra inputs are not permitted",
    ),
    "a field is missing": (HERE, replaced("hours = 4\n", ""), "hours: Field required"),
    "hours out of bounds": (
        HERE,
        replaced("hours = 4", "hours = 0"),
        "hours: Input should be greater than or equal to 1",
    ),
    "a number without end": (
        HERE,
        replaced("hours = 4", f"hours = {'9' * 5000}"),
        "is not TOML: Exceeds the limit",
    ),
    "lists without end": (
        HERE,
        replaced("hours = 4", f"hours = {'[' * 5000}"),
        "is not TOML: maximum recursion depth",
    ),
    "no resources": (
        *(
            HERE,
            lambda text: text.replace("[[resources]]", "[[spares]]").replace(
                "+++\n", "+++\nresources = []\n", 1
            ),
        ),
        "resources: List should have at least 1 item",
    ),
    "no questions": (
        *(
            HERE,
            lambda text: re.sub(
                r"\[\[questions\]\].*?(?=\n\+\+\+\n)", "", text, flags=re.DOTALL
            ).replace("+++\n", "+++\nquestions = []\n", 1),
        ),
        "questions: List should have at least 1 item",
    ),
    "a prerequisite that does not exist": (
        *(HERE, replaced('"asgi-and-starlette"', '"asgi-and-starlets"')),
        "prerequisites: 'asgi-and-starlets' is not a concept of this track",
    ),
    "two right answers where one is promised": (
        *(HERE, replaced("answers = [1]", "answers = [1, 2]")),
        "questions.0: 2 correct answers do not match the type single",
    ),
    "an answer that is no option": (
        *(HERE, replaced("answers = [1]", "answers = [4]")),
        "questions.0: answers must be indexes of options, without duplicates",
    ),
    "no address": (
        HERE,
        replaced("https://developer.mozilla.org", "developer.mozilla.org"),
        "resources.0.url: String should match",
    ),
    "a translation with a question too few": (
        *(IN_CHINESE, lambda text: text.replace("[[questions]]", "[[others]]", 1)),
        "others: Extra inputs are not permitted",
    ),
    "a translation with an outcome too many": (
        *(IN_CHINESE, replaced("outcomes = [", 'outcomes = [\n  "多出来的",')),
        "outcomes: 5 where the English file has 4",
    ),
    "a translation that says the same twice": (
        *(IN_CHINESE, replaced('"请求的时间", "租户"', '"租户", "租户"')),
        "questions.1: options must be different",
    ),
}


class TestBrokenFiles:
    """Named precisely, refused, and nothing else stops working."""

    def test_nothing_is_broken(self) -> None:
        assert broken_files() == []

    @pytest.mark.parametrize(("file", "change", "expected"), BREAKS.values(), ids=BREAKS)
    def test_a_file_is_named_with_the_place_and_the_rule(
        self, copied: Path, file: str, change: Callable[[str], str], expected: str
    ) -> None:
        path = copied / file
        path.write_text(change(path.read_text("utf-8")), "utf-8")
        (named,) = broken_files()
        assert named.startswith(f"{file}: {expected}")
        language = CHINESE if CHINESE in file else "en"
        with pytest.raises(GeneratorFault) as fault:
            plan("Python backend", language=language)
        assert fault.value.lasting
        assert "'Backend engineer with Python'" in str(fault.value) or language == CHINESE
        assert named in str(fault.value)
        assert str(copied) not in str(fault.value)
        assert problems(plan("Become a DevOps engineer")) == []

    def test_a_file_that_is_gone_is_named(self, copied: Path) -> None:
        (copied / HERE).unlink()
        assert broken_files() == [f"{HERE}: is not there"]

    def test_a_file_that_is_not_utf_8_is_named(self, copied: Path) -> None:
        (copied / HERE).write_bytes("+++\ntitle = 'é'\n+++\n".encode("latin-1"))
        assert f"{HERE}: is not UTF-8" in broken_files()

    def test_a_file_that_is_too_large_is_named(self, copied: Path) -> None:
        (copied / HERE).write_bytes(b" " * (LARGEST_FILE + 1))
        assert f"{HERE}: has more than 1 MiB" in broken_files()

    @pytest.mark.parametrize(
        "text",
        [
            b"id = ",
            b'id = "other"\n',
            b"",
            b"id = '\xff'",
            b"id = " + b"9" * 5000,
            b"id = " + b"[" * 5000,
        ],
    )
    def test_a_head_that_is_broken_takes_its_track_away_and_no_other(
        self, copied: Path, text: bytes
    ) -> None:
        (copied / "devops" / "track.toml").write_bytes(text)
        assert [each.split(":")[0] for each in broken_files()] == ["devops/track.toml"]
        assert "devops" not in tracks()
        assert list(tracks()) == ["python-backend"]
        assert find_tracks("Python backend")

    def test_the_languages_of_a_track_are_looked_up_once(self, copied: Path) -> None:
        track = tracks()["python-backend"]
        assert track.languages == ["en", CHINESE]
        shutil.rmtree(copied / "python-backend" / CHINESE)
        assert track.languages == ["en", CHINESE]

    def test_a_folder_in_place_of_a_head_or_of_a_concept_is_named(self, copied: Path) -> None:
        for path in ("devops/track.toml", HERE):
            (copied / path).unlink()
            (copied / path).mkdir()
        assert {each.split(":")[0] for each in broken_files()} == {"devops/track.toml", HERE}
        assert find_tracks("Python backend")

    @pytest.mark.parametrize("text", ["meanings = ", "", "[meanings]\na = 1\n"])
    def test_words_that_are_broken_are_named_and_no_goal_is_taken(
        self, client: TestClient, copied: Path, text: str
    ) -> None:
        (copied / "words.toml").write_text(text)
        (named,) = broken_files()
        assert named.startswith("words.toml: ")
        answer = client.post("/api/v1/roadmaps", json={"goal": "Python backend"})
        assert answer.status_code == 503
        assert named in answer.json()["detail"]

    def test_a_stage_without_a_name_that_can_be_a_key_is_named(self, copied: Path) -> None:
        path = copied / "devops" / "track.toml"
        path.write_text(
            re.sub(
                r'(\[\[stages\]\]\ntitle = )"[^"]*"', r'\1"—"', path.read_text("utf-8"), count=1
            ),
            "utf-8",
        )
        assert [each.partition(":")[2] for each in broken_files()] == [
            " stages.0.title: String should match pattern '[A-Za-z0-9㐀-鿿]'"
        ]

    def test_a_roadmap_of_a_broken_track_fails_with_the_reason_and_others_are_made(
        self, copied: Path, client: TestClient
    ) -> None:
        path = copied / HERE
        path.write_text(
            path.read_text("utf-8").replace("answers = [1]", "answers = [0, 1]", 1), "utf-8"
        )
        broken = client.post("/api/v1/roadmaps", json={"goal": "Python backend"}).json()["id"]
        other = client.post("/api/v1/roadmaps", json={"goal": "Become a DevOps engineer"}).json()[
            "id"
        ]
        body = client.get(f"/api/v1/roadmaps/{broken}").json()
        assert body["status"] == "failed"
        assert (
            f"{HERE}: questions.0: 2 correct answers do not match the type single" in body["error"]
        )
        assert client.get(f"/api/v1/roadmaps/{other}").json()["status"] == "ready"
