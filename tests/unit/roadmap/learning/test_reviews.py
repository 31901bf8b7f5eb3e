"""Questions that come back, over HTTP: asked, graded, and never counted twice."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import session, transaction
from models.roadmaps import Concept, Content, ReviewCard, Roadmap
from roadmap.learning.grading import Answer
from testing.stack import GOAL, QUESTIONS
from tests.cases import try_each
from tests.unit.roadmap.learning.test_progress import API, problem, right_answers, wrong

pytestmark = pytest.mark.usefixtures("short")

REVIEWS = f"{API}/reviews"
LIMITS = f"{API}/review-limits"
NOTHING = {
    "items": [],
    "due": 0,
    "waiting": 0,
    "next_due_at": None,
    "limits": {"reviews": 60, "new": 15},
    "last_rating": None,
}


@pytest.fixture
def done(client: TestClient, concept: str) -> str:
    """The same, when it is learned."""
    assert client.put(f"{concept}/progress", json={"progress": "done"}).status_code == 200
    return concept


def due(client: TestClient, **query: Any) -> dict[str, Any]:
    answer = client.get(REVIEWS, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def answer(client: TestClient, concept: str, answers: list[Answer]) -> None:
    made = client.post(f"{concept}/quiz/attempts", json={"version": 1, "answers": answers})
    assert made.status_code == 201, made.text


def rate(client: TestClient, card: dict[str, Any], rating: str, reviews: int | None = None) -> Any:
    return client.post(
        f"{REVIEWS}/{card['id']}",
        json={"rating": rating, "reviews": card["reviews"] if reviews is None else reviews},
    )


def cards() -> list[ReviewCard]:
    with session():
        return list(ReviewCard.select().order_by(ReviewCard.number))


class TestWhatIsAsked:
    def test_nothing_at_first(self, client: TestClient, roadmap: str) -> None:
        assert due(client) == NOTHING

    def test_the_questions_of_what_is_done_are_due_at_once_without_their_answers(
        self, client: TestClient, roadmap: str, done: str
    ) -> None:
        found = due(client)
        assert (found["due"], len(found["items"]), found["next_due_at"]) == (
            QUESTIONS,
            QUESTIONS,
            None,
        )
        asked = [item["question"] for item in found["items"]]
        assert asked == client.get(done).json()["quiz"]["questions"]
        first, tree = found["items"][0], client.get(roadmap).json()
        assert first["roadmap_id"] == roadmap.rpartition("/")[2]
        assert (first["roadmap_title"], first["concept_id"]) == (
            tree["title"],
            done.rpartition("/")[2],
        )
        assert (first["state"], first["reviews"], first["lapses"], first["reviewed_at"]) == (
            "learning",
            0,
            0,
            None,
        )
        assert "explanation" not in str(found)

    def test_done_twice_is_done_once_and_undone_takes_back_what_was_never_asked(
        self, client: TestClient, done: str
    ) -> None:
        first = due(client)["items"][0]
        rate(client, first, "good")
        client.put(f"{done}/progress", json={"progress": "done"})
        assert len(cards()) == QUESTIONS
        client.put(f"{done}/progress", json={"progress": "learning"})
        assert [str(card.id) for card in cards()] == [first["id"]]

    def test_without_its_quiz_a_concept_that_is_done_has_none(
        self, client: TestClient, roadmap: str, concept: str
    ) -> None:
        with transaction():
            Content.update(version=0).where(Content.kind == "quiz").execute()
        client.put(f"{concept}/progress", json={"progress": "done"})
        assert cards() == []

    def test_an_attempt_rates_what_was_answered(self, client: TestClient, concept: str) -> None:
        right = right_answers(concept)
        answer(client, concept, [*right[:2], *wrong(right[2:-1]), []])
        found = cards()
        first, third, last = found[0], found[2], found[-1]
        assert [card.reviews for card in found] == [*[1] * (QUESTIONS - 1), 0]
        assert first.due_at - first.reviewed_at == timedelta(minutes=10)
        assert third.due_at - third.reviewed_at == timedelta(minutes=1)
        assert [item["id"] for item in due(client)["items"]] == [
            str(last.id)
        ]  # it was not answered: it is asked

    def test_what_is_not_due_yet_changes_by_a_wrong_answer_only_and_not_twice_in_a_row(
        self, client: TestClient, concept: str
    ) -> None:
        right = right_answers(concept)
        answer(client, concept, right)
        answer(client, concept, right)
        assert [card.reviews for card in cards()] == [1] * QUESTIONS
        answer(client, concept, [*wrong(right[:1]), *right[1:]])
        answer(client, concept, [*wrong(right[:1]), *right[1:]])
        assert [card.reviews for card in cards()] == [2, *[1] * (QUESTIONS - 1)]
        clock.travel(timedelta(minutes=20))
        answer(client, concept, right)
        assert [card.reviews for card in cards()] == [3, *[2] * (QUESTIONS - 1)]

    def test_what_is_in_the_trash_or_left_the_plan_is_not_asked(
        self, client: TestClient, done: str
    ) -> None:
        card = due(client)["items"][0]
        for table, gone, back in (
            (Roadmap, {"trashed_at": clock.now()}, {"trashed_at": None}),
            (Concept, {"removed": True}, {"removed": False}),
        ):
            with transaction():
                table.update(gone).execute()
            assert due(client) == NOTHING
            problem(rate(client, card, "good"), 404)
            problem(client.post(f"{REVIEWS}/{card['id']}/check", json={"chosen": []}), 404)
            with transaction():
                table.update(back).execute()
            assert due(client)["due"] == QUESTIONS

    def test_those_of_one_roadmap(self, client: TestClient, roadmap: str, done: str) -> None:
        assert due(client, roadmap_id=roadmap.rpartition("/")[2])["due"] == QUESTIONS
        other = client.post(f"{API}/roadmaps", json={"goal": GOAL}).json()["id"]
        assert due(client, roadmap_id=other)["items"] == []
        problem(client.get(REVIEWS, params={"roadmap_id": str(UUID(int=7))}), 404)

    @try_each(
        "query", [{"limit": 0}, {"limit": 51}, {"limit": "x"}, {"roadmap_id": "x"}, {"cursor": "x"}]
    )
    def test_a_query_that_does_not_fit_is_refused(
        self, client: TestClient, query: dict[str, Any]
    ) -> None:
        problem(client.get(REVIEWS, params=query), 422)

    def test_the_limit_bounds_the_items_and_all_are_counted(
        self, client: TestClient, done: str
    ) -> None:
        found = due(client, limit=2)
        assert (len(found["items"]), found["due"]) == (2, QUESTIONS)


class TestReview:
    def test_an_answer_is_graded_and_nothing_is_changed(
        self, client: TestClient, done: str
    ) -> None:
        right = right_answers(done)[0]
        card = due(client)["items"][0]
        before = cards()[0].__data__
        del before["missed_at"]
        for chosen, is_right in ((right, True), (wrong([right])[0], False)):
            body = client.post(f"{REVIEWS}/{card['id']}/check", json={"chosen": chosen}).json()
            assert (body["id"], body["reviews"], body["question"]["is_right"]) == (
                card["id"],
                0,
                is_right,
            )
            assert body["question"]["right"] == sorted(right)
            assert body["question"]["explanation"]
            comes_back = [
                datetime.fromisoformat(body["leads_to"][rating])
                for rating in ("again", "hard", "good", "easy")
            ]
            assert comes_back == sorted(comes_back)
        after = cards()[0].__data__
        assert after.pop("missed_at") is not None  # which bounds its rating
        assert after == before

    def test_a_wrong_answer_leaves_again_and_hard(self, client: TestClient, done: str) -> None:
        right = right_answers(done)[0]
        card = due(client)["items"][0]
        check = f"{REVIEWS}/{card['id']}/check"
        found = client.post(check, json={"chosen": wrong([right])[0]}).json()
        assert found["ratings"] == ["again", "hard"]
        again = client.post(check, json={"chosen": right}).json()  # it was shown before
        assert again["ratings"] == ["again", "hard"]
        for rating in ("good", "easy"):
            refused = problem(rate(client, card, rating), 422)
            assert refused["detail"] == (
                "This question was answered incorrectly. Rate it `again` or `hard`."
            )
            assert refused["errors"] == [
                {"pointer": "#/rating", "detail": "must be `again` or `hard`"}
            ]
        unknown = client.post(check, json={"chosen": []}).json()
        assert unknown["ratings"] == ["again"]
        assert problem(rate(client, card, "hard"), 422)["errors"][0]["detail"] == "must be `again`"
        assert rate(client, card, "again").status_code == 200
        card = {**card, "reviews": 1}
        clock.travel(timedelta(minutes=31))
        found = client.post(check, json={"chosen": right}).json()
        assert found["ratings"] == ["again", "hard", "good", "easy"]
        assert rate(client, card, "good").status_code == 200

    def test_a_forecast_says_how_many_would_be_recalled(
        self, client: TestClient, done: str
    ) -> None:
        forecast = f"{API}/review-forecast"
        assert client.get(forecast).json()["rated"] == 0
        assert "You would recall" not in client.get("/review").text
        for card in due(client)["items"]:
            rate(client, card, "good")
        found = client.get(forecast).json()
        assert (found["recalled"], found["rated"]) == (QUESTIONS, QUESTIONS)
        clock.travel(timedelta(days=400))
        later = client.get(forecast).json()
        assert 0 < later["recalled"] < QUESTIONS == later["rated"]
        text = f"You would recall {later['recalled']} of {QUESTIONS} questions today."
        assert text in client.get("/", headers={"Accept": "text/html"}).text
        for card in due(client)["items"]:
            rate(client, card, "good")
        assert f"You would recall {QUESTIONS} of {QUESTIONS}" in client.get("/review").text

    def test_it_comes_back_as_it_was_promised(
        self, client: TestClient, done: str, still: None
    ) -> None:
        ratings, right = ("again", "hard", "good", "easy"), right_answers(done)
        for card, rating, chosen in zip(due(client)["items"], ratings, right, strict=False):
            promised = client.post(f"{REVIEWS}/{card['id']}/check", json={"chosen": chosen}).json()[
                "leads_to"
            ][rating]
            then = rate(client, card, rating).json()
            due_at, promised_at = map(datetime.fromisoformat, (then["due_at"], promised))
            assert abs(due_at - promised_at) < timedelta(seconds=1)
            assert (then["reviews"], then["lapses"]) == (1, 0)
        found = due(client)
        assert found["due"] == QUESTIONS - 4
        next_due = datetime.fromisoformat(found["next_due_at"]) - clock.now()
        assert next_due <= timedelta(minutes=1)

    def test_a_second_click_is_a_conflict_and_changes_nothing(
        self, client: TestClient, done: str
    ) -> None:
        card = due(client)["items"][0]
        assert rate(client, card, "good").status_code == 200
        before = cards()[0].__data__
        problem(rate(client, card, "again"), 409)
        problem(rate(client, card, "again", reviews=7), 409)
        assert cards()[0].__data__ == before
        assert (
            rate(client, card, "again", reviews=1).json()["reviews"] == 2
        )  # also before it is due

    def test_what_was_known_and_is_forgotten_is_a_lapse(
        self, client: TestClient, done: str
    ) -> None:
        card = due(client)["items"][0]
        body = [
            rate(client, card, rating, reviews).json()
            for reviews, rating in enumerate(("easy", "again", "good"))
        ]
        assert [(each["state"], each["lapses"]) for each in body] == [
            ("review", 0),
            ("relearning", 1),
            ("review", 1),
        ]

    @try_each(
        ("body", "pointer"),
        [
            ({"rating": "perfect", "reviews": 0}, "#/rating"),
            ({"rating": "good"}, "#/reviews"),
            ({"rating": "good", "reviews": -1}, "#/reviews"),
            ({"rating": "good", "reviews": True}, "#/reviews"),
            ({"rating": "good", "reviews": 0, "at": "2020-01-01T00:00:00Z"}, "#/at"),
        ],
    )
    def test_a_rating_that_does_not_fit_is_refused(
        self, client: TestClient, done: str, body: dict[str, Any], pointer: str
    ) -> None:
        card = due(client)["items"][0]
        refused = problem(client.post(f"{REVIEWS}/{card['id']}", json=body), 422)
        assert [error["pointer"] for error in refused["errors"]] == [pointer]
        assert due(client)["due"] == QUESTIONS

    @try_each("chosen", [[99], [0, 0], [-1], "0", [0.5], [0] * 101])
    def test_an_answer_that_does_not_fit_is_refused(
        self, client: TestClient, done: str, chosen: Any
    ) -> None:
        card = due(client)["items"][0]
        refused = problem(
            client.post(f"{REVIEWS}/{card['id']}/check", json={"chosen": chosen}), 422
        )
        assert refused["errors"][0]["pointer"].startswith("#/chosen")

    def test_without_an_answer_only_again_is_accepted(self, client: TestClient, done: str) -> None:
        card = due(client)["items"][0]
        body = client.post(f"{REVIEWS}/{card['id']}/check", json={"chosen": []}).json()
        assert body["ratings"] == ["again"]
        refused = problem(rate(client, card, "easy"), 422)
        assert refused["errors"][0]["pointer"] == "#/rating"
        assert rate(client, card, "again").json()["reviews"] == 1

    def test_the_last_rating_is_undone_once(self, client: TestClient, done: str) -> None:
        first, second = due(client)["items"][:2]
        before = cards()[0].__data__
        undo = f"{REVIEWS}/{first['id']}/undo"
        problem(client.post(undo, json={"reviews": 1}), 409)
        rate(client, first, "good")
        assert due(client)["last_rating"] == {"id": first["id"], "reviews": 1}
        problem(client.post(undo, json={"reviews": 2}), 409)
        problem(client.post(f"{REVIEWS}/{second['id']}/undo", json={"reviews": 1}), 409)
        restored = client.post(undo, json={"reviews": 1}).json()
        assert (restored["reviews"], restored["due_at"]) == (0, first["due_at"])
        assert cards()[0].__data__ == before
        problem(client.post(undo, json={"reviews": 1}), 409)
        for body in ({}, {"reviews": 0}, {"reviews": 1, "more": 1}):
            problem(client.post(undo, json=body), 422)


class TestLimits:
    def test_what_is_above_them_waits(self, client: TestClient, done: str) -> None:
        assert client.get(LIMITS).json() == NOTHING["limits"]
        wanted = {"reviews": 9, "new": 2}
        assert client.put(LIMITS, json=wanted).json() == wanted == client.get(LIMITS).json()
        found = due(client)
        assert (len(found["items"]), found["due"], found["waiting"]) == (2, 2, QUESTIONS - 2)
        everything = due(client, beyond_limits=True)
        assert (len(everything["items"]), everything["waiting"]) == (QUESTIONS, 0)
        days = client.get(f"{API}/review-forecast").json()["days"]
        asked = [day["new"] for day in days]
        assert (asked, sum(asked)) == (sorted(asked, reverse=True), QUESTIONS)
        assert asked[:2] == [2, 2]
        assert max(asked) == 2
        assert client.put(LIMITS, json={}).json() == NOTHING["limits"]

    @try_each("body", [{"new": -1}, {"reviews": 0}, {"reviews": 501}, {"new": 1.5}, {"most": 1}])
    def test_those_out_of_bounds_are_refused(
        self, client: TestClient, body: dict[str, Any]
    ) -> None:
        problem(client.put(LIMITS, json=body), 422)
