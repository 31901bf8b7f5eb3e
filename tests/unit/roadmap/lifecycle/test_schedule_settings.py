"""Changed hours, days and weeks of a plan: the tree agrees, and the rest stays."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from starlette.testclient import TestClient

from core import clock
from core.db import transaction
from models.roadmaps import Roadmap, Stage
from tests.cases import try_each
from tests.unit.roadmap.learning.test_progress import problem


def today() -> date:
    return clock.now().date()


def in_days(count: int) -> str:
    return str(today() + timedelta(days=count))


def put(client: TestClient, roadmap: str, **changes: Any) -> Any:
    body = {"hours_per_week": 8, "deadline": None, "begins_on": None, **changes}
    return client.put(f"{roadmap}/schedule", json=body)


def concepts_of(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        c for stage in tree["stages"] for module in stage["modules"] for c in module["concepts"]
    ]


def test_it_is_where_the_tree_links_to(client: TestClient, roadmap: str) -> None:
    tree = client.get(roadmap).json()
    body = client.get(tree["links"]["schedule"]).json()
    assert (body["hours"], body["hours_learned"], body["hours_per_week"]) == (tree["hours"], 0, 8)
    assert [span["concept_id"] for span in body["spans"]] == [
        concept["id"] for concept in concepts_of(tree)
    ]
    assert [stage["stage_id"] for stage in body["stages"]] == [
        stage["id"] for stage in tree["stages"]
    ]
    assert body["begins_on"] == tree["begins_on"] == str(today())


def test_what_is_set_is_returned_and_the_tree_agrees(client: TestClient, roadmap: str) -> None:
    before = client.get(roadmap).json()
    answer = put(client, roadmap, hours_per_week=20, deadline=in_days(90), begins_on=in_days(-3))
    assert answer.status_code == 200, answer.text
    assert answer.json() == client.get(f"{roadmap}/schedule").json()
    assert (
        answer.headers["etag"]
        == client.get(f"{roadmap}/schedule", headers={"Accept-Encoding": "identity"}).headers[
            "etag"
        ]
    )
    tree = client.get(roadmap).json()
    values = {name: tree[name] for name in ("hours_per_week", "deadline", "begins_on")}
    assert values == {"hours_per_week": 20, "deadline": in_days(90), "begins_on": in_days(-3)}
    assert tree["weeks"] == -(-tree["hours"] // 20) < before["weeks"]
    spent = 0
    for concept in concepts_of(tree):
        assert concept["week"] == spent // 20 + 1
        spent += concept["hours"]
    changed = {"hours_per_week", "deadline", "begins_on", "weeks", "stages", "updated_at"}
    assert {name for name in tree if tree[name] != before[name]} == changed
    for one, other in zip(concepts_of(before), concepts_of(tree), strict=True):
        assert {**one, "week": 0} == {**other, "week": 0}


def test_the_beginning_may_be_as_it_was_asked_for(client: TestClient, roadmap: str) -> None:
    put(client, roadmap, begins_on=in_days(40))
    assert client.get(roadmap).json()["begins_on"] == in_days(40)
    assert put(client, roadmap, begins_on=None).json()["begins_on"] == str(today())
    with transaction():
        assert Roadmap.select(Roadmap.begins_on).scalar() is None
    put(client, roadmap, begins_on=str(today()))
    with transaction():
        assert (
            Roadmap.select(Roadmap.begins_on).scalar() is None
        )  # it is the day on which it was asked for


def test_what_is_read_can_be_sent_back(client: TestClient, roadmap: str) -> None:
    put(client, roadmap, hours_per_week=5, deadline=in_days(30))
    read = client.get(f"{roadmap}/schedule").json()
    again = put(
        client,
        roadmap,
        **{name: read[name] for name in ("hours_per_week", "deadline", "begins_on")},
    )
    assert again.json() == read


@try_each(
    ("changes", "pointer"),
    [
        ({"hours_per_week": 0}, "#/hours_per_week"),
        ({"hours_per_week": 81}, "#/hours_per_week"),
        ({"hours_per_week": "8"}, "#/hours_per_week"),
        ({"deadline": "2001-01-01"}, "#/deadline"),
        ({"deadline": "9999-12-31"}, "#/deadline"),
        ({"deadline": "soon"}, "#/deadline"),
        ({"begins_on": "1800-01-01"}, "#/begins_on"),
        ({"begins_on": "9999-12-31"}, "#/begins_on"),
        ({"weeks": 3}, "#/weeks"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    client: TestClient, roadmap: str, changes: dict[str, Any], pointer: str
) -> None:
    before = client.get(roadmap).json()
    refused = problem(put(client, roadmap, **changes), 422)
    assert [error["pointer"] for error in refused["errors"]] == [pointer]
    assert client.get(roadmap).json() == before


def test_all_fields_are_required(client: TestClient, roadmap: str) -> None:
    refused = problem(client.put(f"{roadmap}/schedule", json={"hours_per_week": 8}), 422)
    assert [error["pointer"] for error in refused["errors"]] == ["#/deadline", "#/begins_on"]


def test_a_deadline_that_has_passed_may_stay_and_not_be_set(
    client: TestClient, roadmap: str
) -> None:
    deadline = in_days(10)
    assert put(client, roadmap, deadline=deadline).status_code == 200
    clock.travel(timedelta(days=20))
    response = put(client, roadmap, deadline=deadline, hours_per_week=3)
    assert (response.status_code, response.json()["hours_per_week_needed"]) == (200, None)
    problem(put(client, roadmap, deadline=in_days(-9)), 422)


def test_it_is_changed_only_as_it_was_read(client: TestClient, roadmap: str) -> None:
    tag = client.get(f"{roadmap}/schedule").headers["etag"]
    put(client, roadmap, hours_per_week=9)
    body = {"hours_per_week": 10, "deadline": None, "begins_on": None}
    assert (
        client.put(f"{roadmap}/schedule", json=body, headers={"If-Match": tag}).status_code == 412
    )
    newer = client.get(f"{roadmap}/schedule").headers["etag"]
    assert (
        client.put(f"{roadmap}/schedule", json=body, headers={"If-Match": newer}).status_code == 200
    )


def test_without_a_plan_there_is_an_empty_one_that_cannot_be_set(
    client: TestClient, roadmap: str
) -> None:
    with transaction():
        Stage.update(removed=True).execute()
        Roadmap.update(
            title="", revision=0, hours=0, weeks=0, created_at=datetime(2026, 1, 1, tzinfo=UTC)
        ).execute()
    body = client.get(f"{roadmap}/schedule").json()
    assert (body["hours"], body["spans"], body["weeks"], body["ends_on"]) == (0, [], [], None)
    assert "no plan yet" in problem(put(client, roadmap, hours_per_week=9), 409)["detail"]
    assert client.get(roadmap).json()["hours_per_week"] == 8


def test_what_is_in_the_trash_has_none(client: TestClient, roadmap: str) -> None:
    with transaction():
        Roadmap.update(trashed_at=clock.now()).execute()
    problem(client.get(f"{roadmap}/schedule"), 404)
    problem(put(client, roadmap), 404)


def test_progress_moves_it(client: TestClient, roadmap: str) -> None:
    first = concepts_of(client.get(roadmap).json())[0]
    client.put(f"{roadmap}/concepts/{first['id']}/progress", json={"progress": "done"})
    body = client.get(f"{roadmap}/schedule").json()
    assert body["spans"][0]["concept_id"] != first["id"]
    assert body["hours_left"] == body["hours"] - first["hours"]
    assert body["hours_learned"] == 0  # a click takes no time
    stated = {"progress": "done", "spent_minutes": 150}
    client.put(f"{roadmap}/concepts/{first['id']}/progress", json=stated)
    body = client.get(f"{roadmap}/schedule").json()
    assert (body["hours_learned"], body["minutes_learned"]) == (2, 150)
    assert body["weeks"][0]["hours_learned"] == 2
