"""A quiz that was not passed is retried with what was missed, after reading again or a pause."""

import re
from datetime import timedelta
from threading import Thread
from typing import Any

from starlette.testclient import TestClient

from core import clock
from core.db import session
from models.roadmaps import QuizAttempt, ReviewCard
from roadmap.learning.progress import RETRY_AFTER
from tests.unit.roadmap.learning.test_progress import problem, right_answers, wrong

API = "/api/v1"
Answers = list[Any]


def answer(client: TestClient, concept: str, answers: Answers) -> Any:
    body = {"version": 1, "answers": answers}
    return client.post(f"{concept}/quiz/attempts", json=body)


def fail(client: TestClient, concept: str) -> tuple[Answers, Answers]:
    """Miss the first two questions; return the right answers, and those to what was missed."""
    right = right_answers(concept)
    missed = [*wrong(right)[:2], *right[2:]]
    assert not answer(client, concept, missed).json()["passed"]
    return right, [*right[:2], *[[]] * (len(right) - 2)]


def retry(client: TestClient, concept: str) -> tuple[list[int] | None, bool]:
    listed = client.get(f"{concept}/quiz/attempts").json()
    return listed["asks"], listed["opens_at"] is None


def test_answers_that_were_just_revealed_are_refused(client: TestClient, concept: str) -> None:
    assert retry(client, concept) == (None, True)
    right, missed = fail(client, concept)
    assert retry(client, concept) == ([0, 1], False)
    for answers in (right, missed):
        refused = problem(answer(client, concept, answers), 409)
        assert "Read the lesson again" in refused["detail"]
        when = client.get(f"{concept}/quiz/attempts").json()["opens_at"]
        assert when[:19] in refused["detail"]
    assert len(client.get(f"{concept}/quiz/attempts").json()["items"]) == 1
    clock.travel(RETRY_AFTER)
    assert retry(client, concept) == ([0, 1], True)
    made = answer(client, concept, missed).json()
    assert (made["passed"], made["score"], made["asked"]) == (True, len(right), [0, 1])
    assert client.get(f"{concept}/quiz/attempts/{made['id']}").json() == made
    assert [x["score"] for x in client.get(f"{concept}/quiz/attempts").json()["items"]] == [
        len(right),
        len(right) - 2,
    ]
    assert retry(client, concept) == (None, True)
    assert answer(client, concept, wrong(right)).status_code == 201  # after a pass it is free


def test_reading_again_opens_it_and_only_what_was_missed_counts(
    client: TestClient, concept: str
) -> None:
    right, missed = fail(client, concept)
    assert client.put(f"{concept}/reading", json={}).status_code == 200
    assert retry(client, concept) == ([0, 1], True)
    with session():
        before = {card.number: card.reviews for card in ReviewCard.select()}
    made = answer(client, concept, [missed[0], wrong(right)[1], *wrong(right)[2:]]).json()
    assert (made["score"], made["asked"]) == (len(right) - 1, [0, 1])
    assert made["passed"] is ((len(right) - 1) * 5 >= len(right) * 4)
    with session():
        after = {card.number: card.reviews for card in ReviewCard.select()}
    assert all(after[number] == before[number] for number in before if number > 1)


def test_a_second_failure_closes_it_again(client: TestClient, concept: str) -> None:
    right = right_answers(concept)
    answer(client, concept, wrong(right))
    client.put(f"{concept}/reading", json={})
    half = len(right) // 2
    made = answer(client, concept, [*right[:half], *wrong(right)[half:]]).json()
    assert not made["passed"]
    assert retry(client, concept) == (list(range(half, len(right))), False)
    problem(answer(client, concept, right), 409)


def test_of_two_retries_at_once_one_is_saved(client: TestClient, concept: str) -> None:
    right, _ = fail(client, concept)
    clock.travel(RETRY_AFTER)
    found: list[int] = []

    def send() -> None:
        found.append(answer(client, concept, wrong(right)).status_code)

    threads = [Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [201, 409]
    with session():
        assert QuizAttempt.select().count() == 2


def test_the_page_asks_what_was_missed_in_another_order(client: TestClient, concept: str) -> None:
    lesson = concept.removeprefix(API)
    first = client.get(lesson).text
    right, _ = fail(client, concept)
    last = client.get(f"{concept}/quiz/attempts").json()["items"][0]["id"]
    result = client.get(f"{lesson}?attempt={last}").text.partition('id="questions"')[2]
    places = [result.index(f">{text}</a>") for text in ("Read again", "Try again", "Continue")]
    assert places == sorted(places)
    assert "Nothing to revisit" not in result
    closed = client.get(lesson).text
    assert "Read the lesson again before you retry its quiz" in closed
    assert 'id="answers"' not in closed
    [reread] = re.findall(r'href="([^"]*read=on)#tutorial"', closed)
    again = client.get(reread).text
    assert re.findall(r'data-number="(\d+)"', again) == ["0", "1"]
    assert "Only what you missed is asked." in again

    def orders(page: str) -> list[list[str]]:
        return [re.findall(rf'name="q{number}(?:" value="|\.)(\d+)"', page) for number in (0, 1)]

    assert [sorted(each) for each in orders(again)] == [sorted(each) for each in orders(first)]
    assert orders(again) != orders(first)
    form: dict[str, Any] = {"version": "1", "questions": str(len(right))}
    for number, given in enumerate(right[:2]):
        form[f"q{number}"] = [str(each) for each in given]
    sent = client.post(f"{lesson}/quiz", data=form, follow_redirects=False)
    assert sent.status_code == 303
    assert "You passed the quiz." in client.get(sent.headers["location"].partition("#")[0]).text


def test_a_page_that_is_sent_too_early_says_so(client: TestClient, concept: str) -> None:
    fail(client, concept)
    lesson = concept.removeprefix(API)
    form = {"version": "1", "questions": str(len(right_answers(concept))), "q0": "0", "q1": "0"}
    early = client.post(f"{lesson}/quiz", data=form)
    assert early.status_code == 409
    assert "Read the lesson again before you retry its quiz" in early.text
    assert "This quiz was rewritten" not in early.text
    clock.travel(RETRY_AFTER + timedelta(seconds=1))
    assert 'id="answers"' in client.get(lesson).text


def test_a_blank_is_no_reason_for_nothing_to_revisit(client: TestClient, concept: str) -> None:
    right = right_answers(concept)
    made = answer(client, concept, [*right[:-1], []]).json()
    page = client.get(f"{concept.removeprefix(API)}?attempt={made['id']}").text
    assert "Nothing to revisit" not in page
    assert retry(client, concept)[0] == [len(right) - 1]
