"""Questions before the plan: the pause, the answers, and what else happens meanwhile."""

import json
import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.errors import Conflict
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.context import Answers
from roadmap.lifecycle import commands
from roadmap.lifecycle.making import plan_job, rescue
from roadmap.plan.outline import Analysis, ClarifyingQuestion
from roadmap.plan.schemas import ChosenAnswer, RoadmapRequest
from testing.receiver import receiving
from testing.waiting import HANG
from tests.cases import try_each
from tests.unit.roadmap.exchange.documents import HTML
from tests.unit.roadmap.lifecycle.designer import Designer, created, do, event_names
from tests.unit.roadmap.lifecycle.test_jobs import assert_events_without_gaps, the_roadmap

pytestmark = pytest.mark.usefixtures("immediate")

QUESTIONS = (
    ClarifyingQuestion(question="Why <b>bread</b>?", suggestions=("Taste", "Money")),
    ClarifyingQuestion(question="Which?", suggestions=("Rye", "Wheat")),
)


@pytest.fixture
def asked(designer: Designer, monkeypatch: pytest.MonkeyPatch) -> list[Answers]:
    """The designer asks what it is given; the answers that each analysis had."""
    given: list[Answers] = []

    def analyse(request: RoadmapRequest, answers: Answers = None) -> Analysis:
        given.append(answers)
        return Analysis(aim="To bake bread.", subjects=("flour",), questions=QUESTIONS)

    monkeypatch.setattr(designer, "analyse", analyse)
    return given


def answered(roadmap_id: UUID, *answers: dict[str, Any]) -> commands.CommandResult:
    chosen = [ChosenAnswer.model_validate(each) for each in answers]
    return do(commands.answer(LOCAL_OWNER, roadmap_id, chosen))


class TestPause:
    def test_it_waits_for_as_long_as_it_takes(
        self, client: TestClient, designer: Designer, asked: list[Answers]
    ) -> None:
        roadmap_id = created(client, clarify=True)
        row = the_roadmap(roadmap_id)
        assert (row.status, row.revision, row.lease_token) == ("awaiting_answers", 0, None)
        assert event_names(roadmap_id)[-1] == "roadmap.awaiting_answers"
        clock.travel(timedelta(days=15))
        assert rescue.overdue() == []
        assert plan_job.plan(roadmap_id, designer) == []  # a message that comes once more
        answered(roadmap_id, {"choice": 1}, {"text": "Spelt"})
        assert the_roadmap(roadmap_id).status == "ready"
        assert asked == [
            None,
            [
                {"question": "Why <b>bread</b>?", "answer": "Money"},
                {"question": "Which?", "answer": "Spelt"},
            ],
        ]
        assert_events_without_gaps(roadmap_id)

    @try_each("answers", [(), ({}, {}), ({"text": "  "}, {})])
    def test_without_answers_the_assumptions_are_enough(
        self,
        client: TestClient,
        designer: Designer,
        asked: list[Answers],
        answers: tuple[dict[str, Any], ...],
    ) -> None:
        designer.designs *= 3
        asked.clear()
        roadmap_id = created(client, clarify=True)
        answered(roadmap_id, *answers)
        row = the_roadmap(roadmap_id)
        assert (row.status, row.answers, asked) == ("ready", [], [None])
        assert row.analysis["aim"] == "To bake bread."

    def test_of_many_answers_at_once_one_counts(
        self, client: TestClient, asked: list[Answers]
    ) -> None:
        roadmap_id = created(client, clarify=True)
        outcomes: list[Any] = []
        start = threading.Barrier(6)

        def answer() -> None:
            start.wait(HANG)
            try:
                outcomes.append(commands.answer(LOCAL_OWNER, roadmap_id, []).status)
            except Conflict as error:
                outcomes.append(error)

        threads = [threading.Thread(target=answer) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG)
        assert len(outcomes) == 6
        assert [each for each in outcomes if not isinstance(each, Conflict)] == ["queued"]
        assert event_names(roadmap_id).count("roadmap.answered") == 1

    def test_after_a_retry_the_same_is_asked_without_another_analysis(
        self, client: TestClient, asked: list[Answers]
    ) -> None:
        roadmap_id = created(client, clarify=True)
        do(commands.cancel(LOCAL_OWNER, roadmap_id))
        assert the_roadmap(roadmap_id).status == "cancelled"
        do(commands.retry(LOCAL_OWNER, roadmap_id))
        assert the_roadmap(roadmap_id).status == "awaiting_answers"
        answered(roadmap_id, {"choice": 0}, {})
        assert the_roadmap(roadmap_id).status == "ready"
        assert len(asked) == 2

    @pytest.mark.usefixtures("asked")
    def test_the_trash_and_deletion_are_as_usual(self, client: TestClient) -> None:
        path = f"/api/v1/roadmaps/{created(client, clarify=True)}"
        assert client.get(f"{path}/export.json").status_code == 409
        assert client.post(f"{path}/edits", json={"operations": []}).status_code in (409, 422)
        assert client.delete(path).status_code == 204
        assert client.post(f"{path}/answers", json={"skip": True}).status_code == 404
        trashed = path.replace("roadmaps", "trash")
        assert client.post(f"{trashed}/restore", json={}).status_code == 200
        tree = client.get(path).json()
        assert (tree["status"], len(tree["questions"])) == ("awaiting_answers", 2)
        assert client.delete(path).status_code == 204
        assert client.delete(trashed).status_code == 204

    @pytest.mark.usefixtures("asked")
    def test_who_waits_for_the_plan_gets_the_questions(self, client: TestClient) -> None:
        sent = {"goal": "Bake bread", "clarify": True}
        answer = client.post("/api/v1/roadmaps", json=sent, headers={"Prefer": "wait=20"})
        assert answer.status_code == 201
        assert [each["question"] for each in answer.json()["questions"]] == [
            each.question for each in QUESTIONS
        ]

    @pytest.mark.usefixtures("asked")
    def test_a_webhook_hears_of_it(self, client: TestClient) -> None:
        with receiving() as receiver:
            webhook = {"url": receiver.url, "events": ["roadmap.awaiting_answers"]}
            assert client.post("/api/v1/webhooks", json=webhook).status_code == 201
            created(client, clarify=True)
            (got,) = receiver.got
            assert json.loads(got.body)["data"]["status"] == "awaiting_answers"


class TestAnswers:
    @try_each(
        ("body", "pointer"),
        [
            ({}, "#/answers"),
            ({"skip": False}, "#/skip"),
            ({"skip": True, "answers": [{}, {}]}, "#/answers"),
            ({"answers": [{}]}, "#/answers"),
            ({"answers": [{}] * 4}, "#/answers"),
            ({"answers": [{}, {"choice": 2}]}, "#/answers/1/choice"),
            ({"answers": [{"choice": -1}, {}]}, "#/answers/0/choice"),
            ({"answers": [{"text": "x" * 501}, {}]}, "#/answers/0/text"),
            ({"answers": [{"text": "\u0000"}, {}]}, "#/answers/0/text"),
            ({"answers": [{"other": 1}, {}]}, "#/answers/0/other"),
        ],
    )
    @pytest.mark.usefixtures("asked")
    def test_wrong_ones_are_refused_and_change_nothing(
        self, client: TestClient, body: dict[str, Any], pointer: str
    ) -> None:
        roadmap_id = created(client, clarify=True)
        answer = client.post(f"/api/v1/roadmaps/{roadmap_id}/answers", json=body)
        assert answer.status_code == 422, answer.text
        assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
        assert the_roadmap(roadmap_id).status == "awaiting_answers"


class TestPage:
    @pytest.mark.usefixtures("asked")
    def test_the_form_has_suggestions_and_room_for_own_words(self, client: TestClient) -> None:
        path = f"/roadmaps/{created(client, clarify=True)}"
        page = client.get(path, headers=HTML).text
        assert "Why &lt;b&gt;bread&lt;/b&gt;?" in page
        assert page.count('type="radio" name="choice0"') == 2
        assert 'name="text1"' in page
        assert "hx-sse:connect" not in page
        sent = {"choice0": "1", "text0": "", "text1": "Spelt"}
        answer = client.post(f"{path}/answers", data=sent, headers=HTML, follow_redirects=False)
        assert answer.status_code == 303
        assert the_roadmap(UUID(path.rpartition("/")[2])).answers == [
            {"question": "Why <b>bread</b>?", "answer": "Money"},
            {"question": "Which?", "answer": "Spelt"},
        ]

    @pytest.mark.usefixtures("asked")
    def test_skip_is_a_button(self, client: TestClient) -> None:
        roadmap_id = created(client, clarify=True)
        sent = {"choice0": "1", "text0": "", "text1": "", "skip": "on"}
        client.post(f"/roadmaps/{roadmap_id}/answers", data=sent, headers=HTML)
        assert the_roadmap(roadmap_id).answers == []
