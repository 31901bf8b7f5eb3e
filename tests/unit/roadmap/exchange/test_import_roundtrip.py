"""A roadmap that was exported is the same after its import."""

import json
import math
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core.db import database, session, transaction
from core.ids import new_id
from models.roadmaps import Concept, Module, QuizAttempt, ReviewCard, Roadmap, Stage
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.exchange.formats.json_ import as_json, portable
from roadmap.exchange.importer import IN_FILE, import_roadmap
from roadmap.plan.outline import Question
from testing.stack import GOAL
from tests.cases import try_each
from tests.portables import AT, FIRST, QUESTIONS, SECOND, small, whole
from tests.unit.roadmap.exchange.documents import (
    API,
    HTML,
    IMPORT,
    made,
    rows,
    sent,
    taken,
    without_time,
)
from tests.unit.roadmap.learning.test_progress import right_answers, wrong


class TestComingBack:
    def test_what_was_taken_along_is_what_it_was(self, client: TestClient) -> None:
        path = made(client, small())
        assert taken(client, path) == without_time(small())
        again = made(client, {**taken(client, path), "exported_at": AT})
        assert again != path
        assert taken(client, again) == without_time(small())

    def test_one_that_the_service_has_made_comes_back_with_what_was_learned(
        self,
        client: TestClient,
        roadmap: str,
        concept: str,
    ) -> None:
        studied = client.put(f"{concept}/part", json={"part": 1}).json()["studied"]
        client.put(f"{concept}/progress", json={"progress": "done"})
        client.put(f"{concept}/notes", json={"notes": "面团 🥖 <b>"})
        work = {"exercise_attempt": "def knead(): ...", "checked": True}
        client.put(f"{concept}/exercise", json=work)
        right = right_answers(concept)
        for answers in (right, wrong(right)):
            attempt = {"version": 1, "answers": answers}
            assert client.post(f"{concept}/quiz/attempts", json=attempt).status_code == 201
        before = client.get(f"{roadmap}/export.json")
        path = made(client, before.content)
        assert taken(client, path) == without_time(before.json())
        tree, original = client.get(path).json(), client.get(roadmap).json()
        assert (tree["status"], tree["learned"]) == ("ready", original["learned"])
        first = client.get(
            f"{path}/concepts/{tree['stages'][0]['modules'][0]['concepts'][0]['id']}"
        )
        assert (first.json()["notes"], first.json()["studied"]) == ("面团 🥖 <b>", studied)
        kept = ("exercise_attempt", "learned_at", "spent_minutes")
        assert [first.json()[name] for name in kept] == [
            client.get(concept).json()[name] for name in kept
        ]

    def test_it_names_nothing_by_an_id_and_tells_no_cost(
        self, client: TestClient, roadmap: str
    ) -> None:
        text = client.get(f"{roadmap}/export.json").text
        tree = client.get(roadmap).text
        ids = {tree[at : at + 36] for at in range(len(tree)) if tree[at - 6 : at] == '"id":"'}
        assert len(ids) > 30
        assert not [each for each in (*ids, str(LOCAL_OWNER), '"spent"') if each in text]

    @pytest.mark.usefixtures("short")
    def test_parts_that_are_not_there_have_failed_and_can_be_retried(
        self, client: TestClient, roadmap: str
    ) -> None:
        document = taken(client, roadmap)
        key = document["outline"]["stages"][0]["modules"][0]["concepts"][1]["key"]
        del document["concepts"][key]["contents"]["quiz"]
        path = made(client, {**document, "exported_at": "2026-01-01T00:00:00Z"})
        tree = client.get(path).json()
        assert (tree["status"], tree["progress"]) == (
            "partial",
            {"ready": 8, "failed": 1, "total": 9},
        )
        assert tree["error"] == "1 of 9 parts were not in the file"
        second = tree["stages"][0]["modules"][0]["concepts"][1]
        assert second["contents"]["quiz"] == {
            "status": "failed",
            "version": 0,
            "error": IN_FILE.part,
        }
        assert client.post(f"{path}/retry", json={}).status_code == 202
        assert client.get(path).json()["status"] == "ready"

    def test_parts_that_nothing_here_can_write_are_left_to_the_person(
        self, client: TestClient
    ) -> None:
        tree = client.get(made(client, small())).json()
        assert (tree["status"], tree["progress"]) == (
            "ready",
            {"ready": 4, "failed": 0, "total": 4},
        )

    def test_one_with_every_part_is_ready_and_has_its_events(self, client: TestClient) -> None:
        answer = sent(client, whole())
        assert answer.json()["status"] == "ready"
        path = answer.headers["location"]
        output = [
            line
            for line in client.get(f"{path}/events").text.splitlines()
            if line.startswith("event:")
        ]
        assert output == [
            "event: roadmap.imported",
            "event: roadmap.outlined",
            "event: roadmap.ready",
        ]
        assert client.get(f"{path}/events", headers={"Last-Event-ID": "3"}).status_code == 204
        assert client.get(f"{path}/revisions").json()["items"][0]["source"] == "import"
        for page in ("", "/trace", "/print"):
            assert client.get(path.removeprefix(API) + page, headers=HTML).status_code == 200

    def test_contents_fit_so_that_an_edit_keeps_them(self, client: TestClient) -> None:
        path = made(client, whole())
        edit = {"op": "rewrite", "what": "concept", "key": SECOND, "hours": 9}
        assert client.post(f"{path}/edits", json={"operations": [edit]}).status_code == 202
        assert client.get(path).json()["progress"] == {"ready": 6, "failed": 0, "total": 6}

    def test_cards_and_attempts_are_those_of_the_new_quiz(self, client: TestClient) -> None:
        made(client, small())
        with session():
            card, attempt, node = (
                ReviewCard.get(),
                QuizAttempt.get(),
                Concept.get(Concept.key == FIRST),
            )
        assert (card.version, card.number, card.owner_id) == (1, 1, LOCAL_OWNER)
        assert card.question == Question.model_validate(QUESTIONS[1]).fingerprint
        assert (card.stability, attempt.version) == (math.pi, 1)
        assert {card.concept_id, attempt.concept_id} == {node.id}

    def test_without_its_learner_it_says_nothing_of_anybody(self, client: TestClient) -> None:
        path = made(client, small())
        shared = portable(LOCAL_OWNER, UUID(path.rpartition("/")[2]), with_learner=False)
        body = json.loads(as_json(shared))
        assert (body["analysis"], body["request"]["background"], body["request"]["deadline"]) == (
            None,
            "",
            None,
        )
        plain = {"progress": "todo", "progress_at": None, "notes": "", "attempts": [], "cards": []}
        assert [{name: each[name] for name in plain} for each in body["concepts"].values()] == [
            plain,
            plain,
        ]
        assert body["outline"] == small()["outline"]
        copied = import_roadmap(LOCAL_OWNER, shared).roadmap
        assert (copied.title, copied.progress.ready) == ("Bread", 4)

    @try_each("title", ["C", "101", "1 + 1", "微积分", "It"])
    def test_whatever_its_title_is_a_copy_can_be_taken_along_as_well(
        self, client: TestClient, title: str
    ) -> None:
        document = small()
        document["outline"]["title"] = title
        shared = portable(
            LOCAL_OWNER, UUID(made(client, document).rpartition("/")[2]), with_learner=False
        )
        copied = import_roadmap(LOCAL_OWNER, shared).roadmap
        again = taken(
            client, made(client, client.get(f"{API}/roadmaps/{copied.id}/export.json").content)
        )
        assert (again["outline"]["title"], title in again["request"]["goal"]) == (title, True)

    def test_keys_that_are_made_for_older_plans_are_free(self, client: TestClient) -> None:
        document = small()
        nodes = document["outline"]["stages"]
        for key in ("stage-1", "stage-3", "x"):
            concept = {
                **nodes[0]["modules"][0]["concepts"][0],
                "key": f"c-{key}",
                "title": f"About {key}",
            }
            module = {
                "key": f"module-{key[-1]}",
                "title": "More",
                "description": "",
                "concepts": [concept],
            }
            nodes.append(
                {"key": key, "title": f"More of {key}", "description": "", "modules": [module]}
            )
        path = made(client, document)
        ids = {each: str(new_id()) for each in ("begin", "parts", "x", "module-x")}
        with transaction():
            for table in (Stage, Module):
                for row in table.select().where(table.key.in_(list(ids))):
                    table.update(key=ids[row.key]).where(table.id == row.id).execute()
            Roadmap.update(revision=0).execute()
        stages = taken(client, path)["outline"]["stages"]
        assert made(client, client.get(f"{path}/export.json").content)
        assert [stage["key"] for stage in stages] == ["stage-2", "stage-1", "stage-3", "stage-4"]
        assert [stage["modules"][0]["key"] for stage in stages] == [
            "module-2",
            "module-1",
            "module-3",
            "module-4",
        ]

    def test_a_key_makes_it_once(self, client: TestClient) -> None:
        headers = {"Idempotency-Key": "once"}
        first, second = (client.post(IMPORT, json=small(), headers=headers) for _ in range(2))
        assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
        assert rows()["roadmap"] == 1

    def test_it_says_nothing_of_how_long_the_next_one_takes(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made(client, {**whole(), "generator": "catalogue"})
        monkeypatch.setattr("roadmap.lifecycle.making.plan_job.plan", lambda *_: [])
        path = client.post(f"{API}/roadmaps", json={"goal": GOAL}).headers["location"]
        body = client.get(f"{path}/activity").json()
        assert (body["status"], body["seconds_left"]) == ("queued", None)

    def test_webhooks_get_the_event_and_workers_have_nothing_to_do(
        self, client: TestClient
    ) -> None:
        client.post(f"{API}/webhooks", json={"url": "http://127.0.0.1:1024/"})
        made(client, whole())
        with session():
            found = [
                each
                for (each,) in database.execute_sql(
                    "SELECT event FROM webhook_delivery ORDER BY id"
                ).fetchall()
            ]
        assert found == ["roadmap.outlined", "roadmap.ready"]

    def test_a_roadmap_without_a_plan_cannot_be_exported(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("roadmap.lifecycle.making.plan_job.plan", lambda *_: [])
        path = client.post(f"{API}/roadmaps", json={"goal": GOAL}).headers["location"]
        for ending in ("json", "md", "zip", "apkg"):
            answer = client.get(f"{path}/export.{ending}")
            assert (answer.status_code, "no plan to export yet" in answer.text) == (409, True)
        assert client.get(f"{path}/export.ics").status_code == 200
