"""Decisions over HTTP: an invalid one is answered by name and rule and changes nothing."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from core.ids import new_id
from models.roadmaps import Concept, Content, Revision, Roadmap
from tests.cases import try_each
from tests.unit.roadmap.lifecycle.test_jobs import rows

GOAL = "Become a backend engineer in Python"
KEY = "python-backend/caching"


@pytest.fixture
def path(client: TestClient) -> str:
    """A plan in review, by the catalogue."""
    location: str = client.post("/api/v1/roadmaps", json={"goal": GOAL, "review": True}).headers[
        "location"
    ]
    return location


def remove(key: str) -> dict[str, Any]:
    return {"op": "remove", "what": "concept", "key": key}


def everything() -> dict[str, Any]:
    return {table.__name__: rows(table) for table in (Roadmap, Revision, Concept, Content)}


WRONG = {
    "no operation": ({"operations": []}, "#/operations"),
    "too many operations": ({"operations": [remove(KEY)] * 101}, "#/operations"),
    "an operation that is none": ({"operations": [{"op": "explode"}]}, "#/operations/0"),
    "an operation without its name": ({"operations": [{"key": KEY}]}, "#/operations/0"),
    "a field of the wrong type": (
        {"operations": [{**remove(KEY), "key": 7}]},
        "#/operations/0/key",
    ),
    "a field that is not known": (
        {"operations": [{**remove(KEY), "colour": "red"}]},
        "#/operations/0/colour",
    ),
    "a field that is missing": ({"operations": [{"op": "add_stage"}]}, "#/operations/0/title"),
    "the second of two": ({"operations": [remove(KEY), remove("gone")]}, "#/operations/1/key"),
    "hours out of range": (
        {"operations": [{"op": "rewrite", "what": "concept", "key": KEY, "hours": 0}]},
        "#/operations/0/hours",
    ),
    "a base of another type": ({"operations": [remove(KEY)], "base": "1"}, "#/base"),
    "what would not hold together": (
        {"operations": [{"op": "move", "what": "stage", "key": "python-you-can-build-on"}]},
        "#/operations",
    ),
}


@try_each(("body", "pointer"), WRONG.values(), ids=WRONG)
def test_an_edit_that_does_not_fit_is_answered_by_field_and_changes_nothing(
    client: TestClient, path: str, body: dict[str, Any], pointer: str
) -> None:
    before = everything()
    answer = client.post(f"{path}/edits", json=body)
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}
    assert "Tuple" not in answer.text
    assert "discriminator" not in answer.text
    assert everything() == before


@try_each(
    ("method", "place", "status"),
    [
        ("POST", "/revisions/0/restore", 404),
        ("POST", "/revisions/-1/restore", 404),
        ("POST", "/revisions/1000000000/restore", 404),
        ("POST", "/revisions/one/restore", 404),
        ("POST", "/revisions/9/restore", 404),
        ("POST", "/revisions/1/restore", 409),
        ("GET", "/revisions/9", 404),
        ("GET", "/revisions/1/diff?before=0", 422),
        ("POST", "/concepts/{concept}/song/regenerate", 404),
        ("POST", "/concepts/{unknown}/quiz/regenerate", 422),
        ("GET", "/concepts/{unknown}/quiz/versions", 404),
        ("GET", "/concepts/{concept}/quiz/versions/1", 404),
        ("POST", "/retry", 409),
        ("GET", "/receipt?limit=101", 422),
    ],
)
def test_what_is_not_there_or_not_possible_now_is_an_error_and_changes_nothing(
    client: TestClient, path: str, method: str, place: str, status: int
) -> None:
    concept = client.get(path).json()["stages"][0]["modules"][0]["concepts"][0]["id"]
    before = everything()
    answer = client.request(method, path + place.format(concept=concept, unknown=new_id()))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert everything() == before


@try_each(
    ("place", "body"),
    [
        ("/approve", {"revision": 0}),
        ("/approve", {"revision": True}),
        ("/approve", {"all": True}),
        ("/revise", {}),
        ("/revise", {"feedback": " "}),
        ("/revise", {"feedback": "x" * 4001}),
        ("/revise", {"feedback": "less\u0000theory"}),
        ("/revise", {"feedback": "..."}),
        ("/cancel", {"why": "because"}),
        ("/retry", []),
    ],
)
def test_a_body_that_does_not_fit_is_refused(
    client: TestClient, path: str, place: str, body: Any
) -> None:
    before = everything()
    assert client.post(path + place, json=body).status_code == 422
    assert everything() == before


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("content", [b"", b"{}"])
def test_a_body_without_fields_may_be_empty(client: TestClient, path: str, content: bytes) -> None:
    headers = {"Content-Type": "application/json"} if content else {}
    answer = client.post(f"{path}/approve", content=content, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (202, "building")
    assert answer.headers["location"] == path
    assert client.get(path).json()["status"] == "ready"


def test_a_body_that_is_not_json_is_refused_also_where_none_is_needed(
    client: TestClient, path: str
) -> None:
    assert (
        client.post(
            f"{path}/approve", content=b"yes", headers={"Content-Type": "text/plain"}
        ).status_code
        == 415
    )
    assert (
        client.post(
            f"{path}/approve", content=b"{", headers={"Content-Type": "application/json"}
        ).status_code
        == 400
    )
    assert client.get(path).json()["status"] == "awaiting_review"


def test_the_catalogue_says_that_it_follows_no_words(client: TestClient, path: str) -> None:
    answer = client.post(f"{path}/revise", json={"feedback": "Less theory."})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "#/feedback"
    assert "OPENAI_API_KEY" in error["detail"]


def test_a_tree_in_review_tells_what_building_it_would_cost(client: TestClient, path: str) -> None:
    estimate = client.get(path).json()["estimate"]
    assert estimate == {
        **{"calls": 0, "prompt_tokens": 0, "completion_tokens": 0},
        **{"price": "0", "currency": "USD", "measured": True},
    }
    client.post(f"{path}/approve")
    assert client.get(path).json()["estimate"] is None


def test_an_event_that_ended_it_once_does_not_end_the_stream_when_more_came_after_it(
    client: TestClient, path: str
) -> None:
    client.post(f"{path}/approve")
    client.post(f"{path}/edits", json={"operations": [remove(KEY)]})
    output = [
        line
        for line in client.get(f"{path}/events").text.splitlines()
        if line.startswith("event: ")
    ]
    assert output.count("event: roadmap.ready") == 2
    assert output[-1] == "event: roadmap.ready"


@pytest.mark.parametrize("number", ["0", "-1", "01", "1.0", "2147483648", "9" * 30])
def test_a_number_that_no_revision_can_have_is_not_found(
    client: TestClient, path: str, number: str
) -> None:
    assert client.get(f"{path}/revisions/{number}").status_code == 404
