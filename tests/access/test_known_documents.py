"""Known answers are for their owner alone, and only while the login or key is valid."""

from collections.abc import Sequence

import pytest

from roadmap.lifecycle.reading.read_states import Ids
from tests.access.people import API, Person, bearer
from web.api import roadmaps


@pytest.fixture
def known(ann: Person) -> dict[str, str]:
    """The tags of what Ann has just read, by path."""
    roadmap = ann.roadmap()
    path = f"{API}/roadmaps/{roadmap}"
    paths = (path, f"{path}/concepts/{ann.concept(roadmap)}", f"{path}/schedule")
    return {each: ann.call("GET", each).headers["etag"] for each in paths}


def test_others_do_not_learn_whether_it_has_changed(
    ann: Person, bob: Person, known: dict[str, str]
) -> None:
    for path, tag in known.items():
        for more in ({}, {"If-None-Match": tag}, {"If-None-Match": "*"}):
            assert bob.call("GET", path, {**bob.headers, **more}).status_code == 404
        assert ann.call("GET", path, {**ann.headers, "If-None-Match": tag}).status_code == 304


def test_lists_of_two_accounts_are_apart(ann: Person, bob: Person, known: dict[str, str]) -> None:
    hers = ann.call("GET", f"{API}/roadmaps")
    tag = {"If-None-Match": hers.headers["etag"]}
    his = bob.call("GET", f"{API}/roadmaps", {**bob.headers, **tag})
    assert (his.status_code, his.json()["items"]) == (200, [])
    assert len(hers.json()["items"]) == 1
    assert ann.call("GET", f"{API}/roadmaps", {**ann.headers, **tag}).status_code == 304


def test_who_has_logged_out_gets_nothing_that_is_known(ann: Person, known: dict[str, str]) -> None:
    assert ann.call("POST", f"{API}/auth/logout").status_code == 204
    for path, tag in known.items():
        assert ann.call("GET", path).status_code == 401
        assert ann.call("GET", path, {**ann.headers, "If-None-Match": tag}).status_code == 401


def test_a_login_that_ends_while_the_state_is_read_gets_nothing(
    ann: Person, known: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    group = roadmaps.tree_kind.states
    read = group.read

    def slow(places: Sequence[Ids]) -> Sequence[bytes | None]:
        assert ann.call("POST", f"{API}/auth/logout").status_code == 204
        return read(places)

    monkeypatch.setattr(group, "read", slow)
    path, tag = next(iter(known.items()))
    assert ann.call("GET", path, {**ann.headers, "If-None-Match": tag}).status_code == 401


def test_a_revoked_key_gets_nothing_that_is_known(ann: Person, known: dict[str, str]) -> None:
    key = ann.made("/api-keys", name="reader", scopes=["read"])
    headers = bearer(key["key"])
    for path, tag in known.items():
        assert ann.call("GET", path, {**headers, "If-None-Match": tag}).status_code == 304
    assert ann.call("DELETE", f"{API}/api-keys/{key['id']}").status_code == 204
    for path, tag in known.items():
        assert ann.call("GET", path, {**headers, "If-None-Match": tag}).status_code == 401
