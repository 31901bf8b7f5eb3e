"""Lists without rows of another account, and the admin's view of all."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from core.db import session
from models.records import AuditRecord
from roadmap.accounts.accounts import set_observer
from roadmap.accounts.identity import Scope
from roadmap.learning.progress import AttemptRequest
from roadmap.plan.statuses import RoadmapStatus
from tests.access.people import (
    BODIES,
    CLOSED,
    CLOSED_PORT,
    EXPORTS,
    ROOM,
    Person,
    everything,
)
from web.endpoints.endpoint import API

EMPTY = {"/import"}  # pages that show a form and nothing of anybody
# Nothing that names anybody.
NUMBERS = {f"{API}/review-limits", f"{API}/review-forecast", "/catalogue"}
LISTS = [
    e for e in CLOSED if e.method == "GET" and "{" not in e.path and e.path not in EMPTY | EXPORTS
]


class TestLists:
    def of(self, person: Person) -> set[str]:
        """Return all that would give away that it is this person's."""
        roadmap_id = person.roadmap()
        made = {roadmap_id, person.concept(roadmap_id), person.spare_session()}
        made |= {session["id"] for session in person.sessions()}
        made |= {
            person.card(),
            *(item["id"] for item in person.call("GET", f"{API}/reviews").json()["items"]),
        }
        made.add(person.made("/api-keys", name=f"a key of {person.email}")["id"])
        made.add(person.made("/webhooks", url=CLOSED_PORT)["id"])
        thrown = person.roadmap()
        assert person.call("DELETE", f"{API}/roadmaps/{thrown}").status_code == 204
        made.add(thrown)
        language = f"en-{uuid4().hex[:8]}"
        assert person.call("PUT", f"{API}/profile", json={"language": language}).status_code == 200
        return made | {person.email, language}

    def test_a_list_has_nothing_of_another(
        self, ann: Person, bob: Person, eve: Person, subtests: pytest.Subtests
    ) -> None:
        hers, his = self.of(ann), self.of(bob)
        invited = eve.made("/invitations", email="guest@example.org")
        for endpoint in LISTS:
            with subtests.test(endpoint=f"{endpoint.method} {endpoint.path}"):
                if endpoint.scope in ROOM:
                    seen, refused = eve.ask(endpoint, {}), bob.ask(endpoint, {})
                    assert (seen.status_code, refused.status_code) == (200, 403)
                    assert not [
                        thing
                        for thing in hers | his - {bob.email} | {invited["id"]}
                        if thing in refused.text
                    ]
                    assert endpoint.scope is Scope.observe or invited["id"] in seen.text
                    continue
                for person, own, others in (
                    (ann, hers, his),
                    (bob, his, hers),
                    (eve, {eve.email}, hers | his),
                ):
                    answer = person.ask(endpoint, {})
                    assert answer.status_code == 200
                    assert not [thing for thing in others if thing in answer.text]
                    if person is not eve and endpoint.path not in NUMBERS:
                        assert [thing for thing in own if thing in answer.text], "it is empty"

    @pytest.mark.parametrize(
        "place", ["/roadmaps", "/roadmaps/{own}/logs", "/roadmaps/{own}/receipt"]
    )
    def test_a_cursor_of_another_leads_into_ones_own_list_only(
        self, ann: Person, bob: Person, place: str
    ) -> None:
        early, own, late = ann.roadmap(), bob.roadmap(), ann.roadmap()
        path = API + place.format(own=own)
        for cursor in (early, late):
            answer = bob.call("GET", f"{path}?cursor={cursor}&limit=100")
            assert answer.status_code == 200
            assert early not in answer.text
            assert late not in answer.text
        if place == "/roadmaps":
            assert [
                item["id"] for item in bob.call("GET", f"{path}?cursor={late}").json()["items"]
            ] == [own]

    @pytest.mark.parametrize("status", list(RoadmapStatus))
    def test_a_filter_finds_nothing_of_another(self, ann: Person, bob: Person, status: str) -> None:
        made = {"ready": ann.roadmap(), "awaiting_review": ann.roadmap(review=True)}
        path = f"{API}/roadmaps?status={status}"
        assert bob.call("GET", path).json()["items"] == []
        found = [item["id"] for item in ann.call("GET", path).json()["items"]]
        assert found == [id_ for state, id_ in made.items() if state == status]


class TestTheRoom:
    """The right to look at the roadmaps of everybody, and to decide about them."""

    @pytest.fixture
    def otto(self, register: Callable[[str], Person]) -> Person:
        """An observer."""
        person = register("otto")
        set_observer(person.email, is_observer=True)
        person.log_in()
        return person

    def test_an_observer_finds_and_reads_what_is_of_others_and_decides_nothing(
        self, ann: Person, otto: Person
    ) -> None:
        made = ann.roadmap(review=True)
        for path in (f"?owner={ann.email}", f"/{made}", f"/{made}/trace"):
            assert otto.call("GET", f"{API}/admin/roadmaps{path}").status_code == 200
            assert ann.call("GET", f"{API}/admin/roadmaps{path}").status_code == 403
        found = otto.call("GET", f"{API}/admin/roadmaps?owner={ann.email}").json()["items"]
        assert [(item["id"], item["owner"]["email"]) for item in found] == [(made, ann.email)]
        before = everything()
        for decision in ("cancel", "retry"):
            assert (
                otto.call("POST", f"{API}/admin/roadmaps/{made}/{decision}", json={}).status_code
                == 403
            )
            assert (
                otto.call("POST", f"/admin/roadmaps/{made}/{decision}", data={}).status_code == 403
            )
        assert everything() == before
        page = otto.call("GET", f"/admin/roadmaps/{made}", {"Accept": "text/html", **otto.headers})
        assert (page.status_code, "/cancel" in page.text) == (200, False)
        assert (
            otto.call("GET", f"{API}/roadmaps/{made}").status_code == 404
        )  # it is not his for all that

    def test_nothing_that_a_learner_has_noted_or_answered_is_shown(
        self, ann: Person, eve: Person
    ) -> None:
        made = ann.roadmap(background="My private background", motivation="My private motivation")
        path = f"/roadmaps/{made}/concepts/{ann.concept(made)}"
        assert (
            ann.call("PUT", f"{API}{path}/notes", json={"notes": "My private notes"}).status_code
            == 200
        )
        ann.made(f"{path}/quiz/attempts", **BODIES[AttemptRequest])
        output = [
            eve.call("GET", f"{API}/admin/roadmaps{where}").text
            for where in ("", f"/{made}", f"/{made}/trace")
        ]
        output += [
            eve.call("GET", f"/admin/roadmaps{w}", {"Accept": "text/html", **eve.headers}).text
            for w in ("", f"/{made}")
        ]
        assert [text for text in output if made not in text] == []
        assert [text for text in output if "private" in text or "score" in text] == []

    def test_what_an_administrator_decides_is_done_for_the_owner_and_is_in_the_audit_log(
        self, ann: Person, eve: Person
    ) -> None:
        made = ann.roadmap(review=True)
        answer = eve.call("POST", f"{API}/admin/roadmaps/{made}/cancel", json={})
        assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
        assert ann.call("GET", f"{API}/roadmaps/{made}").json()["status"] == "cancelled"
        again = eve.call("POST", f"{API}/admin/roadmaps/{made}/cancel", json={})
        assert (again.status_code, "cannot be cancelled" in again.text) == (409, True)
        assert (
            eve.call(
                "POST", f"/admin/roadmaps/{made}/retry", data={}, follow_redirects=False
            ).status_code
            == 303
        )
        found = [
            (row.actor, row.action, row.target, row.outcome, row.details.get("owner"))
            for row in rows_of(AuditRecord)
        ]
        owner = str(ann.account_id())
        assert found == [
            (eve.email, "roadmap.cancel", made, "done", owner),
            (eve.email, "roadmap.cancel", made, "refused", owner),
            (eve.email, "roadmap.retry", made, "done", owner),
        ]


def rows_of(table: Any) -> list[Any]:
    with session():
        return list(table.select().order_by(table.id))
