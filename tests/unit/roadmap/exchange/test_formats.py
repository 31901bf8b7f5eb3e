"""Exports (Markdown, ZIP, iCalendar, Anki), each read back by a program that knows it."""

import io
import json
import logging
import re
import sqlite3
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote
from uuid import UUID
from xml.etree import ElementTree

import icalendar
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from starlette.testclient import TestClient

from core.i18n import ENGLISH, texts
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.exchange.formats import ics, zip_
from roadmap.exchange.formats.anki import deck_of
from roadmap.exchange.formats.json_ import PortableRoadmap, Source
from roadmap.exchange.formats.markdown import name_of
from roadmap.exchange.formats.zip_ import escaped
from roadmap.exchange.import_validation import RoadmapFile
from roadmap.learning.schedule import schedule_of
from roadmap.lifecycle.reading.queries import roadmap_tree
from roadmap.plan.views import RoadmapTree, concepts_of
from testing.stack import GOAL
from tests.cases import try_each
from tests.portables import FIRST, SECOND, small, whole
from tests.unit.roadmap.exchange.documents import made

API = "/api/v1"
HTML = {"Accept": "text/html"}
NASTY = [
    "Commas, semicolons; colons: and \\ backslashes",
    "two\nlines, \r\n three",
    "🥖 bread 👩🏽‍🍳 and 🏳️‍🌈",
    "خبز العجين المخمر",
    "\u202eturned round\u202c",
    "面" * 200,
    "x" * 200,
    "../../etc/passwd",
    "CON",
    "a::b",
    '"quoted" <b>bold</b> [link](javascript:x) ![i](x)',
    "{{c1::cloze}} [sound:a.mp3] $$x$$",
]
WORK = "1 min to read, about 2 h to practise"
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
TODAY = date(2026, 11, 27)


@pytest.fixture
def bread(client: TestClient) -> str:
    """The path of a small one, with progress, notes and a card."""
    return made(client, whole())


def test_only_a_plan_that_is_not_begun_says_weeks(client: TestClient, bread: str) -> None:
    """Weeks count from the beginning and never move; the plan of a learner moves."""
    fresh = made(
        client,
        whole()
        | {
            "concepts": {
                key: each | {"progress": "todo"} for key, each in whole()["concepts"].items()
            }
        },
    )
    for path, weeks in ((bread, False), (fresh, True)):
        assert ("Week 1" in client.get(f"{path}/export.md").text) == weeks
        assert (
            ">week 1<" in client.get(f"{path.removeprefix(API)}/print", headers=HTML).text
        ) == weeks
        concept = client.get(path).json()["stages"][0]["modules"][0]["concepts"][0]["id"]
        page = client.get(f"{path.removeprefix(API)}/concepts/{concept}", headers=HTML).text
        assert "difficulty" in page
        assert ">week 1<" not in page
        assert "week 1" not in client.get(f"{path}/map.svg").text


def tree_at(path: str) -> RoadmapTree:
    return roadmap_tree(LOCAL_OWNER, UUID(path.rpartition("/")[2]))


def parsed(document: dict[str, Any]) -> PortableRoadmap:
    return RoadmapFile.model_validate_json(json.dumps(document), strict=True)


def with_title(title: str) -> dict[str, Any]:
    """Everywhere in it."""
    document = whole()
    document["outline"]["title"] = title
    for stage in document["outline"]["stages"]:
        stage["title"] = title
        for module in stage["modules"]:
            module["title"] = title
            module["concepts"][0] |= {"title": title, "description": title}
    questions = document["concepts"][FIRST]["contents"]["quiz"]["body"]["questions"]
    questions[0] |= {"prompt": title, "options": [title, "other"], "explanation": title}
    document["concepts"][FIRST] |= {"attempts": [], "cards": [], "notes": title}
    return document


def titled(client: TestClient, title: str) -> str:
    return made(client, with_title(title))


each_title = try_each("title", NASTY, ids=lambda title: ascii(title)[:30])


class TestAnswers:
    @try_each(
        ("ending", "media_type"),
        [
            ("json", "application/json"),
            ("md", "text/markdown; charset=utf-8"),
            ("zip", "application/zip"),
            ("ics", "text/calendar; charset=utf-8"),
            ("apkg", "application/apkg"),
        ],
    )
    def test_a_file_is_kept_under_its_name_and_may_do_nothing(
        self, client: TestClient, bread: str, ending: str, media_type: str
    ) -> None:
        answer = client.get(f"{bread}/export.{ending}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
        text = f"attachment; filename=\"roadmap.{ending}\"; filename*=UTF-8''Bread.{ending}"
        assert answer.headers["content-disposition"] == text
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"

    def test_links_lead_to_them(self, client: TestClient, bread: str) -> None:
        links = client.get(bread).json()["links"]
        for name in ("picture", "portable", "markdown", "archive", "calendar", "cards"):
            assert client.get(links[name]).status_code == 200

    def test_the_page_has_them_in_one_place(self, client: TestClient, bread: str) -> None:
        page = client.get(bread.removeprefix(API), headers=HTML).text
        taking = page[page.index('id="taking"') : page.index('<details class="event-list">')]
        found = re.findall(r'href="([^"]+)"', taking)
        assert len(found) == 8  # seven forms, and the way to a link that a calendar follows
        for address in found:
            assert client.get(address, headers=HTML).status_code == 200
        assert "export.svg" not in page.replace(taking, "")

    def test_without_a_plan_there_is_nothing_to_take(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("roadmap.lifecycle.making.plan_job.plan", lambda *_: [])
        page = client.post("/roadmaps", data={"goal": GOAL}, headers=HTML).text
        assert 'id="plan"' in page
        assert "/export." not in page

    @each_title
    def test_a_name_is_safe_in_a_header(self, client: TestClient, title: str) -> None:
        body = client.get(f"{titled(client, title)}/export.json").headers["content-disposition"]
        name = unquote(body.partition("''")[2])
        assert name.endswith(".json")
        assert not re.search(r'[/\\:"<>|?*\x00-\x1f]', name)
        assert body.isascii()


class TestMarkdown:
    def test_it_has_everything_and_no_answer(self, client: TestClient, bread: str) -> None:
        text = client.get(f"{bread}/export.md").text
        assert text.startswith("# Bread\n\nGoal: Bake bread. 5 hours in 1 week.\n")
        assert "- [ ] Flour (Learning)\n- [ ] Dough\n" in text
        assert "**My notes**\n\n> Mine.\n> \\<b>& yours\\</b>\n" in text
        assert "What holds bread together?" in text
        assert "It is gluten." not in text

    def test_headings_move_down_and_code_stays(self, client: TestClient) -> None:
        document = whole()
        tutorial = document["concepts"][FIRST]["contents"]["tutorial"]["body"]
        code = "~~~\n## Code\n```\n## Code too\n~~~"
        tutorial["markdown"] = f"# Flour\n\n{code}\n\n## Kinds\n\nWheat and rye are ground."
        text = client.get(f"{made(client, document)}/export.md").text
        assert f"{code}\n\n##### Kinds\n" in text

    def test_what_is_done_is_ticked_off(self, client: TestClient) -> None:
        document = whole()
        document["concepts"][FIRST]["progress"] = "done"
        document["concepts"][SECOND] |= {"progress": "skipped"}
        text = client.get(f"{made(client, document)}/export.md").text
        assert "- [x] Flour\n- [ ] Dough (Skipped)\n" in text

    def test_the_words_around_are_in_the_language_of_the_roadmap_or_of_the_reader(
        self, client: TestClient
    ) -> None:
        for language, asked, word in (
            ("zh", "en", "zh-Hans"),
            ("en", "zh", "en"),
            ("de", "zh", "zh-Hans"),
            ("de", "fr", "en"),
        ):
            document = whole()
            document["request"]["language"] = language
            text = client.get(
                f"{made(client, document)}/export.md", headers={"Accept-Language": asked}
            ).text
            assert (
                texts(word).ngettext("%(count)d hour", "%(count)d hours", 5) % {"count": 5} in text
            )

    @each_title
    def test_it_is_harmless_whatever_it_is_called(self, client: TestClient, title: str) -> None:
        html = MarkdownIt("commonmark", {"html": True}).render(
            client.get(f"{titled(client, title)}/export.md").text
        )
        assert not re.search(r"<(b|img|script)\b|javascript:", re.sub("<code>.*?</code>", "", html))


class TestFolder:
    def unpacked(self, client: TestClient, path: str) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(client.get(f"{path}/export.zip").content))

    def test_it_has_an_index_a_file_for_each_concept_the_map_and_the_document(
        self, client: TestClient, bread: str
    ) -> None:
        archive = self.unpacked(client, bread)
        assert archive.testzip() is None
        concepts = ["01-Begin/01-Parts/01-Flour.md", "01-Begin/01-Parts/02-Dough.md"]
        assert archive.namelist() == ["README.md", *concepts, "map.svg", "roadmap.json"]
        assert archive.read(concepts[0]).decode().startswith("# Flour\n\n2 hours. What it is.\n")
        assert ElementTree.fromstring(archive.read("map.svg")).tag.endswith("svg")
        document = json.loads(archive.read("roadmap.json"))
        assert {**document, "exported_at": ""} == {**whole(), "exported_at": ""}

    @each_title
    def test_every_link_of_the_index_leads_to_a_file_and_none_elsewhere(
        self, client: TestClient, title: str
    ) -> None:
        archive = self.unpacked(client, titled(client, title))
        tokens = MarkdownIt("commonmark").parse(archive.read("README.md").decode())
        inline = [child for token in tokens for child in token.children or []]
        links = [unquote(str(child.attrs["href"])) for child in inline if child.type == "link_open"]
        names = archive.namelist()
        assert links == ["map.svg", *names[1:3]]
        assert {child.type for child in inline} <= {
            "text",
            "link_open",
            "link_close",
            "text_special",
        }
        shown = "".join(child.content for child in inline)
        assert " ".join(title.translate({0x202E: None, 0x202C: None}).split()) in shown

    @each_title
    def test_no_name_is_a_way_out(self, client: TestClient, title: str) -> None:
        for name in self.unpacked(client, titled(client, title)).namelist():
            parts = PurePosixPath(name).parts
            assert ".." not in parts
            assert not name.startswith("/")
            assert not re.search(r'[\\:"<>|?*\x00-\x1f\u202e]', name)
            assert max(len(part.encode()) for part in parts) < 150

    def test_the_same_roadmap_makes_the_same_files(self, client: TestClient, bread: str) -> None:
        source = Source(LOCAL_OWNER, UUID(bread.rpartition("/")[2]))
        once, twice = zip_.render(source), zip_.render(source)
        assert once == twice

    @given(st.text(max_size=300), st.integers(1, 999))
    def test_a_name_is_never_empty_and_never_long(self, title: str, number: int) -> None:
        name = name_of(title, number)
        assert re.match(r"\d\d", name)
        assert len(name.encode()) < 130
        assert not set(name) & set('/\\:"<>|?*.\x00\n')

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(st.text(max_size=60))
    def test_a_line_shows_as_it_is(self, text: str) -> None:
        tokens = (
            MarkdownIt("commonmark")
            .enable("table")
            .enable("strikethrough")
            .parse(f"- [x] {escaped(text)}")
        )
        inline = [child for token in tokens for child in token.children or []]
        assert {child.type for child in inline} <= {"text", "text_special"}


class TestCalendar:
    def of(self, client: TestClient, path: str) -> tuple[RoadmapTree, Any]:
        tree = tree_at(path)
        source = Source(LOCAL_OWNER, tree.id, url="https://example.org/", today=NOW)
        content = ics.render(source)
        return tree, icalendar.Calendar.from_ical(content)

    def test_each_concept_that_is_left_has_its_days(self, client: TestClient, bread: str) -> None:
        tree, calendar = self.of(client, bread)
        *events, deadline = calendar.walk("VEVENT")
        spans = schedule_of(tree, TODAY).spans
        assert [(e["SUMMARY"], e["DTSTART"].dt, e["DTEND"].dt) for e in events] == [
            (span.title, span.begins_on, span.ends_on + timedelta(days=1)) for span in spans
        ]
        first = events[0]
        assert (
            first["URL"] == f"https://example.org/roadmaps/{tree.id}/concepts/{spans[0].concept_id}"
        )
        assert first["TRANSP"] == "TRANSPARENT"
        assert first["DTSTAMP"].dt == NOW
        assert first["DESCRIPTION"] == f"{WORK}\nWhat it is."
        assert b"DTSTART;VALUE=DATE:" in first.to_ical()
        assert (deadline["SUMMARY"], deadline["DTSTART"].dt) == (
            "Target date: Bread",
            date(2027, 5, 1),
        )
        assert (calendar["NAME"], calendar["X-WR-CALNAME"]) == ("Bread", "Bread")
        assert calendar["REFRESH-INTERVAL"].dt == timedelta(hours=6)

    def test_what_is_done_is_gone_and_the_rest_keeps_its_name(
        self, client: TestClient, bread: str
    ) -> None:
        tree, before = self.of(client, bread)
        first = concepts_of(tree)[0].id
        client.put(f"{bread}/concepts/{first}/progress", json={"progress": "done"})
        _, after = self.of(client, bread)
        assert [event["UID"] for event in after.walk("VEVENT")] == [
            event["UID"] for event in before.walk("VEVENT")
        ][1:]

    @each_title
    def test_every_title_is_read_back(self, client: TestClient, title: str) -> None:
        _, calendar = self.of(client, titled(client, title))
        seen = " ".join(title.translate({0x202E: None, 0x202C: None}).split())
        first = calendar.walk("VEVENT")[0]
        assert first["SUMMARY"] == seen
        assert " ".join(first["DESCRIPTION"].split()) == f"{WORK} {seen}"
        assert calendar["NAME"] == seen

    def test_lines_are_folded_as_the_standard_says(self, client: TestClient) -> None:
        content = client.get(f"{titled(client, '面' * 200)}/export.ics").content
        assert content.endswith(b"END:VCALENDAR\r\n")
        assert max(len(line) for line in content.split(b"\r\n")) <= 75
        assert b"\n" not in content.replace(b"\r\n", b"")

    def test_addresses_are_those_by_which_the_service_was_asked(
        self, client: TestClient, bread: str
    ) -> None:
        (first, *_) = icalendar.Calendar.from_ical(client.get(f"{bread}/export.ics").content).walk(
            "VEVENT"
        )
        assert client.get(first["URL"], headers=HTML).status_code == 200


class Collection:
    """A collection as Anki reads it."""

    def __init__(self, content: bytes, folder: Path) -> None:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.namelist() == ["collection.anki2", "media"]
            assert archive.read("media") == b"{}"
            file = folder / "collection.anki2"
            file.write_bytes(archive.read("collection.anki2"))
        with sqlite3.connect(file) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            decks, models = database.execute("SELECT decks, models FROM col").fetchone()
            self.decks = {deck["name"]: int(id_) for id_, deck in json.loads(decks).items()}
            self.models = json.loads(models)
            self.notes = database.execute(
                "SELECT guid, tags, flds, mid FROM notes ORDER BY id"
            ).fetchall()
            self.cards = database.execute("SELECT nid, did FROM cards").fetchall()
        database.close()


class TestAnki:
    def test_each_question_is_a_note_with_a_card_in_the_deck_of_its_stage(
        self, client: TestClient, bread: str, tmp_path: Path
    ) -> None:
        found = Collection(client.get(f"{bread}/export.apkg").content, tmp_path)
        assert {name for name in found.decks if name != "Default"} == {"Bread", "Bread::01 Begin"}
        assert len(found.notes) == 4
        assert {deck for _, deck in found.cards} == {found.decks["Bread::01 Begin"]}
        _, tags, fields, model = found.notes[1]
        assert tags.split() == ["Begin", "Begin::Parts"]
        assert fields.split("\x1f") == [
            "<p>What makes it? <small>(select all that apply)</small></p>",
            "<ul><li>Kneading</li><li>Time</li><li>Salt</li></ul>",
            "<ul><li>Kneading</li><li>Time</li></ul>",
            "Both do.",
            "Flour",
        ]
        assert str(model) in found.models
        assert len({note[0] for note in found.notes}) == 4

    def test_a_second_import_changes_what_is_there(
        self, client: TestClient, bread: str, tmp_path: Path
    ) -> None:
        roadmap_id = UUID(bread.rpartition("/")[2])
        document = whole()
        once = Collection(deck_of(parsed(document), roadmap_id), tmp_path)
        document["concepts"][FIRST]["contents"]["quiz"]["body"]["questions"][0]["explanation"] = (
            "Because."
        )
        document["outline"]["stages"][0]["title"] = "Begin here"
        twice = Collection(deck_of(parsed(document), roadmap_id), tmp_path)
        assert [note[0] for note in once.notes] == [note[0] for note in twice.notes]
        assert set(once.decks.values()) == set(twice.decks.values())
        assert "Because." in twice.notes[0][2]
        another = Collection(deck_of(parsed(document), UUID(int=7)), tmp_path)
        assert not {note[0] for note in once.notes} & {note[0] for note in another.notes}

    @each_title
    def test_words_show_as_they_are(self, title: str, tmp_path: Path) -> None:
        found = Collection(deck_of(parsed(with_title(title)), UUID(int=1)), tmp_path)
        fields, tags = found.notes[0][2], found.notes[0][1]
        assert not re.search(r"<(b|img|script)\b|\[sound|\{\{", fields)
        assert len(tags.split()) == 2
        assert all(name.count("::") <= 1 for name in found.decks)

    def test_code_shows_as_code(self, tmp_path: Path) -> None:
        document = whole()
        question = document["concepts"][FIRST]["contents"]["quiz"]["body"]["questions"][0]
        question |= {"prompt": "Is `a[0] < b` right?", "explanation": "`5` > ` alone"}
        found = Collection(deck_of(parsed(document), UUID(int=1)), tmp_path)
        fields = found.notes[0][2].split("\x1f")
        assert fields[0] == "<p>Is <code>a&#91;0] &lt; b</code> right?</p>"
        assert fields[3] == "<code>5</code> &gt; ` alone"

    def test_one_without_questions_is_a_deck_with_nothing_in_it(self, tmp_path: Path) -> None:
        document = small()
        document["concepts"] = {}
        found = Collection(deck_of(parsed(document), UUID(int=1), ENGLISH), tmp_path)
        assert (found.notes, found.cards) == ([], [])

    def test_no_file_is_left_behind(
        self, client: TestClient, bread: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert client.get(f"{bread}/export.apkg").status_code == 200
        assert list(tmp_path.iterdir()) == []


class TestPaper:
    def test_everything_is_on_one_page_and_no_answer(self, client: TestClient, bread: str) -> None:
        page = client.get(f"{bread.removeprefix(API)}/print", headers=HTML).text
        for text in (
            "Flour",
            "What holds bread together?",
            "Gluten",
            "Mine.\n&lt;b&gt;&amp; yours&lt;/b&gt;",
            "On flour",
        ):
            assert text in page
        assert "It is gluten." not in page
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(ids) == len(set(ids))

    def test_a_tutorial_for_which_there_is_no_room_is_linked(
        self, client: TestClient, bread: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("web.pages.plan.roadmap.PRINTED_CHARACTERS", 60)
        page = client.get(f"{bread.removeprefix(API)}/print", headers=HTML).text
        assert page.count("This tutorial is too long for this page.") == 1


@pytest.mark.parametrize(("suffix", "tables"), [("json", 2), ("zip", 2), ("md", 0), ("apkg", 0)])
def test_attempts_and_cards_are_read_for_documents_alone(
    client: TestClient, bread: str, caplog: pytest.LogCaptureFixture, suffix: str, tables: int
) -> None:
    with caplog.at_level(logging.DEBUG, "peewee"):
        assert client.get(f"{bread}/export.{suffix}").status_code == 200
    read = [table for table in ("quiz_attempt", "review_card") if f'FROM "{table}"' in caplog.text]
    assert len(read) == tables
