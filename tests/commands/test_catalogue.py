"""`roadmap catalogue`: tracks of a folder, from their skeleton to a roadmap, and back."""

import itertools
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.commands import roadmap as as_process
from testing.stack import GOAL, ROOT, Stack, embedded_stack, running
from tests.cases import try_each
from tests.commands.in_process import roadmap, succeeded

WORDS = "A dough of rye rests overnight, and its starter is refreshed before it is shaped."
CODE = "import pathlib\npathlib.Path({!r}).touch()"


def fill(folder: Path, words: str = WORDS) -> None:
    """As an author would: every text is another one, and tutorials are long enough."""
    numbers = itertools.count(1)
    for path in (*folder.glob("*.toml"), *folder.glob("concepts/*.md")):
        text = path.read_text("utf-8")
        head, fence, tutorial = text.rpartition("\n+++\n") if "+++" in text else (text, "", "")
        tutorial = re.sub("FILL IN[^\n]*", f"{words} " * 20, tutorial)
        head = re.sub('FILL IN[^"\n]*', lambda _: f"{words} {next(numbers)}", head)
        path.write_text((head + fence + tutorial).replace("FILL-IN", "rye"), "utf-8")


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a track that is as good as its check can tell, and a broken one beside it."""
    folder = tmp_path_factory.mktemp("own") / "tracks"
    made = succeeded({}, "catalogue", "new", folder / "rye-bread")
    assert made.output.endswith("check " + str(folder / "rye-bread") + "`.\n")
    fill(folder / "rye-bread")
    broken = folder / "sailing" / "track.toml"
    broken.parent.mkdir()
    broken.write_text('id = "sailing"\n', "utf-8")
    return folder


@pytest.fixture(scope="module")
def service(tracks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    environment = {"TRACKS_DIR": str(tracks)}
    with running(embedded_stack(tmp_path_factory.mktemp("service"), **environment)) as stack:
        yield stack


def test_a_skeleton_lacks_only_what_its_author_must_write(tmp_path: Path) -> None:
    folder = tmp_path / "tracks" / "rye-bread"
    succeeded({}, "catalogue", "new", folder, "--title", 'Bread of "rye"')
    found = roadmap({}, "catalogue", "check", folder, "--json")
    assert found.code == 1
    errors = found.data["errors"]
    assert {"rye-bread/track.toml", "rye-bread/concepts/first-concept.md"} <= {
        error.split(": ")[0] for error in errors
    }
    of_author = r": lines .*: still to be written|: tutorial: .*[Ww]ords"
    assert [error for error in errors if not re.search(of_author, error)] == []
    fill(folder)
    checked = succeeded({}, "catalogue", "check", folder)
    assert checked.output.endswith("1 track, 0 errors\n")
    assert "The practice" in checked.output
    assert "Bread of" in succeeded({}, "catalogue", "preview", folder, "--json").output
    assert {path.suffix for path in (tmp_path / "tracks" / "schemas").iterdir()} == {".json"}


@try_each(
    ("arguments", "reason"),
    [
        (("new", "."), "File exists"),
        (("preview", "sailing"), "sailing is no valid track"),
        (("check", "nowhere"), "nowhere has no track"),
    ],
)
def test_what_cannot_be_done_is_refused(
    arguments: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    refused = roadmap({}, "catalogue", *arguments, folder=tmp_path)
    assert refused.code == 1
    assert reason in refused.sentence
    assert list(tmp_path.iterdir()) == []


def test_the_commands_of_the_page_work_as_they_stand(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "CATALOGUE.md").read_text("utf-8")
    commands = re.findall(r"^\$ roadmap ([^#\n]+)", page, re.MULTILINE)
    codes = {
        line.split()[1]: as_process({}, *line.split(), folder=tmp_path).code
        for line in commands
        if "ROADMAP_ID" not in line  # as below
    }
    assert codes == {"new": 0, "check": 1, "preview": 0}


def test_errors_have_file_place_and_rule_and_nothing_is_executed(
    tracks: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tracks"
    shutil.copytree(tracks / "rye-bread", folder / "rye-bread")
    concept = folder / "rye-bread" / "concepts" / "second-concept.md"
    text, witness = concept.read_text("utf-8"), tmp_path / "witness"
    text = text.replace('print("hello")', CODE.format(str(witness)))
    concept.write_text(text + "\n<script>alert(1)</script>\n", "utf-8")
    found = roadmap({}, "catalogue", "check", folder, "--json")
    place = "rye-bread/concepts/second-concept.md"
    rule = "tutorial: has HTML, an image or an unsafe link, which pages do not show"
    assert (found.code, found.data["errors"]) == (1, [f"{place}: {rule}"])
    concept.write_text(text.replace("answers = [0]", "answers = [7]"), "utf-8")
    (broken,) = roadmap({}, "catalogue", "check", folder, "--json").data["errors"]
    assert broken.startswith(f"{place}: questions.0: answers must be indexes of options")
    assert not witness.exists()


def test_a_goal_becomes_a_roadmap_of_the_folder_and_a_broken_track_is_named(
    service: Stack, tracks: Path
) -> None:
    path = service.create("I want to learn rye bread")
    tree = service.finished(path)
    assert (tree["status"], tree["title"]) == ("ready", "Rye bread")
    built_in = service.create(GOAL)
    assert service.finished(built_in)["status"] == "ready"
    page = service.request("GET", "/catalogue", headers={"Accept": "text/html"}).text
    assert 'href="/catalogue/rye-bread"' in page
    assert 'href="/catalogue/devops"' in page
    found = roadmap(service.environment, "doctor", "--no-model", "--json").output
    (check,) = [each for each in json.loads(found) if each["name"] == "catalogue"]
    assert check["state"] == "failed"
    assert check["cause"].startswith("sailing/track.toml: position: Field required")
    assert str(tracks) not in check["cause"]


def test_a_finished_roadmap_becomes_a_track_without_its_learner(
    service: Stack, tmp_path: Path
) -> None:
    path = service.create("I want to learn rye bread for my aunt Adelheid")
    tree = service.finished(path)
    concept = tree["stages"][0]["modules"][0]["concepts"][0]["id"]
    for name, value in (("notes", "Ask Adelheid."), ("progress", "done")):
        sent = {name: value} if name == "notes" else {"progress": value}
        assert service.request("PUT", f"{path}/concepts/{concept}/{name}", json=sent).is_success
    into = tmp_path / "tracks" / "rye-again"
    made = ("catalogue", "from", tree["id"], "--into", into, "--json")
    files = succeeded({"ROADMAP_URL": service.url}, *made).data["files"]
    assert files[0] == "track.toml"
    texts = {name: (into / name).read_text("utf-8") for name in files}
    assert "Adelheid" not in "".join(texts.values())
    assert "done" not in "".join(texts.values())
    found = roadmap({}, "catalogue", "check", into, "--json").data
    assert found["errors"] == ["rye-again/track.toml: lines 5: still to be written"]
    assert len(found["concepts"]["rye-again"]) == 2
    document = service.get(f"{path}/export.json").json()
    document["request"]["language"] = "de"
    other = service.request("POST", "/api/v1/imports", json=document).json()["id"]
    refused = roadmap({"ROADMAP_URL": service.url}, "catalogue", "from", other, "--into", into)
    assert refused.sentence.startswith("A track is in English or Simplified Chinese")
