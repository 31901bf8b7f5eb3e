"""Documents are remembered while their state is the same, up to a number of bytes."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from roadmap.lifecycle.reading import queries
from testing.stack import GOAL
from testing.waiting import HANG
from web.http.response_cache import DocumentSource, ResponseCache
from web.http.responses import Document

pytestmark = pytest.mark.usefixtures("short")

KEYS = [UUID(int=number) for number in range(5)]


def test_a_document_is_found_in_its_state_only() -> None:
    remembered, document = ResponseCache(), Document(b"{}")
    assert remembered.get(KEYS[0], b"1") is None
    assert remembered.keep(KEYS[0], b"1", document) is document
    assert remembered.get(KEYS[0], b"1") is document
    assert remembered.get(KEYS[0], b"2") is None
    assert remembered.get(KEYS[1], b"1") is None
    newer = remembered.keep(KEYS[0], b"2", Document(b"[]"))
    assert remembered.get(KEYS[0], b"1") is None
    assert remembered.get(KEYS[0], b"2") is newer


def test_those_that_were_not_asked_for_the_longest_are_forgotten() -> None:
    remembered = ResponseCache(most_bytes=30)
    documents = [remembered.keep(key, b"", Document(b"x" * 10)) for key in KEYS[:3]]
    assert remembered.get(KEYS[0], b"") is documents[0]
    remembered.keep(KEYS[3], b"", Document(b"x" * 15))
    assert [remembered.get(key, b"") is not None for key in KEYS] == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_one_that_is_too_large_is_given_and_not_kept() -> None:
    remembered = ResponseCache(most_bytes=30)
    remembered.keep(KEYS[0], b"1", Document(b"small"))
    large = Document(b"x" * 31)
    assert remembered.keep(KEYS[0], b"2", large) is large
    assert remembered.get(KEYS[0], b"2") is None
    assert remembered.get(KEYS[0], b"1") is None  # it is not what is there now


def test_room_that_was_given_back_can_be_used_again() -> None:
    remembered = ResponseCache(most_bytes=30)
    for number in range(100):
        remembered.keep(KEYS[number % 3], str(number).encode(), Document(b"x" * 10))
    assert all(
        remembered.get(KEYS[number % 3], str(number).encode()) is not None
        for number in (97, 98, 99)
    )


def test_those_who_ask_for_the_same_at_once_have_it_made_once(schema: None) -> None:
    remembered, made, begun, gate = ResponseCache(), [], threading.Event(), threading.Event()

    def write(facts: str) -> Document:
        made.append(facts)
        begun.set()
        assert gate.wait(HANG)
        return Document(facts.encode())

    source = DocumentSource(lambda: b"1", lambda: "facts")
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(remembered.look_up, KEYS[0], source, write) for _ in range(4)]
        assert begun.wait(HANG)
        gate.set()
        assert len({id(each.result(HANG)) for each in asked}) == 1
    assert made == ["facts"]


def test_what_could_not_be_made_is_tried_again_by_the_next(schema: None) -> None:
    remembered, source = ResponseCache(), DocumentSource(lambda: b"1", lambda: 0)
    with pytest.raises(ZeroDivisionError):
        remembered.look_up(KEYS[0], source, lambda facts: Document(b"x" * (1 // facts)))
    assert remembered.look_up(KEYS[0], source, lambda _: Document(b"x")).content == b"x"


def test_what_is_found_in_another_state_is_made_again(schema: None) -> None:
    remembered, states = ResponseCache(), iter([b"1", b"1", b"1", b"1", b"2", b"2", b"2"])
    source = DocumentSource(lambda: next(states), lambda: None)
    made = [remembered.look_up(KEYS[0], source, lambda _: Document(b"x")) for _ in range(3)]
    assert made[0] is made[1] is not made[2]


def test_a_roadmap_that_is_read_again_is_not_made_again_and_is_new_after_every_change(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = client.post("/api/v1/roadmaps", json={"goal": GOAL}).headers["location"]
    made: list[Any] = []
    read = queries.roadmap_tree
    monkeypatch.setattr(queries, "roadmap_tree", lambda *given: made.append(given) or read(*given))
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, len(made)) == (304, 1)
    concept = first.json()["stages"][0]["modules"][0]["concepts"][0]["id"]
    changed = client.put(f"{path}/concepts/{concept}/progress", json={"progress": "done"})
    assert changed.status_code == 200, changed.text
    later = client.get(path)
    assert later.headers["etag"] != first.headers["etag"]
    assert later.json()["learned"]["done"] == 1
    assert (
        client.put(f"{path}/concepts/{concept}/progress", json={"progress": "todo"}).status_code
        == 200
    )
    assert client.get(path).content == first.content


def test_a_slow_document_holds_up_no_other() -> None:
    remembered, begun, gate = ResponseCache(), threading.Event(), threading.Event()
    source = DocumentSource(lambda: b"", lambda: None, is_stored=False)

    def slow(_: None) -> Document:
        begun.set()
        assert gate.wait(HANG)
        return Document(b"slow")

    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(remembered.look_up, KEYS[0], source, slow)
        assert begun.wait(HANG)
        assert remembered.look_up(KEYS[1], source, lambda _: Document(b"quick")).content == b"quick"
        gate.set()
        assert made.result().content == b"slow"
