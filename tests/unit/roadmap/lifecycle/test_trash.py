"""The trash: hidden roadmaps come back as they were, or go with all that belongs to them."""

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import database, session, transaction
from core.ids import new_id
from models.records import ExecutionLog, ModelCall
from models.roadmaps import Content, ReviewCard, Roadmap, RoadmapEvent, ShareLink
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.lifecycle import events, trash
from roadmap.lifecycle.making import leases, rescue
from roadmap.lifecycle.making.content_job import build_content
from roadmap.lifecycle.making.create import NewRoadmap, create_many
from roadmap.lifecycle.making.leases import PLANNING
from roadmap.lifecycle.reading import queries
from roadmap.operations import execution_log
from roadmap.plan import statuses
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import RoadmapStatus
from tasks.upkeep import rescue_overdue
from testing.stack import GOAL
from tests.cases import try_each
from web.routes import ENDPOINTS, PAGES

pytestmark = pytest.mark.usefixtures("short")

API = "/api/v1"
KEPT = {"execution_log", "log_source", "first_answer"}  # and what is not of one roadmap


def id_of(path: str) -> UUID:
    return UUID(path.rpartition("/")[2])


def in_trash(client: TestClient) -> list[str]:
    return [item["id"] for item in client.get(f"{API}/trash").json()["items"]]


def queued() -> UUID:
    """The id of a roadmap that no worker has begun."""
    (step,) = create_many([NewRoadmap(LOCAL_OWNER, RoadmapRequest(goal=GOAL))])
    return step.id


def row_of(roadmap_id: UUID) -> Roadmap:
    with session():
        row: Roadmap = Roadmap.get_by_id(roadmap_id)
    return row


class TestIntoTheTrash:
    def test_it_is_listed_there_and_nowhere_else(self, client: TestClient, roadmap: str) -> None:
        assert client.delete(roadmap).status_code == 204
        assert client.get(f"{API}/roadmaps").json()["items"] == []
        (item,) = client.get(f"{API}/trash").json()["items"]
        assert (item["id"], item["goal"]) == (str(id_of(roadmap)), GOAL)
        kept = clock.now() + trash.KEPT
        assert (
            timedelta(0)
            <= kept - trash.list_trash(LOCAL_OWNER, limit=1).items[0].deleted_at
            < timedelta(minutes=1)
        )

    def test_every_door_to_it_is_closed_and_says_why(
        self, client: TestClient, roadmap: str
    ) -> None:
        concept = client.get(roadmap).json()["stages"][0]["modules"][0]["concepts"][0]["id"]
        client.delete(roadmap)
        places = {
            "roadmap_id": str(id_of(roadmap)),
            "concept_id": concept,
            "number": "1",
            "kind": "quiz",
            "attempt_id": str(new_id()),
            "stage_id": str(new_id()),
            "link_id": str(new_id()),
            "test_id": str(new_id()),
        }
        doors = [
            e
            for e in (*ENDPOINTS, *PAGES)
            if "{roadmap_id}" in e.path and "/trash/" not in e.path and "/admin/" not in e.path
        ]
        assert len(doors) > 30
        for door in doors:
            if door.method != "GET" or door.path.endswith(("/live", "/picture")):
                continue  # of an open page, which they leave alone
            answer = client.get(door.path.format(**places))
            assert answer.status_code == 404, door.path
            if door.path.startswith(API):
                assert (
                    answer.json()["detail"] == "This roadmap is in the trash. Restore it first."
                ), door.path
        page = client.get(f"/roadmaps/{id_of(roadmap)}", headers={"Accept": "text/html"})
        assert (page.status_code, "This roadmap is in the trash." in page.text) == (404, True)
        for decision in ("cancel", "retry", "approve"):
            assert client.post(f"{roadmap}/{decision}", json={}).status_code == 404
        assert (
            client.put(
                f"{roadmap}/concepts/{concept}/progress", json={"progress": "done"}
            ).status_code
            == 404
        )

    def test_the_error_of_a_second_time_is_that_it_is_there_already(
        self, client: TestClient, roadmap: str
    ) -> None:
        client.delete(roadmap)
        answer = client.delete(roadmap)
        assert (answer.status_code, answer.json()["detail"]) == (
            404,
            "This roadmap is in the trash. Restore it first.",
        )

    def test_what_is_being_made_is_cancelled(self, client: TestClient) -> None:
        roadmap_id = queued()
        with transaction():
            token = leases.claim(PLANNING, roadmap_id)
        assert token is not None
        assert client.delete(f"{API}/roadmaps/{roadmap_id}").status_code == 204
        row = row_of(roadmap_id)
        assert (row.status, row.lease_token) == (RoadmapStatus.cancelled, None)
        clock.travel(timedelta(days=1))
        assert rescue.overdue() == []

    def test_a_plan_that_waits_for_approval_goes_on_waiting(self, client: TestClient) -> None:
        path = client.post(f"{API}/roadmaps", json={"goal": GOAL, "review": True}).headers[
            "location"
        ]
        client.delete(path)
        clock.travel(timedelta(days=1))
        assert rescue.overdue() == []
        with session():
            content = Content.select().where(Content.roadmap == id_of(path)).first()
        assert build_content(content.id, CatalogueGenerator()) == []
        client.post(f"{API}/trash/{id_of(path)}/restore")
        assert client.get(path).json()["status"] == "awaiting_review"
        assert client.post(f"{path}/approve", json={}).status_code == 202
        assert client.get(path).json()["status"] == "ready"

    def test_its_live_page_gets_no_more_events(self, client: TestClient, roadmap: str) -> None:
        assert events.last_seqs([id_of(roadmap)]) != {}
        client.delete(roadmap)
        assert events.last_seqs([id_of(roadmap)]) == {}
        live = client.get(f"/roadmaps/{id_of(roadmap)}/live")
        assert (live.status_code, live.text.splitlines()[-3:]) == (
            200,
            ["event: end", "data: ", ""],
        )
        assert client.get(f"/roadmaps/{new_id()}/live").status_code == 404

    def test_it_stands_in_the_log(self, client: TestClient, roadmap: str) -> None:
        client.delete(roadmap)
        client.post(f"{API}/trash/{id_of(roadmap)}/restore")
        execution_log.buffer.flush()
        with session():
            query = ExecutionLog.select().where(
                ExecutionLog.roadmap_id == id_of(roadmap), ExecutionLog.step == "trash"
            )
            found = [row.message for row in query.order_by(ExecutionLog.id)]
        assert found == ["Put into the trash", "Taken out of the trash"]

    def test_with_a_condition_it_goes_only_as_it_was_read(
        self, client: TestClient, roadmap: str
    ) -> None:
        tag = client.get(roadmap).headers["etag"]
        concept = client.get(roadmap).json()["stages"][0]["modules"][0]["concepts"][0]["id"]
        client.put(f"{roadmap}/concepts/{concept}/progress", json={"progress": "done"})
        assert client.delete(roadmap, headers={"If-Match": tag}).status_code == 412
        now = client.get(roadmap).headers["etag"]
        assert client.delete(roadmap, headers={"If-Match": now}).status_code == 204


class TestList:
    def test_what_was_thrown_away_last_comes_first_page_by_page(self, client: TestClient) -> None:
        made = [queued() for _ in range(5)]
        for at in (2, 0, 4, 1, 3):
            trash.put(LOCAL_OWNER, made[at])
            clock.travel(timedelta(seconds=1))
        wanted = [str(made[at]) for at in (3, 1, 4, 0, 2)]
        found, cursor = [], None
        while True:
            page = client.get(
                f"{API}/trash", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
            ).json()
            found += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert found == wanted

    def test_a_page_goes_on_when_the_last_one_of_it_is_gone(self, client: TestClient) -> None:
        made = [queued() for _ in range(3)]
        for each in made:
            trash.put(LOCAL_OWNER, each)
        page = trash.list_trash(LOCAL_OWNER, limit=1)
        trash.delete(LOCAL_OWNER, page.items[0].id)
        rest = trash.list_trash(LOCAL_OWNER, limit=5, before=page.items[0].id)
        assert {item.id for item in rest.items} == set(made) - {page.items[0].id}

    def test_no_other_account_sees_it(self, client: TestClient, roadmap: str) -> None:
        client.delete(roadmap)
        assert trash.list_trash(new_id(), limit=10).items == []


class TestOutOfIt:
    def test_it_comes_back_as_it_was(self, client: TestClient, roadmap: str) -> None:
        before = client.get(roadmap).json()
        client.delete(roadmap)
        answer = client.post(f"{API}/trash/{id_of(roadmap)}/restore", json={})
        assert (answer.status_code, answer.json()["id"]) == (200, str(id_of(roadmap)))
        after = client.get(roadmap).json()
        assert {**after, "updated_at": ""} == {**before, "updated_at": ""}
        assert in_trash(client) == []

    @try_each("method", ["POST", "DELETE"])
    def test_what_is_not_in_it_cannot_come_out(
        self, client: TestClient, roadmap: str, method: str
    ) -> None:
        path = f"{API}/trash/{id_of(roadmap)}" + ("/restore" if method == "POST" else "")
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["detail"]) == (
            404,
            "This roadmap is not in the trash.",
        )
        assert client.get(roadmap).status_code == 200


def rows_of_everything() -> dict[str, int]:
    with session():
        tables = [table for table in database.get_tables() if table not in KEPT]
        return {
            table: database.execute_sql(f'SELECT count(*) FROM "{table}"').fetchone()[0]
            for table in tables
        }


class TestForEver:
    def learn(self, client: TestClient, roadmap: str) -> None:
        """Something in each table that hangs on a roadmap."""
        concept = client.get(roadmap).json()["stages"][0]["modules"][0]["concepts"][0]["id"]
        quiz = client.get(f"{roadmap}/concepts/{concept}").json()["quiz"]
        given = [[0] if each["type"] == "single" else [] for each in quiz["questions"]]
        answers = {"version": quiz["version"], "answers": given}
        assert (
            client.post(f"{roadmap}/concepts/{concept}/quiz/attempts", json=answers).status_code
            == 201
        )
        roadmap_id, now = id_of(roadmap), clock.now()
        with transaction():
            from_models = {"roadmap": roadmap_id, "created_at": now}
            ShareLink.insert(id=new_id(), purpose="share", **from_models).execute()
            card = {
                "owner": LOCAL_OWNER,
                "concept": concept,
                "question": "q",
                "version": 1,
                "number": 0,
                "state": 1,
                "step": 0,
            }
            ReviewCard.insert(id=new_id(), due_at=now, **card, **from_models).execute()
            called = {
                "step": "tutorial",
                "model": "m",
                "attempt": 1,
                "outcome": "ok",
                "prompt_version": "",
                "reserved": 0,
                "price": 0,
                "started_at": now,
            }
            ModelCall.insert(
                {**called, "id": new_id(), "owner_id": LOCAL_OWNER, "roadmap_id": roadmap_id}
            ).execute()

    def test_all_that_hangs_on_it_goes_with_it_and_the_books_stay(
        self, client: TestClient, roadmap: str
    ) -> None:
        client.delete(roadmap)
        trash.delete(LOCAL_OWNER, id_of(roadmap))
        empty = rows_of_everything()
        path = client.post(f"{API}/roadmaps", json={"goal": GOAL}).headers["location"]
        self.learn(client, path)
        full = rows_of_everything()
        hanging = {table for table in full if full[table] > empty[table]}
        assert hanging == {
            *(
                "roadmap",
                "revision",
                "stage",
                "module",
                "concept",
                "content",
                "content_version",
                "roadmap_event",
            ),
            *("quiz_attempt", "review_card", "secret_link", "model_call", "learning_day"),
        }
        client.delete(path)
        assert client.delete(f"{API}/trash/{id_of(path)}").status_code == 204
        stays = {table: empty[table] + 1 for table in ("model_call", "learning_day")}
        assert rows_of_everything() == {**empty, **stays}
        assert client.delete(f"{API}/trash/{id_of(path)}").status_code == 404

    def test_only_what_is_in_the_trash_can_be_deleted(
        self, client: TestClient, roadmap: str
    ) -> None:
        assert client.delete(f"{API}/trash/{id_of(roadmap)}").status_code == 404
        assert client.get(roadmap).status_code == 200

    def test_a_worker_that_is_late_saves_nothing(self, client: TestClient) -> None:
        roadmap_id = queued()
        with transaction():
            token = leases.claim(PLANNING, roadmap_id)
        trash.put(LOCAL_OWNER, roadmap_id)
        trash.delete(LOCAL_OWNER, roadmap_id)
        assert token is not None
        with pytest.raises(leases.LeaseLost), transaction():
            events.bump_and_append(roadmap_id, statuses.EventType.planning, {})


class TestUpkeep:
    def test_what_is_there_for_more_than_thirty_days_goes(self, client: TestClient) -> None:
        old, new = queued(), queued()
        trash.put(LOCAL_OWNER, old)
        clock.travel(trash.KEPT - timedelta(minutes=1))
        trash.put(LOCAL_OWNER, new)
        assert trash.purge_expired() == 0
        clock.travel(timedelta(minutes=2))
        rescue_overdue.call_local()
        assert in_trash(client) == [str(new)]
        with session():
            assert not RoadmapEvent.select().where(RoadmapEvent.roadmap == old).exists()

    def test_some_at_a_time(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(trash, "AT_ONCE", 2)
        monkeypatch.setattr(trash, "ROUNDS", 2)
        for _ in range(5):
            trash.put(LOCAL_OWNER, queued())
        clock.travel(trash.KEPT + timedelta(minutes=1))
        assert [trash.purge_expired(), trash.purge_expired(), trash.purge_expired()] == [4, 1, 0]


class TestOperators:
    def test_they_see_it_marked_and_decide_nothing_about_it(
        self, client: TestClient, roadmap: str
    ) -> None:
        client.delete(roadmap)
        (found,) = client.get(f"{API}/admin/roadmaps", params={"owner": str(LOCAL_OWNER)}).json()[
            "items"
        ]
        assert found["trashed_at"] is not None
        place = f"/admin/roadmaps/{id_of(roadmap)}"
        assert client.get(f"{API}{place}").json()["trashed_at"] == found["trashed_at"]
        assert client.get(f"{API}{place}/trace").status_code == 200
        assert client.post(f"{API}{place}/cancel", json={}).status_code == 404
        page = client.get(place, headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert "in the trash since" in page.text
        assert f"{place}/retry" not in page.text
        assert "in the trash" in client.get("/admin/roadmaps", headers={"Accept": "text/html"}).text


def test_of_two_who_throw_it_away_at_once_one_does(client: TestClient, roadmap: str) -> None:
    found: list[Any] = []

    def throw() -> None:
        try:
            trash.put(LOCAL_OWNER, id_of(roadmap))
            found.append("done")
        except queries.NotFound:
            found.append("not there")

    threads = [threading.Thread(target=throw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["done", "not there", "not there", "not there"]
