"""Pages of an account: rendered once for each state, and again when anything on them changes."""

import re
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from markupsafe import Markup
from starlette.testclient import TestClient

from core import clock
from core.db import settings, transaction
from models.accounts import Account
from models.roadmaps import CheckedLink, Concept, Content, ContentVersion, LinkUse, Roadmap
from roadmap.generation.generator import current_generator
from roadmap.learning import lesson_navigation
from testing.stack import QUESTIONS
from tests.cases import try_each
from tests.unit.web.pages.page_text import CHINESE, HTML, concepts_of, made, text_of
from tests.unit.web.pages.test_plan_pages import form_at
from web.http.response_cache import ResponseCache
from web.pages import lazy, templates

pytestmark = pytest.mark.usefixtures("short")

FORM = re.compile(r'name="form" value="([^"]*)"')
PLACES = ["home", "roadmap", "lesson"]


@pytest.fixture(autouse=True)
def right_time() -> Iterator[None]:
    yield
    clock.reset()


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The templates that were rendered."""
    names, render = list[str](), templates.rendered

    def noted(request: Any, template: str, **context: Any) -> str:
        names.append(template)
        return render(request, template, **context)

    monkeypatch.setattr(templates, "rendered", noted)
    return names


@pytest.fixture
def paths(roadmap: str, lesson: str) -> dict[str, str]:
    return {"home": "/", "roadmap": roadmap, "lesson": lesson}


def read(person: TestClient, path: str, headers: dict[str, str] = HTML) -> str:
    """The page, without the name of its form."""
    answer = person.get(path, headers=headers)
    assert answer.status_code == 200
    return FORM.sub("", answer.text)


@try_each("place", PLACES)
def test_a_page_is_rendered_once_for_each_look(
    person: TestClient, paths: dict[str, str], rendered: list[str], place: str
) -> None:
    path = paths[place]
    rendered.clear()
    first = read(person, path)
    assert (read(person, path), len(rendered)) == (first, 1)
    assert person.get(path, headers={"Accept-Encoding": "identity"}).status_code == 200
    assert len(rendered) == 1
    looks = [first, read(person, path, CHINESE)]
    for theme in ("dark", "light"):
        looks.append(read(person, path, {**HTML, "Cookie": f"theme={theme}"}))
    assert (len({*looks}), len(rendered)) == (4, 4)
    assert [read(person, path), read(person, path, CHINESE), len(rendered)] == [*looks[:2], 4]


@try_each("place", PLACES)
def test_compressed_and_plain_it_is_the_same(
    person: TestClient, paths: dict[str, str], place: str
) -> None:
    gzipped, plain = (
        person.get(paths[place], headers={"Accept-Encoding": encoding})
        for encoding in ("gzip", "identity")
    )
    assert FORM.sub("", gzipped.text) == FORM.sub("", plain.text)
    assert gzipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    for answer in (gzipped, plain):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["vary"] == templates.VARY


def test_the_form_of_each_page_has_a_name_of_its_own(person: TestClient, roadmap: str) -> None:
    names = {FORM.findall(person.get("/").text)[0] for _ in range(3)}
    assert len(names) == 3
    assert templates.FORM not in names


def test_progress_shows_at_once(person: TestClient, paths: dict[str, str]) -> None:
    seen = {place: read(person, path) for place, path in paths.items()}
    for status in ("learning", "done", "skipped", "todo"):
        person.post(f"{paths['lesson']}/progress", data={"progress": status})
        now = {place: read(person, path) for place, path in paths.items()}
        assert all(now[place] != seen[place] for place in PLACES), status
        seen = now


def test_what_is_written_and_answered_shows_at_once(person: TestClient, lesson: str) -> None:
    read(person, lesson)
    person.post(f"{lesson}/notes", data={"notes": "Flour first."})
    assert "Flour first.</textarea>" in read(person, lesson)
    person.post(f"{lesson}/notes", data={"notes": "Water first."})
    assert "Water first.</textarea>" in read(person, lesson)
    assert "Last time" not in text_of(person.get(lesson))
    fields = {"version": "1", "questions": str(QUESTIONS), "q0": "0", "anyway": "on"}
    assert person.post(f"{lesson}/quiz", data=fields).status_code == 303
    assert "Last time" in text_of(person.get(lesson))


def test_questions_are_due_when_their_time_has_come(person: TestClient, lesson: str) -> None:
    person.post(f"{lesson}/progress", data={"progress": "done"})
    assert f"Review {QUESTIONS} questions" in (text := text_of(person.get("/"))), text
    person.post(f"{lesson}/progress", data={"progress": "todo"})
    assert "questions" not in text_of(person.get("/"))


def test_a_schedule_shows_at_once_and_the_next_day(person: TestClient, roadmap: str) -> None:
    pages = [(read(person, "/"), read(person, roadmap))]
    person.post(f"{roadmap}/schedule", data={"hours_per_week": "11"})
    pages.append((read(person, "/"), read(person, roadmap)))
    clock.travel(timedelta(days=8))
    pages.append((read(person, "/"), read(person, roadmap)))
    assert all(len({*each}) == 3 for each in zip(*pages, strict=True))


def test_a_changed_plan_shows_at_once(person: TestClient, paths: dict[str, str]) -> None:
    """The first concept is the next one at home, and the one before the lesson."""
    assert all("Another title" not in read(person, path) for path in paths.values())
    edit = f"{paths['roadmap']}/edit"
    key = concepts_of(person, paths["roadmap"])[0]["key"]
    form = form_at(person.get(edit).text, "concept", key) | {"do": "save", "title": "Another title"}
    form.pop("regenerate", None)
    assert person.post(edit, data=form).status_code == 303
    for place, path in paths.items():
        assert "Another title" in read(person, path), place


def test_a_new_version_and_a_checked_link_show_at_once(person: TestClient, lesson: str) -> None:
    read(person, lesson)
    concept = UUID(lesson.rpartition("/")[2])
    with transaction():
        part = Content.get(Content.concept == concept, Content.kind == "resources")
        url = ContentVersion.get(ContentVersion.content == part.id).body["items"][0]["url"]
        now = clock.now()
        link = {"digest": _digest(url), "url": url, "checked_at": now, "due_at": now}
        CheckedLink.insert(state="dead", **link).execute()
        LinkUse.insert(content=part.id, link=_digest(url)).execute()
    assert "This link no longer works:" in read(person, lesson)
    with transaction():
        CheckedLink.update(state="alive").execute()
    assert "This link no longer works:" not in read(person, lesson)
    with transaction():
        its = (
            ContentVersion.select()
            .join(Content)
            .where(Content.concept == concept, Content.kind == "tutorial")
        )
        old = its.get()
        body = {**old.body, "markdown": "Entirely new."}
        ContentVersion.insert(
            content=old.content_id, version=2, body=body, generator="t", created_at=now
        ).execute()
        Content.update(version=2).where(Content.id == old.content_id).execute()
    assert "Entirely new." in read(person, lesson)


def test_a_text_is_made_html_once_for_all_who_read_it(
    person: TestClient, lesson: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, prose = list[str](), lazy.prose

    def noted(markdown: str, **options: str) -> Markup:
        labels.append(options["code_label"])
        return prose(markdown, **options)

    monkeypatch.setattr(lazy, "prose", noted)
    monkeypatch.setattr(lazy, "tutorials", ResponseCache())
    pages = [read(person, lesson)]
    person.post(f"{lesson}/notes", data={"notes": "Flour first."})
    pages.append(read(person, lesson))
    prose_of = [page.partition('class="prose"')[2].partition("</section>")[0] for page in pages]
    assert (prose_of[0], len(labels)) == (prose_of[1], 1)
    assert 'aria-label="代码"' in read(person, lesson, CHINESE)
    assert labels == ["Code", "代码"]


def test_what_is_in_the_trash_is_not_found(person: TestClient, paths: dict[str, str]) -> None:
    for path in paths.values():
        read(person, path)
    person.post(f"{paths['roadmap']}/trash")
    assert paths["roadmap"] not in read(person, "/")
    for place in ("roadmap", "lesson"):
        assert person.get(paths[place]).status_code == 404, place
    with transaction():
        Concept.update(removed=True).where(
            Concept.id == paths["lesson"].rpartition("/")[2]
        ).execute()
        Roadmap.update(trashed_at=None).execute()
    assert person.get(paths["lesson"]).status_code == 404


def test_another_account_finds_none_of_it(person: TestClient, paths: dict[str, str]) -> None:
    for path in paths.values():
        read(person, path)
    with transaction():
        other = _another_account()
        Roadmap.update(owner=other).execute()
    assert paths["roadmap"] not in read(person, "/")
    for place in ("roadmap", "lesson"):
        assert person.get(paths[place]).status_code == 404, place


def test_what_is_being_made_is_not_kept(person: TestClient, rendered: list[str]) -> None:
    path = made(person, review="on")
    for _ in range(2):
        assert "Does this plan suit you?" in read(person, path)
    assert rendered.count("roadmap.html") == 2


def test_a_model_offers_more(
    person: TestClient, paths: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [read(person, paths[place]) for place in ("roadmap", "lesson")]
    monkeypatch.setattr(type(current_generator()), "name", "model:m")
    after = [read(person, paths[place]) for place in ("roadmap", "lesson")]
    assert all("instructions" not in page and "feedback" not in page for page in before)
    assert ('name="feedback"' in after[0], 'name="instructions"' in after[1]) == (True, True)


@try_each("query", ["?goal=Bake+bread", "?language=de"])
def test_a_query_is_not_kept(person: TestClient, rendered: list[str], query: str) -> None:
    first = read(person, "/")
    rendered.clear()
    pages = [read(person, f"/{query}") for _ in range(2)]
    assert (pages[0], len(rendered)) == (pages[1], 2)
    assert (read(person, "/"), first != pages[0], len(rendered)) == (first, True, 2)


def test_concepts_differ(person: TestClient, roadmap: str) -> None:
    titles = [concept["title"] for concept in concepts_of(person, roadmap)[:3]]
    for concept in concepts_of(person, roadmap)[:3]:
        page = read(person, f"{roadmap}/concepts/{concept['id']}")
        assert f"<title>{concept['title']}" in page, titles


def _digest(url: str) -> str:
    return sha256(url.encode()).hexdigest()


def _another_account() -> Account:
    made: Account = Account.create(
        email="other@example.org", password_hash="", created_at=clock.now()
    )
    return made


def test_a_lesson_is_not_kept_until_its_links_are_registered(
    person: TestClient, lesson: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then its state does not tell of their checks, which another part may have caused."""
    checking = settings.model_copy(update={"link_check_days": 7})
    monkeypatch.setattr(lesson_navigation, "settings", checking)
    concept, now = UUID(lesson.rpartition("/")[2]), clock.now()
    with transaction():
        part = Content.get(Content.concept == concept, Content.kind == "resources")
        url = ContentVersion.get(ContentVersion.content == part.id).body["items"][0]["url"]
        link = {"digest": _digest(url), "url": url, "checked_at": now, "due_at": now}
        CheckedLink.delete().execute()
        CheckedLink.insert(state="dead", **link).execute()
    assert "This link no longer works:" in read(person, lesson)
    with transaction():
        CheckedLink.update(state="alive").execute()
    assert "This link no longer works:" not in read(person, lesson)
