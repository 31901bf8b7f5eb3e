"""Unchanged documents are answered from their state, each to its own account alone."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import session
from models.roadmaps import Roadmap
from roadmap.lifecycle import schedule_settings
from roadmap.lifecycle.reading import own_roadmaps, queries
from testing.stack import GOAL
from web.endpoints import stated_endpoint
from web.http.response_cache import ResponseCache

pytestmark = pytest.mark.usefixtures("short")

ROADMAPS = "/api/v1/roadmaps"
PLAIN = {"Accept-Encoding": "identity"}
PACKED = {"Accept-Encoding": "gzip"}


@pytest.fixture
def roadmap(roadmap: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, of which no document is kept yet."""
    monkeypatch.setattr(stated_endpoint, "documents", ResponseCache())
    return roadmap


@pytest.fixture
def paths(client: TestClient, roadmap: str) -> dict[str, str]:
    node = client.get(roadmap).json()["stages"][0]["modules"][0]["concepts"][0]
    return {
        "tree": roadmap,
        "list": ROADMAPS,
        "page": f"{ROADMAPS}?limit=1&cursor=ffffffff-ffff-7fff-8fff-ffffffffffff",
        "concept": f"{roadmap}/concepts/{node['id']}",
        "schedule": f"{roadmap}/schedule",
    }


@pytest.fixture
def nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("it is made again")

    def begin() -> None:
        for module, name in (
            (queries, "roadmap_tree"),
            (queries, "concept_detail"),
            (own_roadmaps, "list_own"),
            (schedule_settings, "read_schedule"),
        ):
            monkeypatch.setattr(module, name, fail)

    return begin


@pytest.mark.parametrize("what", ["tree", "list", "page", "concept", "schedule"])
def test_what_has_not_changed_is_not_made_again(
    client: TestClient, paths: dict[str, str], nothing_is_made: Callable[[], None], what: str
) -> None:
    first = client.get(paths[what], headers=PLAIN)
    assert first.status_code == 200, first.text
    nothing_is_made()
    again = client.get(paths[what], headers=PLAIN)
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    stated_endpoint.documents = ResponseCache()  # nothing is known any more
    known = client.get(paths[what], headers={**PLAIN, "If-None-Match": first.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize("what", ["tree", "concept", "schedule"])
def test_it_is_compressed_once(
    client: TestClient, paths: dict[str, str], nothing_is_made: Callable[[], None], what: str
) -> None:
    plain, packed = (client.get(paths[what], headers=headers) for headers in (PLAIN, PACKED))
    nothing_is_made()
    again = client.get(paths[what], headers=PACKED)
    assert again.headers["content-encoding"] == "gzip"
    assert (again.json(), again.headers["etag"]) == (plain.json(), packed.headers["etag"])
    known = client.get(paths[what], headers={**PACKED, "If-None-Match": packed.headers["etag"]})
    assert (known.status_code, known.headers["etag"]) == (304, packed.headers["etag"])


def test_each_shows_the_next_change(client: TestClient, paths: dict[str, str]) -> None:
    before = {what: client.get(path).headers["etag"] for what, path in paths.items()}
    done = client.put(f"{paths['concept']}/progress", json={"progress": "done"})
    assert done.status_code == 200, done.text
    changed = {
        what
        for what, path in paths.items()
        if client.get(path, headers={"If-None-Match": before[what]}).status_code == 200
    }
    assert changed == {"tree", "concept", "schedule"}
    client.post(ROADMAPS, json={"goal": GOAL})
    changed = {
        what
        for what in ("list", "page")
        if client.get(paths[what], headers={"If-None-Match": before[what]}).status_code == 200
    }
    assert changed == {"list", "page"}


def test_a_schedule_is_another_one_tomorrow(client: TestClient, paths: dict[str, str]) -> None:
    first = client.get(paths["schedule"])
    clock.travel(timedelta(days=1))
    try:
        later = client.get(paths["schedule"], headers={"If-None-Match": first.headers["etag"]})
        assert (later.status_code, later.json() != first.json()) == (200, True)
    finally:
        clock.reset()


def test_a_schedule_that_is_set_has_the_tag_of_the_one_that_is_read(
    client: TestClient, paths: dict[str, str]
) -> None:
    first = client.get(paths["schedule"])
    body = {"hours_per_week": 3, "deadline": None, "begins_on": None}
    headers = {"If-Match": first.headers["etag"]}
    changed = client.put(paths["schedule"], json=body, headers=headers)
    now = client.get(paths["schedule"], headers=PLAIN)
    assert (changed.status_code, changed.headers["etag"]) == (200, now.headers["etag"])
    assert changed.content == now.content
    assert client.put(paths["schedule"], json=body, headers=headers).status_code == 412


def test_the_lease_of_its_worker_does_not_change_the_tag(client: TestClient, roadmap: str) -> None:
    """Or who read a plan that is being made could not cancel it by its tag."""
    tag = client.get(roadmap).headers["etag"]
    with session():
        Roadmap.update(lease_until=clock.now(), attempts=Roadmap.attempts + 1).execute()
    assert client.get(roadmap).headers["etag"] == tag
    assert client.delete(roadmap, headers={"If-Match": tag}).status_code == 204


def test_a_list_is_told_apart_from_its_other_forms(client: TestClient, roadmap: str) -> None:
    client.post(ROADMAPS, json={"goal": GOAL})
    paths = [ROADMAPS, f"{ROADMAPS}?limit=1", f"{ROADMAPS}?limit=20", f"{ROADMAPS}?q=no-such"]
    for _ in range(2):
        counts, links = [], []
        for path in paths:
            answer = client.get(path)
            counts.append(len(answer.json()["items"]))
            links.append(bool(re.search("limit=1&cursor=", answer.headers.get("link", ""))))
        assert counts == [2, 1, 2, 0]
        assert links == [False, True, False, False]


def test_what_is_not_there_is_not_found_whatever_was_known(
    client: TestClient, paths: dict[str, str]
) -> None:
    tag = client.get(paths["tree"]).headers["etag"]
    assert client.delete(paths["tree"]).status_code == 204
    for what in ("tree", "concept", "schedule"):
        for headers in ({}, {"If-None-Match": tag}, {"If-None-Match": "*"}):
            answer = client.get(paths[what], headers=headers)
            assert (answer.status_code, "trash" in answer.text) == (404, True)


def test_a_plan_that_waits_for_review_shows_its_price_of_now(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prices change without the roadmap, so it has no state by which it could be known."""
    path = client.post(ROADMAPS, json={"goal": GOAL, "review": True}).headers["location"]
    first = client.get(path)
    assert first.json()["status"] == "awaiting_review"
    estimate = queries.pending_estimate

    def dearer(*given: object) -> object:
        return estimate(*given).model_copy(update={"calls": 77})

    monkeypatch.setattr(queries, "pending_estimate", dearer)
    later = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (later.status_code, later.json()["estimate"]["calls"]) == (200, 77)
