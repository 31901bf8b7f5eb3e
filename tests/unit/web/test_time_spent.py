"""Time is that of the clock, within the plan; it is read apart from practice, and corrected."""

from datetime import timedelta
from typing import Any

from starlette.testclient import TestClient

from core import clock
from core.db import transaction
from models.accounts import Account
from roadmap.learning.parts import cut
from roadmap.learning.progress import forget
from tests.cases import try_each
from tests.unit.roadmap.learning.test_progress import concepts_of, problem, right_answers
from tests.unit.web.pages.page_text import HTML

API = "/api/v1"


def minutes(by: float) -> None:
    clock.travel(timedelta(minutes=by))


def week(client: TestClient) -> int:
    return int(client.get(f"{API}/today").json()["minutes"])


def page_of(concept: str) -> str:
    return concept.removeprefix(API)


def test_reading_and_practice_are_apart(client: TestClient, roadmap: str, concept: str) -> None:
    found = client.get(concept).json()
    reading = cut(found["tutorial"]["markdown"])[-1].end
    assert found["reading_minutes"] == reading
    assert 5 <= reading <= 30
    assert found["practice_minutes"] == found["hours"] * 60 - reading
    node = concepts_of(client.get(roadmap).json())[0]
    assert (node["reading_minutes"], node["practice_minutes"]) == (
        reading,
        found["practice_minutes"],
    )
    part = client.get(f"{API}/today").json()["next"]
    assert 5 <= part["minutes"] <= reading
    stated = f"{reading} min to read, about {round(found['practice_minutes'] / 60)} h to practise"
    for path in (page_of(concept), page_of(roadmap), f"{page_of(roadmap)}/print"):
        assert stated in client.get(path).text, path
    assert f"It takes {stated}." in client.get(f"{roadmap}/export.svg").text


def test_34_clicks_in_a_minute_credit_a_minute(client: TestClient, roadmap: str) -> None:
    concepts = concepts_of(client.get(roadmap).json())
    client.put(f"{roadmap}/concepts/{concepts[0]['id']}/reading", json={})
    for concept in concepts[:34]:
        clock.travel(timedelta(seconds=60 / 34))
        path = f"{roadmap}/concepts/{concept['id']}/progress"
        assert client.put(path, json={"progress": "done"}).status_code == 200
    assert week(client) in (1, 2)  # the test takes a while itself
    schedule = client.get(f"{roadmap}/schedule").json()
    assert schedule["minutes_learned"] <= 2
    assert schedule["hours_learned"] == 0
    assert schedule["hours_left"] == sum(each["hours"] for each in concepts[34:])
    assert "ahead of schedule" not in client.get(page_of(roadmap)).text


def test_a_part_credits_the_time_since_its_lesson_was_opened(
    client: TestClient, roadmap: str, concept: str
) -> None:
    minutes(7 * 24 * 60)  # an idle week
    client.get(page_of(concept))
    minutes(4)
    first = client.put(f"{concept}/part", json={"part": 1}).json()
    assert (first["progress"], first["spent_minutes"]) == ("learning", 4)
    minutes(600)  # more than the plan has for the rest
    rest = client.get(concept).json()["hours"] * 60
    done = client.put(f"{concept}/progress", json={"progress": "done"}).json()
    assert done["spent_minutes"] == rest
    assert week(client) == rest
    client.put(f"{concept}/progress", json={"progress": "todo"})
    client.put(f"{concept}/progress", json={"progress": "done"})
    assert week(client) == rest  # once


def test_no_more_than_the_part_is_credited(client: TestClient, concept: str) -> None:
    client.put(f"{concept}/reading", json={})
    minutes(300)
    part = client.put(f"{concept}/part", json={"part": 1}).json()
    assert part["spent_minutes"] == part["studied"] < 30


def test_the_learner_states_the_time(client: TestClient, roadmap: str, concept: str) -> None:
    most = client.get(concept).json()["hours"] * 60 * 4
    body: dict[str, Any] = {"progress": "learning", "spent_minutes": 90}
    assert client.put(f"{concept}/progress", json=body).json()["spent_minutes"] == 90
    assert week(client) == 90
    lesson = page_of(concept)
    assert "You have spent 1 h 30 min on this concept." in client.get(lesson).text
    sent = {"progress": "learning", "spent_minutes": "50"}
    answer = client.post(f"{lesson}/progress", data=sent, follow_redirects=False)
    assert answer.headers["location"] == f"{lesson}#progress"
    assert (client.get(concept).json()["spent_minutes"], week(client)) == (50, 50)
    refused = problem(
        client.put(f"{concept}/progress", json=body | {"spent_minutes": most + 1}), 422
    )
    assert refused["errors"][0]["pointer"] == "#/spent_minutes"
    assert client.get(concept).json()["spent_minutes"] == 50


def test_reviews_credit_time_as_well(client: TestClient, concept: str) -> None:
    client.put(f"{concept}/progress", json={"progress": "done"})
    before = week(client)
    for card in client.get(f"{API}/reviews").json()["items"][:6]:
        rating = {"rating": "good", "reviews": 0}
        assert client.post(f"{API}/reviews/{card['id']}", json=rating).status_code == 200
    assert week(client) - before <= 1  # 34 ratings in a minute are no more than a minute either


@try_each(
    ("exercise", "days", "learned"),
    [("", 0, False), ("  \n", 0, False), ("mine", 0, True), ("", 1, True)],
)
def test_learned_is_a_passed_quiz_and_an_exercise_or_a_second_day(
    client: TestClient, roadmap: str, exercise: str, days: int, learned: bool
) -> None:
    node = next(x for x in concepts_of(client.get(roadmap).json()) if x["progress"] == "todo")
    concept = f"{roadmap}/concepts/{node['id']}"
    body = {"version": 1, "answers": right_answers(concept)}
    assert client.post(f"{concept}/quiz/attempts", json=body).json()["passed"]
    page = client.get(page_of(concept)).text
    assert "write the exercise, or pass the quiz again on another day" in page
    client.put(f"{concept}/exercise", json={"exercise_attempt": exercise})
    clock.travel(timedelta(days=days))
    if days:
        assert client.post(f"{concept}/quiz/attempts", json=body).json()["passed"]
    found = client.get(concept).json()
    assert (found["progress"], "learned_at" in found) == ("done", learned)


def test_done_by_hand_is_never_learned_and_looks_different(
    client: TestClient, roadmap: str, concept: str
) -> None:
    first, second = concepts_of(client.get(roadmap).json())[:2]
    other = f"{roadmap}/concepts/{second['id']}"
    client.put(f"{concept}/exercise", json={"exercise_attempt": "mine"})
    body = {"version": 1, "answers": right_answers(concept)}
    client.post(f"{concept}/quiz/attempts", json=body)
    client.put(f"{other}/progress", json={"progress": "done"})
    tree = client.get(roadmap).json()
    assert (tree["learned"]["done"], tree["learned"]["learned"]) == (2, 1)
    assert [bool(each.get("learned_at")) for each in concepts_of(tree)[:2]] == [True, False]
    page = client.get(page_of(roadmap)).text
    for each, mark in ((first, "learned"), (second, "done")):
        assert f'class="concept m-{mark}" id="concept-{each["id"]}"' in page
    whole = client.get(f"{page_of(roadmap)}/completion").text
    shown, _, marked = whole.partition("Only marked as done")
    assert first["outcomes"][0] in shown.partition("</header>")[2].partition("Learned")[2]
    assert second["outcomes"][0] in marked
    assert second["outcomes"][0] not in shown


def test_what_is_forgotten_takes_another_quiz(client: TestClient, concept: str) -> None:
    def attempt() -> Any:
        body = {"version": 1, "answers": right_answers(concept)}
        client.post(f"{concept}/quiz/attempts", json=body)
        return client.get(concept).json()

    client.put(f"{concept}/exercise", json={"exercise_attempt": "mine"})
    assert attempt()["learned_at"]
    minutes(1)
    with transaction():
        forget(concept.rpartition("/")[2])
    client.put(f"{concept}/exercise", json={"exercise_attempt": "mine, again"})
    found = client.get(concept).json()
    assert (found["progress"], found.get("learned_at")) == ("done", None)
    minutes(1)
    assert attempt()["learned_at"]


def test_a_check_needs_an_attempt(client: TestClient, concept: str) -> None:
    for text in ({}, {"exercise_attempt": " \n"}):
        refused = problem(client.put(f"{concept}/exercise", json={"checked": True, **text}), 422)
        assert refused["errors"][0]["pointer"] == "#/exercise_attempt"
    assert client.get(concept).json()["progress"] == "todo"


def test_who_had_hours_of_the_plan_reads_once_why_they_change(
    client: TestClient, concept: str
) -> None:
    note = "Hours now count the time you spend"
    client.put(f"{concept}/progress", json={"progress": "learning"})
    assert note not in client.get("/", headers=HTML).text
    with transaction():
        Account.update(explains_hours=True).execute()
    assert note in client.get("/", headers=HTML).text
    assert client.post("/hours-note", follow_redirects=False).status_code == 303
    assert note not in client.get("/", headers=HTML).text
