"""Pages of a browser without scripts, and their use by the keyboard alone."""

import re

import pytest
from starlette.testclient import TestClient

from tests.unit.web.pages.page_text import concepts_of, made, text_of

pytestmark = pytest.mark.usefixtures("short")
REFRESH = '<noscript><meta http-equiv="refresh"'


def test_a_page_that_changes_reloads_itself(
    person: TestClient, roadmap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert REFRESH not in person.get(roadmap).text
    assert REFRESH not in person.get(made(person, review="on")).text  # one types there
    monkeypatch.setattr("roadmap.lifecycle.making.plan_job.plan", lambda *_: [])
    assert REFRESH in person.get(made(person)).text


def test_a_lesson_has_keys_to_go_on(person: TestClient, roadmap: str) -> None:
    first, second, third = (each["id"] for each in concepts_of(person, roadmap))
    page = person.get(f"{roadmap}/concepts/{second}").text
    for key, target in (("p", first), ("n", third)):
        assert re.search(rf'<a [^>]*accesskey="{key}" href="{roadmap}/concepts/{target}"', page)
    assert re.search(rf'<button [^>]*value="{third}" accesskey="d"', page)


def test_questions_above_the_daily_limit_wait(person: TestClient, roadmap: str) -> None:
    lesson = f"{roadmap}/concepts/{concepts_of(person, roadmap)[0]['id']}"
    person.post(f"{lesson}/progress", data={"progress": "done"})
    page = f"/review?roadmap={roadmap.rpartition('/')[2]}"
    saved = person.post("/review/limits", data={"reviews": "60", "new": "0"})
    assert saved.status_code == 303
    waiting = person.get(page)
    assert "Done for today. The rest comes over the next days." in text_of(waiting)
    assert re.search(r'<p class="lead asked" tabindex="-1" autofocus>', waiting.text)
    beyond = re.search(r'href="([^"]+)">Keep reviewing', waiting.text)
    assert beyond is not None
    asked = person.get(beyond[1].replace("&amp;", "&")).text
    card = re.search(r'action="(/review/[0-9a-f-]{36})/check', asked)
    assert card is not None
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', asked))
    rated = person.post(card[1], data={**fields, "rating": "again", "reviews": "0"})
    assert "questions left" in text_of(person.get(rated.headers["location"]))  # it still goes on


def test_a_button_that_needs_a_script_is_hidden(person: TestClient) -> None:
    page = person.get("/import?goal=Carve+spoons").text
    assert "Carve spoons" in page
    assert re.search(r"<button [^>]*data-copy=[^>]* hidden[ >]", page)
