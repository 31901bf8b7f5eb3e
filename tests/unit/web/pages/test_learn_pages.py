"""The first page says what to do next, questions come one by one, and the plan keeps pace."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import database, transaction
from models.roadmaps import Concept, Content, Roadmap
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.learning.today import find_lessons
from testing.stack import QUESTIONS
from tests.cases import try_each
from tests.copies import Copies
from tests.unit.roadmap.learning.test_progress import right_answers, wrong
from tests.unit.web.pages.page_text import API, CHINESE, concepts_of, made, text_of, tree_of
from web.pages.roadmap_view import view_of

pytestmark = pytest.mark.usefixtures("short")


@pytest.fixture
def done(person: TestClient, roadmap: str) -> str:
    """The path of the page of its first concept, which is learned."""
    path = f"{roadmap}/concepts/{concepts_of(person, roadmap)[0]['id']}"
    assert person.post(f"{path}/progress", data={"progress": "done"}).status_code == 303
    return path


def test_limits_without_one_of_them_are_refused_on_the_page(person: TestClient) -> None:
    answer = person.post("/review/limits", data={"reviews": "999"})
    assert answer.status_code == 422
    assert 'value="999"' in answer.text


def test_a_rating_in_a_deleted_roadmap_is_not_offered_for_its_undo(
    person: TestClient, roadmap: str, done: str
) -> None:
    card = card_of(person.get("/review").text)
    person.post(f"/review/{card}", data={"rating": "good", "reviews": "0"})
    assert person.get(f"{API}/reviews").json()["last_rating"]["id"] == card
    assert f"/review/{card}/undo" in person.get("/review").text
    person.delete(API + roadmap)
    assert person.get(f"{API}/reviews").json()["last_rating"] is None


def card_of(page: str) -> str:
    found = re.search(r'action="/review/([0-9a-f-]{36})', page)
    assert found is not None, page
    return found[1]


def checked(person: TestClient, chosen: list[int], query: str = "") -> tuple[str, str]:
    """The id of the first question, and the page after an answer."""
    card = card_of(person.get(f"/review{query}").text)
    answer = person.post(
        f"/review/{card}/check", data={"chosen": [str(each) for each in chosen], "done": "0"}
    )
    assert answer.status_code == 303, answer.text
    return card, person.get(answer.headers["location"]).text


class TestReview:
    def test_a_review_without_questions_says_what_to_do(
        self, person: TestClient, roadmap: str
    ) -> None:
        page = person.get("/review")
        assert "No reviews due." in text_of(page)
        assert "After you answer a quiz or finish a concept, its questions return" in text_of(page)
        assert (
            f'href="{roadmap}/concepts/{concepts_of(person, roadmap)[0]["id"]}">Continue'
            in page.text
        )

    def test_one_question_is_asked_without_its_answer(self, person: TestClient, done: str) -> None:
        page = person.get("/review")
        question = person.get(API + done).json()["quiz"]["questions"][0]
        assert f"{QUESTIONS} questions left" in text_of(page)
        assert page.text.count('<fieldset class="question') == 1
        assert 'class="explanation"' not in page.text
        assert f'<progress max="{QUESTIONS}" value="0"' in page.text
        assert page.text.count('name="chosen"') == len(question["options"])

    def test_an_answer_is_shown_right_or_wrong_with_four_ratings(
        self, person: TestClient, done: str
    ) -> None:
        right = right_answers(done)[0]
        _, page = checked(person, right)
        assert '<strong lang="en">Correct.</strong>' in page
        keys = re.findall(r'name="rating" value="(\w+)" aria-keyshortcuts="([^"]+)"', page)
        assert keys == [("again", "1"), ("hard", "2"), ("good", "3 Space Enter"), ("easy", "4")]
        assert 'aria-keyshortcuts="3 Space Enter" class="primary"' in page
        for text in ("in less than a minute", "in 6 minutes", "in 10 minutes", "in 8 days"):
            assert text in page
        _, page = checked(person, wrong([right])[0])
        assert "Incorrect." in page
        assert 'value="again" aria-keyshortcuts="1 Space Enter" class="primary"' in page

    def test_who_has_chosen_nothing_is_asked_again(self, person: TestClient, done: str) -> None:
        card = card_of(person.get("/review").text)
        answer = person.post(f"/review/{card}/check", data={"done": "2"})
        assert "Choose an answer, or “I don&#39;t know”." in text_of(answer, 422)
        assert card_of(answer.text) == card
        assert "Incorrect." not in answer.text
        assert 'name="done" value="2"' in answer.text
        assert answer.text.index('role="alert"') > answer.text.index(
            "<progress"
        )  # beside the question

    def test_an_unknown_answer_is_shown_and_asked_again_soon(
        self, person: TestClient, done: str
    ) -> None:
        page = person.get("/review").text
        assert '<button name="unknown" value="on" aria-keyshortcuts="0">I don\'t know' in page
        answer = person.post(
            f"/review/{card_of(page)}/check", data={"unknown": "on", "chosen": "0", "done": "0"}
        )
        shown = person.get(answer.headers["location"]).text
        assert 'class="explanation"' in shown
        assert " checked" not in shown  # whatever was chosen before
        assert re.findall(r'name="rating" value="(\w+)"', shown) == ["again"]

    def test_all_are_reviewed_one_after_the_other(self, person: TestClient, done: str) -> None:
        path = "/review"
        for number in range(QUESTIONS):
            page = person.get(path).text
            assert f'<progress max="{QUESTIONS}" value="{number}"' in page
            answer = person.post(
                f"/review/{card_of(page)}",
                data={"rating": "easy", "reviews": "0", "done": str(number)},
            )
            assert (answer.status_code, answer.headers["location"]) == (
                303,
                f"/review?done={number + 1}",
            )
            path = answer.headers["location"]
        page = person.get(path)
        assert f"All done: {QUESTIONS} questions reviewed." in text_of(page)
        day = clock.now() + timedelta(days=8)
        assert f"Done for today; next on {day.day} {day:%B %Y}." in text_of(page)

    def test_a_second_click_rates_nothing_twice_and_shows_the_next(
        self, person: TestClient, done: str
    ) -> None:
        card = card_of(person.get("/review").text)
        rated = {"rating": "good", "reviews": "0"}
        person.post(f"/review/{card}", data=rated)
        again = person.post(f"/review/{card}", data=rated)
        assert "already rated" in text_of(again, 409)
        assert card_of(again.text) != card
        assert person.get(f"{API}/reviews").json()["due"] == QUESTIONS - 1

    @try_each(
        "fields", [{}, {"rating": "perfect", "reviews": "0"}, {"rating": "good", "reviews": "x"}]
    )
    def test_a_rating_that_is_none_changes_nothing(
        self, person: TestClient, done: str, fields: dict[str, str]
    ) -> None:
        card = card_of(person.get("/review").text)
        assert 'role="alert"' in person.post(f"/review/{card}", data=fields).text
        assert person.get(f"{API}/reviews").json()["due"] == QUESTIONS

    def test_an_answer_that_is_none_is_asked_again(self, person: TestClient, done: str) -> None:
        card = card_of(person.get("/review").text)
        answer = person.post(f"/review/{card}/check", data={"chosen": "99"})
        assert "This answer belongs to another question." in text_of(answer, 422)
        assert card_of(answer.text) == card

    @try_each(
        "query",
        [
            "card={card}&chosen=99",
            "card={card}&chosen=x",
            "card=7&chosen=0",
            "card={none}&chosen=0",
            "done=-1",
        ],
    )
    def test_an_address_that_somebody_has_changed_asks_the_question(
        self, person: TestClient, done: str, query: str
    ) -> None:
        card = card_of(person.get("/review").text)
        page = person.get("/review?" + query.format(card=card, none=UUID(int=7)))
        assert page.status_code == 200
        assert card_of(page.text) == card
        assert 'class="explanation"' not in page.text

    def test_what_is_not_due_any_more_is_not_shown_again(
        self, person: TestClient, done: str
    ) -> None:
        card = card_of(person.get("/review").text)
        person.post(f"/review/{card}", data={"rating": "good", "reviews": "0"})
        assert card_of(person.get(f"/review?card={card}&chosen=0").text) != card

    def test_those_of_one_roadmap(self, person: TestClient, roadmap: str, done: str) -> None:
        other = made(person).rpartition("/")[2]
        page = person.get(f"/review?roadmap={other}")
        assert "No reviews due." in text_of(page)
        assert f'href="/roadmaps/{other}"' in page.text
        own = roadmap.rpartition("/")[2]
        page = person.get(f"/review?roadmap={own}")
        assert f'name="roadmap" value="{own}"' in page.text
        data = {"rating": "good", "reviews": "0", "roadmap": own, "done": "0"}
        answer = person.post(f"/review/{card_of(page.text)}", data=data)
        assert answer.headers["location"] == f"/review?roadmap={own}&done=1"
        assert person.get(f"/review?roadmap={UUID(int=7)}").status_code == 404

    def test_its_own_words_are_in_the_language_of_the_reader(
        self, person: TestClient, done: str
    ) -> None:
        card = card_of(person.get("/review").text)
        page = person.get(f"/review?card={card}&chosen=0", headers=CHINESE).text
        shown = re.sub(r'<(\w+)[^>]* lang="en"[^>]*>.*?</\1>', "", page, flags=re.DOTALL)
        assert not re.search(
            r"\b(Again|Good|Hard|Easy|minutes|questions|Check)\b", re.sub(r"<[^>]+>", " ", shown)
        )

    def test_the_page_of_a_concept_says_that_its_questions_come_back(
        self, person: TestClient, done: str
    ) -> None:
        assert "come back before you forget them" in text_of(person.get(done))


class TestHome:
    def test_a_newcomer_sees_the_question_alone(self, person: TestClient) -> None:
        page = person.get("/").text
        assert '<h1><label for="goal">' in page
        assert "autofocus" in page
        assert "Continue learning" not in page

    def test_a_learner_sees_where_to_continue(self, person: TestClient, roadmap: str) -> None:
        page = person.get("/")
        first = concepts_of(person, roadmap)[0]
        assert f'href="{roadmap}/concepts/{first["id"]}"' in page.text
        assert "With the hours you have set, you will finish on" in text_of(page)
        assert page.text.count("<h1") == 1
        assert '<label for="goal">' in page.text
        assert "autofocus" not in page.text
        assert not re.search(r"Review \d", page.text)

    def test_what_is_due_comes_first(self, person: TestClient, roadmap: str, done: str) -> None:
        page = person.get("/")
        assert f"Review {QUESTIONS} questions" in text_of(page)
        second = concepts_of(person, roadmap)[1]
        assert f'href="{roadmap}/concepts/{second["id"]}"' in page.text
        assert re.search(r'<progress max="\d+" value="[1-9]', page.text)

    def test_one_that_is_learned_comes_before_newer_ones_and_what_is_finished_is_left_out(
        self, person: TestClient, roadmap: str, done: str
    ) -> None:
        newer = [made(person) for _ in range(4)]
        links = r'<p class="onward"><a [^>]*href="(/roadmaps/[0-9a-f-]{36})/concepts'
        places = re.findall(links, person.get("/").text)
        assert places == [newer[3], newer[2]]  # the first one stands under Today
        with transaction():
            Concept.update(progress="done").where(
                Concept.roadmap == newer[3].rpartition("/")[2]
            ).execute()
            Roadmap.update(trashed_at=clock.now()).where(
                Roadmap.id == newer[2].rpartition("/")[2]
            ).execute()
        places = re.findall(links, person.get("/").text)
        assert places == [newer[1], newer[0]]

    def test_who_is_at_the_form_already_stays_there(self, person: TestClient, done: str) -> None:
        answer = person.post("/roadmaps", data={"goal": ""})
        assert '<h1><label for="goal">' in answer.text

    def test_its_cost_does_not_grow_with_what_there_is(
        self, person: TestClient, done: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        execute = database.obj.execute_sql
        monkeypatch.setattr(
            database.obj,
            "execute_sql",
            lambda sql, *given: (asked.append(sql), execute(sql, *given))[1],
        )

        def queries() -> int:
            asked.clear()
            assert person.get("/").status_code == 200
            return sum(
                '"concept"' in sql or '"roadmap"' in sql for sql in asked
            )  # others are of threads of the process

        for _ in range(2):
            made(person)
        few = min(
            queries() for _ in range(3)
        )  # a thread of the process may ask for a roadmap at the same time
        for _ in range(4):
            made(person)
        assert min(queries() for _ in range(3)) == few <= 20


class TestPace:
    def test_it_is_shown_with_each_stage(self, person: TestClient, roadmap: str, done: str) -> None:
        page = person.get(roadmap)
        stages = tree_of(person, roadmap)["stages"]
        part = page.text.partition('<section id="pace">')[2].partition('<section id="plan">')[0]
        assert part.count("<progress ") == 1 + len(stages)
        assert "hours remain." in text_of(page)
        assert "With the hours you have set, you will finish on" in part

    def test_hours_deadline_and_beginning_are_changed(
        self, person: TestClient, roadmap: str
    ) -> None:
        clock.travel(timedelta(days=30))
        deadline = str(clock.now().date() + timedelta(days=100))
        answer = person.post(
            f"{roadmap}/schedule", data={"hours_per_week": "20", "deadline": deadline}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, f"{roadmap}#pace")
        tree = tree_of(person, roadmap)
        assert (tree["hours_per_week"], tree["deadline"], tree["weeks"]) == (
            20,
            deadline,
            -(-tree["hours"] // 20),
        )
        assert tree["begins_on"] == tree["created_at"][:10]
        assert "before your target date" in text_of(
            person.get(roadmap)
        ) or "after your target date" in text_of(person.get(roadmap))
        person.post(
            f"{roadmap}/schedule", data={"hours_per_week": "20", "deadline": "", "from_today": "on"}
        )
        tree, today = tree_of(person, roadmap), str(clock.now().date())
        assert (tree["deadline"], tree["begins_on"]) == (None, today)
        assert 'name="from_today"' not in person.get(roadmap).text  # it begins today

    @try_each(
        ("fields", "named"),
        [
            ({"hours_per_week": "0", "deadline": ""}, "hours_per_week"),
            ({"hours_per_week": "", "deadline": ""}, "hours_per_week"),
            ({"hours_per_week": "8", "deadline": "2001-01-01"}, "deadline"),
            ({"hours_per_week": "8", "deadline": "soon"}, "deadline"),
        ],
    )
    def test_a_wrong_field_shows_its_error_and_changes_nothing(
        self, person: TestClient, roadmap: str, fields: dict[str, str], named: str
    ) -> None:
        with transaction():
            Roadmap.update(begins_on=clock.now().date() - timedelta(days=9)).execute()
        before = tree_of(person, roadmap)
        answer = person.post(f"{roadmap}/schedule", data={**fields, "from_today": "on"})
        assert answer.status_code == 422
        assert f'id="{named}-error"' in answer.text
        assert f'value="{fields[named]}"' in answer.text
        assert re.search(r'name="from_today" value="on" checked', answer.text)
        assert "<details open>" in answer.text
        assert "Does this plan suit you?" not in answer.text
        assert tree_of(person, roadmap) == before

    def test_a_roadmap_without_a_plan_has_no_pace(self, person: TestClient, roadmap: str) -> None:
        with transaction():
            Roadmap.update(title="").execute()
        assert person.post(f"{roadmap}/schedule", data={"hours_per_week": "5"}).status_code == 409

    def test_what_is_watched_gets_it_with_the_plan(self, person: TestClient, roadmap: str) -> None:
        html = person.get(f"{roadmap}/live").text
        assert 'hx-target="#pace"' in html
        assert "With the hours you have set, you will finish on" in html
        assert html.index('hx-target="#pace"') < html.index('hx-target="#plan"')


def test_days_are_in_words_wherever_a_learner_reads_them(person: TestClient, roadmap: str) -> None:
    clock.travel(datetime(2027, 1, 4, 12, tzinfo=UTC) - clock.now())
    person.post(f"{roadmap}/schedule", data={"hours_per_week": "8", "deadline": "2027-02-01"})
    assert "by 1 February 2027" in text_of(person.get(roadmap))
    person.post(f"{roadmap}/sharing", data={"purpose": "reading", "expires_in_days": "30"})
    assert "Valid until 3 February 2027" in text_of(person.get(f"{roadmap}/sharing"))
    clock.travel(timedelta(days=31))
    assert "Expired on 3 February 2027" in text_of(person.get(f"{roadmap}/sharing"))
    person.post(f"{roadmap}/trash")
    assert "kept until 6 March 2027" in text_of(person.get("/trash"))


class TestOnward:
    @pytest.fixture
    def short(self) -> None:
        """Not here."""

    @pytest.fixture
    def roadmap(self, person: TestClient, copies: Copies) -> str:
        return copies.of("a roadmap by a form", lambda: made(person))

    def test_it_says_what_the_whole_roadmap_says(self, person: TestClient, roadmap: str) -> None:
        """It reads less, and finds the same, however much is learned."""
        id_ = UUID(roadmap.rpartition("/")[2])
        concepts = concepts_of(person, roadmap)
        for number, status in enumerate(("done", "skipped", "learning", "done", "done")):
            person.post(
                f"{roadmap}/concepts/{concepts[2 * number]['id']}/progress",
                data={"progress": status},
            )
            clock.travel(timedelta(days=3))
            view = view_of(LOCAL_OWNER, id_)
            (found,) = find_lessons(LOCAL_OWNER, limit=3)[0]
            assert view.next is not None
            assert (found.id, found.next_id, found.next_title) == (
                id_,
                view.next.id,
                view.next.title,
            )
            assert found.schedule == view.schedule

    def test_what_has_nothing_to_read_is_not_where_one_goes_on(
        self, person: TestClient, roadmap: str
    ) -> None:
        assert [each.id for each in find_lessons(LOCAL_OWNER, limit=3)[0]] == [
            UUID(roadmap.rpartition("/")[2])
        ]
        with transaction():
            Content.update(version=0).execute()
        assert find_lessons(LOCAL_OWNER, limit=3)[0] == []
