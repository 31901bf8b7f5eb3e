"""Rows of another account do not exist: every place of every path."""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
from pydantic import BaseModel

from core.ids import new_id
from roadmap.accounts.identity import Scope
from roadmap.generation.content_drafts import tutorial_drafts
from roadmap.plan.edits import EditRequest
from tests.access.people import (
    ALL,
    BODIES,
    EVERY,
    ROOM,
    WITH_PLACES,
    WITH_SEVERAL,
    Case,
    Person,
    everything,
    names_of,
    success_of,
)
from web.endpoints.endpoint import API, ROADMAP, Endpoint
from web.pages.page_route import LESSON, PAGE
from web.routes import ENDPOINTS, PAGES

TRANSFERS = API + "/admin/transfers"

# Those of a transfer are for administrators: test_transferring.
BY_ID_IN_QUERIES = {
    LESSON: {"attempt"},
    API + "/reviews": {"roadmap_id"},
    "/review": {"roadmap", "card"},
    "/roadmaps/{roadmap_id}/live": {"draft"},
}
BY_ID_IN_QUERIES |= {
    f"{base}/placement{place}": {"module_id", "concept_id", "concept_ids"}
    for base in (ROADMAP, PAGE)
    for place in ("", "/skip")
}
# A refused form shows its page again, with the query of that page.
BY_ID_IN_QUERIES |= {
    f"{LESSON}/{form}": {"attempt"} for form in ("exercise", "notes", "quiz", "{kind}/regenerate")
}
BY_ID_IN_QUERIES |= {TRANSFERS: {"owner", "new_owner"}, "/admin/transfers": {"owner"}}


def ids_of(endpoint: Endpoint) -> list[str]:
    return [name for name in names_of(endpoint) if name.endswith("_id")]


def document(answer: httpx2.Response) -> dict[str, Any]:
    """All that an answer tells, but which request it answers and how many came before it."""
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in ("x-request-id", "ratelimit")
    }
    if not answer.content:
        return {"status": answer.status_code, "headers": headers}
    if answer.headers["content-type"].startswith("text/html"):
        words = answer.text.replace(answer.headers["x-request-id"], "")
        return {
            "status": answer.status_code,
            "headers": {k: v for k, v in headers.items() if k != "content-length"},
            "words": words,
        }
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return {
        "status": answer.status_code,
        "headers": headers,
        **{k: v for k, v in answer.json().items() if k != "request_id"},
    }


def unknown_ids(endpoint: Endpoint, things: dict[str, str]) -> dict[str, str]:
    return {**things, **{name: str(new_id()) for name in ids_of(endpoint)}}


def strangers(
    endpoint: Endpoint, bob: Person, eve: Person
) -> Iterator[tuple[str, dict[str, str], int]]:
    """List callers without anything here: name, headers, and the answers they get."""
    is_for_admins = endpoint.scope in ROOM
    yield "another person", bob.headers, 403 if is_for_admins else 404
    yield (
        "a key of another person",
        bob.key(*ALL),
        403 if is_for_admins or endpoint.login_only else 404,
    )
    if not is_for_admins:  # what belongs to the administrators belongs to all of them
        yield "an administrator", eve.headers, 404
        yield (
            "a key of an administrator",
            eve.key("admin", *ALL),
            403 if endpoint.login_only else 404,
        )


class TestEveryPlaceOfEveryPath:
    def test_what_belongs_to_another_is_not_there_and_stays_as_it_is(self, case: Case) -> None:
        for endpoint in WITH_PLACES:
            with case(endpoint) as (ann, bob, eve, _):
                owner = eve if endpoint.scope in ROOM else ann
                things = owner.things_for(endpoint)
                unknown = unknown_ids(endpoint, things)
                asking = list(strangers(endpoint, bob, eve))
                before = everything()
                for who, headers, status in asking:
                    hers, found = (
                        bob.ask(endpoint, things, headers),
                        bob.ask(endpoint, unknown, headers),
                    )
                    assert hers.status_code == status, f"{who}: {hers.text}"
                    assert document(hers) == document(found), who
                    assert everything() == before, who

                answer = owner.ask(endpoint, things)
                assert answer.status_code == success_of(endpoint), (
                    f"the path is not one of the owner's: {answer.text}"
                )
                if isinstance(endpoint, Endpoint) and answer.status_code in (201, 202):
                    assert owner.call("GET", answer.headers["location"]).status_code == 200

    def test_no_header_and_no_head_tells_that_something_of_another_is_there(
        self, case: Case
    ) -> None:
        for endpoint in [e for e in WITH_PLACES if e.method == "GET" and e.scope not in ROOM]:
            with case(endpoint) as (ann, bob, _, _):
                things = ann.things_for(endpoint)
                tag = ann.call("GET", endpoint.path.format(**things)).headers.get("etag", '"none"')
                knowing = {"If-None-Match": tag, "Last-Event-ID": "100000"}
                for method, headers in itertools.product(("GET", "HEAD"), ({}, knowing)):
                    hers, found = (
                        bob.call(method, endpoint.path.format(**its), {**bob.headers, **headers})
                        for its in (things, unknown_ids(endpoint, things))
                    )
                    assert hers.status_code == 404
                    assert document(hers) == document(found)
                known = ann.call("GET", endpoint.path.format(**things), {**ann.headers, **knowing})
                assert known.status_code in (200, 304, 409)

    def test_places_that_do_not_belong_together_are_not_there(self, case: Case) -> None:
        for endpoint in WITH_SEVERAL:
            with case(endpoint) as (ann, bob, _, _):
                own, other, hers = (
                    bob.things_for(endpoint),
                    bob.things_for(endpoint, 1),
                    ann.things_for(endpoint),
                )
                names = ids_of(endpoint)
                mixtures = list(itertools.product((own, other, hers), repeat=len(names)))
                assert len(mixtures) == 3 ** len(names)
                before = everything()
                for mixture in mixtures:
                    if all(part is own for part in mixture) or all(
                        part is other for part in mixture
                    ):
                        continue
                    things = {
                        **own,
                        **{name: part[name] for name, part in zip(names, mixture, strict=True)},
                    }
                    first = names[0]
                    unknown = (
                        unknown_ids(endpoint, things)
                        if things[first] == hers[first]
                        else {**things, names[-1]: str(new_id())}
                    )
                    answer = bob.ask(endpoint, things)
                    assert answer.status_code == 404, answer.text
                    assert document(answer) == document(bob.ask(endpoint, unknown))
                    assert everything() == before
                for things in (own, other):
                    assert bob.ask(endpoint, things).status_code == success_of(endpoint)

    @pytest.mark.parametrize(
        "spelled",
        [str.upper, lambda id_: id_.replace("-", ""), "urn:uuid:{}".format, "{{{}}}".format],
    )
    def test_another_spelling_of_an_id_opens_nothing(
        self, ann: Person, bob: Person, spelled: Callable[[str], str]
    ) -> None:
        path = f"{API}/roadmaps/{spelled(ann.roadmap())}"
        assert ann.call("GET", path).status_code == 200  # it is the same id
        assert bob.call("GET", path).status_code == 404
        before = everything()
        assert bob.call("POST", f"{path}/edits", json=BODIES[EditRequest]).status_code == 404
        assert everything() == before

    def test_a_question_of_another_is_neither_listed_nor_shown(
        self, ann: Person, bob: Person
    ) -> None:
        hers, his = ann.card(), bob.card()
        roadmap_id = ann.all_of_it()[0]["id"]
        listed, unknown = (
            bob.call("GET", f"{API}/reviews?roadmap_id={id_}") for id_ in (roadmap_id, new_id())
        )
        assert listed.status_code == 404
        assert document(listed) == document(unknown)
        for query, status in (
            (f"card={hers}&chosen=0", 200),
            (f"card={new_id()}", 200),
            (f"roadmap={roadmap_id}", 404),
        ):
            page = bob.call("GET", f"/review?{query}", {"Accept": "text/html", **bob.headers})
            assert page.status_code == status
            assert "explanation" not in page.text
            assert (hers in page.text, his in page.text) == ("&" in query, status == 200)

    def test_an_attempt_of_another_is_not_shown_among_ones_own(
        self, ann: Person, bob: Person
    ) -> None:
        """That of the attempt on the page of its concept."""
        hers, his = (
            person.things_for(next(e for e in ENDPOINTS if "{attempt_id}" in e.path))
            for person in (ann, bob)
        )
        lesson = LESSON.format(**his)
        assert bob.call("GET", f"{lesson}?attempt={his['attempt_id']}").status_code == 200
        assert "explanation" in bob.call("GET", f"{lesson}?attempt={his['attempt_id']}").text
        unknown = bob.call("GET", f"{lesson}?attempt={new_id()}")
        assert "explanation" not in unknown.text
        page = bob.call("GET", f"{lesson}?attempt={hers['attempt_id']}")
        assert (page.status_code, "explanation" in page.text) == (200, False)

    def test_a_draft_of_another_is_not_shown_beside_ones_own(
        self, ann: Person, bob: Person
    ) -> None:
        live = next(each for each in PAGES if each.path == "/roadmaps/{roadmap_id}/live")
        lesson = next(each for each in ENDPOINTS if "{concept_id}" in each.path)
        hers, his = ann.things_for(lesson), bob.things_for(lesson)
        roadmap_id, concept_id = UUID(hers["roadmap_id"]), UUID(hers["concept_id"])
        with tutorial_drafts.showing(roadmap_id, concept_id) as show:
            show('{"markdown": "## Her secret')
            assert concept_id in tutorial_drafts.read([roadmap_id])[roadmap_id]
            shown = bob.call("GET", f"{live.path.format(**his)}?draft={concept_id}")
            assert (shown.status_code, "secret" in shown.text) == (200, False)
            refused = bob.call("GET", f"{live.path.format(**hers)}?draft={concept_id}")
            assert refused.status_code == 404

    def test_modules_and_concepts_of_another_are_not_in_ones_own_placement(
        self, ann: Person, bob: Person
    ) -> None:
        hers, his = ann.roadmap(), bob.roadmap()
        module = ann.call("GET", f"{API}/roadmaps/{hers}").json()["stages"][0]["modules"][0]["id"]
        concept, own = ann.concept(hers), bob.concept(his)
        place, before = f"{API}/roadmaps/{his}/placement", everything()
        for id_ in (module, str(new_id())):
            assert bob.call("POST", place, json={"module_id": id_}).status_code == 404
        for id_ in (concept, str(new_id())):
            sent = {"concept_id": id_, "version": 1}
            assert bob.call("POST", place, json=sent).status_code == 409
            skipped = bob.call("POST", f"{place}/skip", json={"concept_ids": [id_]})
            assert (skipped.json(), everything()) == ({"concept_ids": []}, before)
        bob.call("POST", f"{place}/skip", json={"concept_ids": [own]})
        assert everything() != before

    def test_no_body_and_no_query_names_a_thing_by_its_id_but_the_place_in_a_list(self) -> None:
        takes = {}
        for endpoint in EVERY:
            known = {"cursor"} | BY_ID_IN_QUERIES.get(endpoint.path, set())
            if (
                endpoint.scope is Scope.observe
            ):  # who may look at what belongs to all, looks for something in it
                known |= {"roadmap_id", "concept_id", "trace_id", "owner"}
            named = {
                name
                for model in (endpoint.body, endpoint.query)
                if model
                for name in _ids_in(model)
            }
            takes[f"{endpoint.method} {endpoint.path}"] = named - known
        assert {name: named for name, named in takes.items() if named} == {}, (
            "show here that they open nothing of others"
        )


def _ids_in(model: type[BaseModel]) -> Iterator[str]:
    """Return the names of fields with a UUID or called like an id, also inside other models."""
    schema = model.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        for name, described in part.get("properties", {}).items():
            if "'uuid'" in repr(described) or re.search(r"(^|_)(id|owner|account|user)s?$", name):
                yield name
