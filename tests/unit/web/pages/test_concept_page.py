"""The page of a concept: contents, progress, notes and quiz."""

import re
from typing import Any, get_args
from uuid import UUID

import httpx2
import pytest
from starlette.testclient import TestClient

from core.db import transaction
from core.i18n import ENGLISH, texts
from models.roadmaps import Content
from roadmap.plan.outline import ContentKind, ResourceType
from roadmap.plan.statuses import ContentStatus
from testing.stack import QUESTIONS
from tests.cases import try_each
from tests.unit.web.pages.page_text import API, PART, concepts_of, text_of
from web.pages.labels import Sentences
from web.pages.templates import with_code

pytestmark = pytest.mark.usefixtures("short")


def tag_of(answer: httpx2.Response) -> str:
    """That of the notes, as the form sends it."""
    found = re.search(r'name="base" value="([0-9a-f]+)"', answer.text)
    assert found is not None
    return found[1]


class TestLearn:
    def test_it_shows_everything_there_is_to_learn(
        self, person: TestClient, roadmap: str, lesson: str
    ) -> None:
        shown = text_of(person.get(lesson))
        first, second, third = concepts_of(person, roadmap)[:3]
        for words in (
            second["title"],
            second["description"],
            first["title"],
            third["title"],
            "Check my answers",
            "Your notes",
        ):
            assert words.replace("'", "&#39;") in shown
        assert "not been checked" in shown  # the links

    def test_progress_is_marked_and_one_goes_on(
        self, person: TestClient, roadmap: str, lesson: str
    ) -> None:
        assert (
            person.post(f"{lesson}/progress", data={"progress": "learning"}).headers["location"]
            == f"{lesson}#progress"
        )
        assert 'value="learning" aria-pressed="true"' in person.get(lesson).text
        following = concepts_of(person, roadmap)[2]["id"]
        answer = person.post(f"{lesson}/progress", data={"progress": "done", "next": following})
        assert answer.headers["location"] == f"{roadmap}/concepts/{following}"
        assert concepts_of(person, roadmap)[1]["progress"] == "done"

    @try_each(
        "fields", [{"progress": "mastered"}, {}, {"progress": "done", "next": "//evil.example"}]
    )
    def test_a_progress_that_is_none_is_refused(
        self, person: TestClient, lesson: str, fields: dict[str, str]
    ) -> None:
        assert person.post(f"{lesson}/progress", data=fields).status_code == 422

    def test_notes_are_kept_as_they_were_typed(self, person: TestClient, lesson: str) -> None:
        notes = "1. <b>Fold</b>\r\n2. wait & see\r\n  面粉"
        assert (
            person.post(f"{lesson}/notes", data={"notes": notes}).headers["location"]
            == f"{lesson}#notes"
        )
        assert (
            "1. &lt;b&gt;Fold&lt;/b&gt;\n2. wait &amp; see\n  面粉</textarea>"
            in person.get(lesson).text
        )
        answer = person.post(f"{lesson}/notes", data={"notes": "shorter"}, headers=PART)
        assert "<span>Saved</span>" in answer.text

    def test_notes_that_are_too_long_stay_in_the_field(
        self, person: TestClient, lesson: str
    ) -> None:
        answer = person.post(f"{lesson}/notes", data={"notes": "面" * 20_001})
        assert answer.status_code == 422
        assert "面" * 20_001 in answer.text
        assert 'id="notes-error"' in answer.text
        answer = person.post(f"{lesson}/notes", data={"notes": "x" * 20_001}, headers=PART)
        assert "20,000" in text_of(answer, 422)

    def test_the_longest_notes_fit(self, person: TestClient, lesson: str) -> None:
        assert person.post(f"{lesson}/notes", data={"notes": "面" * 20_000}).status_code == 303

    def test_the_solution_is_folded_until_there_is_an_attempt(
        self, person: TestClient, roadmap: str
    ) -> None:
        lesson = f"{roadmap}/concepts/{concepts_of(person, roadmap)[0]['id']}"
        place = re.compile(r'<details class="solution"( open)?><summary[^>]*><h3 id="t-solution">')
        page = person.get(lesson).text
        anchor = page.index('id="t-exercise"')
        assert 'href="#t-exercise"' in page
        found = place.search(page)
        assert found is not None
        assert not found[1]
        assert anchor < page.index('id="attempt"') < found.start()
        folded = page[found.end() :].partition("<details>")[2]
        assert folded.startswith("<summary>Show the solution without an attempt</summary>")
        answer = person.post(f"{lesson}/exercise", data={"exercise_attempt": "", "checked": "on"})
        assert answer.status_code == 422
        assert "Write your attempt at the exercise before you check it." in answer.text
        sent = {"exercise_attempt": "a\r\n <b>"}
        answer = person.post(f"{lesson}/exercise", data=sent)
        assert answer.headers["location"] == f"{lesson}#attempt"
        page = person.get(lesson).text
        assert ">a\n &lt;b&gt;</textarea>" in page
        assert place.findall(page) == [" open"]
        answer = person.post(f"{lesson}/exercise", data={**sent, "checked": "on"})
        assert answer.headers["location"] == f"{lesson}#checked"
        assert "learned_at" not in concepts_of(person, roadmap)[0]
        assert "Pass the quiz as well, and you have learned it." in text_of(person.get(lesson))

    def test_an_attempt_that_is_too_long_stays_in_the_field(
        self, person: TestClient, lesson: str
    ) -> None:
        answer = person.post(f"{lesson}/exercise", data={"exercise_attempt": "面" * 20_001})
        assert answer.status_code == 422
        assert "面" * 20_001 in answer.text
        assert 'id="exercise_attempt-error"' in answer.text

    def test_a_shared_solution_is_folded_and_a_printed_one_stands_at_the_end(
        self, person: TestClient, roadmap: str, lesson: str
    ) -> None:
        link = person.post(f"{API}{roadmap}/links", json={"purpose": "reading"}).json()["url"]
        shared = person.get(f"{link}/concepts/{lesson.rpartition('/')[2]}").text
        assert '<details class="solution"><summary' in shared
        assert "Your attempt" not in shared
        printed = person.get(f"{roadmap}/print").text
        exercises, _, solutions = printed.partition("Solutions of the exercises")
        count = len(concepts_of(person, roadmap))
        assert len(re.findall(r'id="t\d+-exercises?"', exercises)) == count
        assert solutions.count('<div class="prose"') == count

    def test_who_fails_a_quiz_is_led_to_the_sections_to_read_again(
        self, person: TestClient, lesson: str
    ) -> None:
        quiz = person.get(API + lesson).json()["quiz"]
        fields: dict[str, Any] = {"version": quiz["version"], "questions": len(quiz["questions"])}
        answer = person.post(f"{lesson}/quiz", data={**fields, "q0": "0", "anyway": "on"})
        page = person.get(answer.headers["location"].partition("#")[0]).text
        links = re.findall(r'read=on#(t-[^"]+)"', page.partition('class="reread"')[2])
        assert links
        assert [each for each in links if f'id="{each}"' not in page] == []

    def test_a_quiz_is_graded_with_explanations(self, person: TestClient, lesson: str) -> None:
        quiz = person.get(API + lesson).json()["quiz"]
        page = person.get(lesson).text
        assert "explanation" not in page.partition('id="quiz"')[2]
        fields: dict[str, Any] = {"version": quiz["version"], "questions": len(quiz["questions"])}
        for question in quiz["questions"]:
            name, count = f"q{question['id']}", len(question["options"])
            if question["type"] == "order":
                fields |= {f"{name}.{line}": str(line + 1) for line in range(count)}
            else:
                fields[name if count else f"{name}.text"] = "0"
        answer = person.post(f"{lesson}/quiz", data=fields)
        assert re.fullmatch(
            re.escape(lesson) + r"\?attempt=[0-9a-f-]{36}#quiz", answer.headers["location"]
        )
        graded = person.get(answer.headers["location"].partition("#")[0])
        assert graded.text.count('class="explanation"') == len(quiz["questions"])
        assert re.search(r"\d of \d correct", text_of(graded))
        assert re.search(r"come(s)? back in ", text_of(graded))
        assert None not in [question["seed"] for question in quiz["questions"]]
        assert "Last time" in text_of(person.get(lesson))

    @try_each(
        ("fields", "status"),
        [
            ({"version": "1", "questions": str(QUESTIONS), "q0": "99"}, 422),
            ({"version": "9", "questions": str(QUESTIONS), "q0": "0"}, 409),
            ({"version": "1", "questions": str(QUESTIONS)}, 422),  # nothing is answered
            ({"version": "1", "questions": "2"}, 422),
            ({"version": "x", "questions": str(QUESTIONS)}, 422),
            ({"version": "1", "questions": "99999999"}, 422),
            ({"version": "1", "questions": "٣"}, 422),
            ({}, 422),
        ],
    )
    def test_answers_that_do_not_fit_change_nothing(
        self, person: TestClient, lesson: str, fields: dict[str, str], status: int
    ) -> None:
        answer = person.post(f"{lesson}/quiz", data=fields)
        assert 'role="alert"' in answer.text
        assert answer.status_code == status
        assert person.get(f"{API}{lesson}/quiz/attempts").json()["items"] == []

    @try_each(
        "query",
        [f"attempt={UUID(int=7)}", "attempt=7", "attempt=", "attempt=1&attempt=2&utm=a&utm=b"],
    )
    def test_an_attempt_that_is_none_does_not_take_the_lesson_away(
        self, person: TestClient, lesson: str, query: str
    ) -> None:
        page = person.get(f"{lesson}?{query}")
        assert "Check my answers" in text_of(page)
        assert 'class="explanation"' not in page.text

    def test_what_another_window_has_saved_is_not_overwritten_unseen(
        self, person: TestClient, lesson: str
    ) -> None:
        base = tag_of(person.get(lesson))
        person.post(f"{lesson}/notes", data={"notes": "from one window", "base": base})
        part = person.post(
            f"{lesson}/notes", data={"notes": "from another", "base": base}, headers=PART
        )
        assert "changed in another window" in text_of(part, 409)
        assert tag_of(part) == base  # and so the next time
        whole = person.post(f"{lesson}/notes", data={"notes": "from another", "base": base})
        assert whole.status_code == 409
        assert "from another</textarea>" in whole.text
        assert "from one window</blockquote>" in whole.text
        assert person.get(API + lesson).json()["notes"] == "from one window"
        person.post(f"{lesson}/notes", data={"notes": "from another", "base": tag_of(whole)})
        assert person.get(API + lesson).json()["notes"] == "from another"

    def test_to_say_the_same_twice_is_no_conflict(self, person: TestClient, lesson: str) -> None:
        base = tag_of(person.get(lesson))
        for _ in range(2):
            assert (
                person.post(f"{lesson}/notes", data={"notes": "the same", "base": base}).status_code
                == 303
            )

    def test_a_form_without_notes_takes_none_away(self, person: TestClient, lesson: str) -> None:
        person.post(f"{lesson}/notes", data={"notes": "mine"})
        assert person.post(f"{lesson}/notes", data={"other": "1"}).status_code == 422
        assert person.get(API + lesson).json()["notes"] == "mine"
        person.post(f"{lesson}/notes", data={"notes": ""})
        assert person.get(API + lesson).json()["notes"] == ""

    def test_a_part_that_is_not_there_says_why_and_can_be_tried_again(
        self, person: TestClient, lesson: str
    ) -> None:
        its = (Content.concept == lesson.rpartition("/")[2]) & (
            Content.kind == ContentKind.tutorial
        )
        with transaction():
            Content.update(status=ContentStatus.failed, version=0, error="It was too long.").where(
                its
            ).execute()
        page = person.get(lesson).text
        assert "Failed." in page
        assert "It was too long." in page
        answer = person.post(f"{lesson}/tutorial/retry", data={"from": "concept"})
        assert answer.headers["location"] == lesson
        assert "prose" in person.get(lesson).text

    def test_a_part_that_is_being_written_looks_for_itself(
        self, person: TestClient, lesson: str
    ) -> None:
        its = (Content.concept == lesson.rpartition("/")[2]) & (
            Content.kind == ContentKind.tutorial
        )
        for status, trigger in (
            (ContentStatus.pending, "every 4s"),
            (ContentStatus.building, "written from:#draft, every 20s"),
        ):
            with transaction():
                Content.update(status=status, version=0).where(its).execute()
            page = person.get(lesson).text
            assert re.search(rf'id="tutorial" hx-get="[^"]+" hx-trigger="{trigger}"', page)
            assert ('id="draft"' in page) == (status == ContentStatus.building)


def test_every_type_of_resource_has_its_word() -> None:
    for kind in get_args(ResourceType):
        found = Sentences(ENGLISH).resource_type(kind)
        assert found.lower() == kind
        assert Sentences(texts("zh-Hans")).resource_type(kind) not in (found, kind, ""), kind


def test_what_is_shown_is_not_replaced_while_it_is_regenerated(
    person: TestClient, lesson: str
) -> None:
    its = (Content.concept == lesson.rpartition("/")[2]) & (Content.kind == ContentKind.quiz)
    with transaction():
        Content.update(status=ContentStatus.building).where(its).execute()
    page = person.get(lesson).text
    assert "Check my answers" in page
    assert not re.search(r'<section id="quiz"[^>]* hx-trigger', page)
    assert re.search(
        r'<div [^>]*id="quiz-versions"[^>]* hx-select="#quiz-versions"', page
    )  # it says when there is another one


def test_code_in_a_question_is_shown_as_code_and_nothing_else_is_markup() -> None:
    assert with_code("Does `a < b` **hold**?") == "Does <code>a &lt; b</code> **hold**?"
    assert with_code("<b>`") == "&lt;b&gt;`"
