"""Mixed tests of a stage and of a whole roadmap: drawn, graded, and taken once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import session, transaction
from models.roadmaps import Concept, Content, ContentVersion, ReviewCard, Roadmap, Stage
from roadmap.learning.mixed_test import MOST, MOST_OF_STAGE
from roadmap.plan.outline import ContentKind, Question
from tests.unit.roadmap.learning.test_progress import API, concepts_of, problem, wrong


def finish(client: TestClient, roadmap: str, stage: int | None = 0) -> str:
    """Mark the concepts of a stage, or all of them, as done and learned; return the test's path."""
    tree = client.get(roadmap).json()
    nodes = concepts_of(tree if stage is None else {"stages": [tree["stages"][stage]]})
    for concept in nodes:
        path = f"{roadmap}/concepts/{concept['id']}/progress"
        assert client.put(path, json={"progress": "done"}).status_code == 200
    with transaction():
        ids = [concept["id"] for concept in nodes]
        Concept.update(learned_at=clock.now()).where(Concept.id.in_(ids)).execute()
    scope = roadmap.rpartition("/")[2] if stage is None else tree["stages"][stage]["id"]
    return f"{roadmap}/tests/{scope}"


def taken(client: TestClient, path: str, answers: Any = None, status: int = 200) -> Any:
    answer = client.post(path, json={} if answers is None else {"answers": answers})
    assert answer.status_code == status, answer.text
    return answer.json()


def right_answers(path: str) -> list[Any]:
    """Right answers to the open test of a path, by its row."""
    roadmap_id, scope = UUID(path.split("/")[-3]), UUID(path.rpartition("/")[2])
    with session():
        row = Roadmap.get_by_id(scope) if scope == roadmap_id else Stage.get_by_id(scope)
    questions = [Question.model_validate(question) for _, question, _ in row.test["questions"]]
    return [question.right or question.accepted[0] for question in questions]


def home(client: TestClient) -> str:
    return str(client.get("/", headers={"Accept": "text/html"}).text)


def learned(client: TestClient, roadmap: str) -> set[str]:
    return {x["id"] for x in concepts_of(client.get(roadmap).json()) if "learned_at" in x}


def test_a_stage_ends_with_a_test_of_its_concepts_which_takes_learned_away(
    client: TestClient, roadmap: str
) -> None:
    first = client.get(roadmap).json()["stages"][0]
    assert "test" not in first
    problem(client.get(f"{roadmap}/tests/{first['id']}"), 404)
    taken(client, f"{roadmap}/tests/{first['id']}", status=404)
    path = finish(client, roadmap)
    offered = client.get(roadmap).json()["stages"][0]["test"]
    assert offered["due_at"] is not None
    assert (offered["taken_at"], offered["total"]) == (None, 0)
    page = path.removeprefix(API)
    end = client.get(f"{roadmap.removeprefix(API)}/stages/1").text
    assert f'href="{page}"' in end
    assert "takes “learned” away" in end
    taken(client, path, [[0]], status=409)  # it has not begun

    found = taken(client, path)
    assert taken(client, path) == found == client.get(path).json()
    assert len(found["questions"]) == MOST_OF_STAGE == len(found["concept_ids"])
    assert not {"answers", "accepted", "explanation"} & {*found["questions"][0]}
    ids = [concept["id"] for concept in concepts_of({"stages": [first]})]
    counts = [found["concept_ids"].count(id_) for id_ in ids]
    assert (min(counts), max(counts)) == (1, 2) if len(ids) < MOST_OF_STAGE else (0, 1)

    answers = right_answers(path)
    answers[0], answers[1] = wrong(answers)[0], []
    result = taken(client, path, answers)
    missed = {*found["concept_ids"][:2]}
    assert (result["score"], result["total"]) == (MOST_OF_STAGE - 2, MOST_OF_STAGE)
    assert [each["is_right"] for each in result["graded"]] == [False, False, *[True] * 10]
    assert learned(client, roadmap) == {*ids} - missed
    nodes = {each["id"]: each for each in concepts_of(client.get(roadmap).json())}
    assert {nodes[id_]["progress"] for id_ in ids} == {"done"}
    shown = client.get(roadmap).json()["stages"][0]["test"]
    assert (shown["score"], shown["total"]) == (MOST_OF_STAGE - 2, MOST_OF_STAGE)
    problem(client.post(path, json={"answers": answers}), 409)  # it is over
    after = client.get(page).text
    assert f"{MOST_OF_STAGE - 2} of {MOST_OF_STAGE} correct" in after
    assert all(nodes[id_]["title"].split()[0] in after for id_ in missed)
    assert "no longer learned" in after

    again = taken(client, path)  # a stage can be tested again
    assert (again["graded"], again["score"]) == ([], MOST_OF_STAGE - 2)


def test_missed_concepts_are_due_at_once_and_others_are_not(
    client: TestClient, roadmap: str
) -> None:
    path = finish(client, roadmap)
    later = clock.now() + timedelta(days=9)
    with transaction():
        ReviewCard.update(due_at=later, reviews=1, reviewed_at=clock.now(), stability=9.0).execute()
    found = taken(client, path)
    answers = right_answers(path)
    taken(client, path, [wrong(answers)[0], *answers[1:]])
    with session():
        due = {row.concept_id for row in ReviewCard.select().where(ReviewCard.due_at < later)}
        its = ReviewCard.select().where(ReviewCard.concept == found["concept_ids"][0])
        assert all(row.due_at < later for row in its)
    assert due == {UUID(found["concept_ids"][0])}


def test_the_questions_reviewed_least_recently_come_first(client: TestClient, roadmap: str) -> None:
    path, now = finish(client, roadmap), clock.now()
    with transaction():
        cards = list(ReviewCard.select().order_by(ReviewCard.number.desc(), ReviewCard.id))
        for age, card in enumerate(cards):
            values = {"reviews": 1, "reviewed_at": now + timedelta(seconds=age), "stability": 3.0}
            ReviewCard.update(values).where(ReviewCard.id == card.id).execute()
    found = taken(client, path)
    with session():
        stage = Stage.get_by_id(path.rpartition("/")[2])
    oldest: dict[UUID, int] = {}
    for card in cards:
        oldest.setdefault(card.concept_id, card.number)
    with session():
        for concept_id, question, _ in stage.test["questions"][: len({*found["concept_ids"]})]:
            quiz = ContentVersion.select().join(Content).where(Content.kind == ContentKind.quiz)
            body = quiz.where(Content.concept == concept_id).get().body
            drawn = body["questions"][oldest[UUID(concept_id)]]
            assert drawn["prompt"] == question["prompt"]


def test_answers_are_graded_by_the_quiz_that_was_asked(client: TestClient, roadmap: str) -> None:
    path = finish(client, roadmap)
    found, answers = taken(client, path), right_answers(path)
    with transaction():  # rewritten meanwhile: its questions are others
        rows = ContentVersion.select().join(Content).where(Content.kind == ContentKind.quiz)
        for row in rows.where(Content.concept.in_(found["concept_ids"])):
            body = {"questions": row.body["questions"][:1]}
            which = (ContentVersion.content == row.content) & (ContentVersion.version == 1)
            ContentVersion.update(body=body).where(which).execute()
    assert taken(client, path)["questions"] == found["questions"]
    assert taken(client, path, answers)["score"] == MOST_OF_STAGE


def test_answers_that_do_not_fit_change_nothing(client: TestClient, roadmap: str) -> None:
    path = finish(client, roadmap)
    before = learned(client, roadmap)
    taken(client, path)
    answers = right_answers(path)
    for bad in (answers[1:], [[99], *answers[1:]], [*answers, []]):
        taken(client, path, bad, status=422)
    assert learned(client, roadmap) == before
    assert taken(client, path)["graded"] == []


def test_of_two_submissions_at_once_one_counts(client: TestClient, roadmap: str) -> None:
    path = finish(client, roadmap)
    taken(client, path)
    answers = right_answers(path)
    with ThreadPoolExecutor(2) as threads:
        sent = [
            threads.submit(client.post, path, json={"answers": each})
            for each in (answers, [[] for _ in answers])
        ]
    assert sorted(each.result().status_code for each in sent) == [200, 409]
    assert client.get(path).json()["score"] in (0, MOST_OF_STAGE)


class TestSixtyDaysLater:
    @pytest.fixture
    def path(self, client: TestClient, roadmap: str) -> str:
        return finish(client, roadmap, None)

    def test_it_is_offered_once_and_its_result_is_on_the_completion(
        self, client: TestClient, roadmap: str, path: str
    ) -> None:
        page = roadmap.removeprefix(API)
        tree = client.get(roadmap).json()
        last = max(each["progress_at"] for each in concepts_of(tree))
        due_at = datetime.fromisoformat(tree["test"]["due_at"])
        assert due_at - datetime.fromisoformat(last) == timedelta(days=60)
        assert client.get(f"{API}/today").json()["test_of"] is None
        assert "is offered from" in client.get(f"{page}/completion").text
        assert "is offered from" in client.get(path.removeprefix(API)).text
        taken(client, path, status=409)
        assert "Test what has stayed" not in client.get(page).text + home(client)

        clock.travel(timedelta(days=60))
        assert client.get(f"{API}/today").json()["test_of"] == roadmap.rpartition("/")[2]
        assert f'href="{path.removeprefix(API)}"' in home(client)
        assert f'href="{path.removeprefix(API)}"' in client.get(page).text
        found = taken(client, path)
        assert len(found["questions"]) == MOST == len({*found["concept_ids"]})
        answers = right_answers(path)
        before = learned(client, roadmap)
        result = taken(client, path, [wrong(answers)[0], *answers[1:]])
        assert (result["score"], result["due_at"]) == (MOST - 1, None)
        assert before - learned(client, roadmap) == {found["concept_ids"][0]}
        taken(client, path, status=409)  # one attempt
        assert client.get(f"{API}/today").json()["test_of"] is None
        assert "Test what has stayed" not in client.get(page).text + home(client)
        whole = client.get(f"{page}/completion").text
        assert f"{MOST - 1} of {MOST} questions correct in a test of all concepts" in whole

    def test_a_link_shows_the_result_as_it_is_now_until_it_is_revoked(
        self, client: TestClient, roadmap: str, path: str
    ) -> None:
        wish = {"purpose": "reading", "shows_completion": True}
        link = client.post(f"{roadmap}/links", json=wish).json()
        shared = f"/shared/{link['url'].rpartition('/')[2]}"
        assert client.get(API + shared).json()["completion"]["test"]["taken_at"] is None
        assert "questions correct" not in client.get(shared).text
        stage = next(x for x in client.get(roadmap).json()["stages"] if "project" in x)
        work = {"work": "https://example.org/work"}
        project = f"{roadmap}/stages/{stage['id']}/project"
        criteria = client.put(project, json=work).json()["criteria"]
        client.put(project, json={**work, "marks": ["yes" for _ in criteria]})
        clock.travel(timedelta(days=61))
        taken(client, path)
        taken(client, path, right_answers(path))
        completion = client.get(API + shared).json()["completion"]
        assert (completion["test"]["score"], completion["test"]["total"]) == (MOST, MOST)
        assert [each["judges"] for each in completion["projects"]] == [["self"]]
        page = client.get(shared).text
        assert f"{MOST} of {MOST} questions correct" in page
        assert "judged by the learner" in page
        assert "example.org" not in page
        assert "Its owner cannot edit it" in page
        assert client.delete(f"{roadmap}/links/{link['id']}").status_code == 204
        assert client.get(shared).status_code == 410

    def test_the_result_is_exported_and_imported_as_such(
        self, client: TestClient, roadmap: str, path: str
    ) -> None:
        assert "test" not in client.get(f"{roadmap}/export.json").json()
        with transaction():  # files are checked by a process with a clock of its own
            Concept.update(progress_at=clock.now() - timedelta(days=60)).execute()
        taken(client, path)
        assert "test" not in client.get(f"{roadmap}/export.json").json()
        taken(client, path, right_answers(path))
        document = client.get(f"{roadmap}/export.json").json()
        assert (document["test"]["score"], document["test"]["total"]) == (MOST, MOST)
        made = client.post(f"{API}/imports", json=document)
        assert made.status_code == 201, made.text
        there = made.headers["location"]
        tree = client.get(there).json()
        assert (tree["test"]["score"], tree["test"]["imported"]) == (MOST, True)
        assert tree["test"]["due_at"] is None
        copy = client.get(f"{there.removeprefix(API)}/completion").text
        assert "(imported from a file)" in copy
        assert client.get(f"{there}/export.json").json()["test"] == document["test"]
        document["test"]["taken_at"] = (clock.now() + timedelta(days=9)).isoformat()
        refused = problem(client.post(f"{API}/imports", json=document), 422)
        assert refused["errors"][0]["pointer"] == "#/test/taken_at"
