"""API keys and observers: access by scope."""

import re
from collections.abc import Callable

import pytest

from roadmap.accounts.accounts import set_observer
from roadmap.accounts.identity import Scope
from roadmap.operations.audit_log import AuditOutcome, entries
from testing.stack import GOAL
from tests.access.people import (
    ALL,
    CLOSED,
    CLOSED_PORT,
    ROOM,
    Case,
    Person,
    everything,
    success_of,
)
from web.api import keys
from web.auth.revocation_cache import revocations
from web.endpoints.endpoint import API
from web.pages.page_route import PageRoute


class TestKeys:
    def test_a_key_that_may_read_changes_nothing(self, case: Case) -> None:
        for endpoint in [e for e in CLOSED if e.method != "GET"]:
            with case(endpoint) as (_, _, eve, _):
                things = eve.things_for(endpoint)
                key = eve.key("read")
                before = everything()
                answer = eve.ask(endpoint, things, key)
                assert answer.status_code == 403, answer.text
                assert everything() == before

                able = (
                    eve.headers
                    if endpoint.login_only
                    else eve.key("admin" if endpoint.scope in ROOM else "write")
                )
                assert eve.ask(endpoint, things, able).status_code == success_of(endpoint)

    def test_a_key_that_may_read_reads_and_one_that_may_write_does_not(self, case: Case) -> None:
        for endpoint in [e for e in CLOSED if e.method == "GET"]:
            with case(endpoint) as (ann, _, eve, _):
                person = (
                    eve if endpoint.scope in ROOM else ann
                )  # invitations are those of administrators
                things = person.things_for(endpoint)
                is_open = not endpoint.login_only and endpoint.scope not in ROOM
                to_read, to_write = (
                    is_open and endpoint.needs is Scope.read,
                    is_open and endpoint.needs is Scope.write,
                )
                assert person.ask(endpoint, things, person.key("read")).status_code == (
                    200 if to_read else 403
                )
                before = everything()["roadmap"]
                assert person.ask(endpoint, things, person.key("write")).status_code == (
                    200 if to_write else 403
                )
                assert everything()["roadmap"] == before

    def test_no_answer_to_a_key_that_may_read_has_a_token_or_a_secret(self, case: Case) -> None:
        """It would open something to others, and go on to do so when the key is revoked."""
        for endpoint in [e for e in CLOSED if e.method == "GET" and e.scope not in ROOM]:
            with case(endpoint) as (ann, _, _, _):
                things = ann.things_for(endpoint)
                roadmap_id = things.get("roadmap_id") or ann.roadmap()
                for purpose in ("reading", "calendar"):
                    ann.made(f"/roadmaps/{roadmap_id}/links", purpose=purpose)
                secret = ann.made("/webhooks", url=CLOSED_PORT)["secret"]
                answer = ann.ask(endpoint, things, ann.key("read"))
                output = answer.text + str(answer.headers)
                assert secret not in output
                assert re.findall(r"/(?:shared|calendars)/[^/\s]+", output) == []

    def test_no_key_administers_that_was_not_made_for_it(self, case: Case) -> None:
        for endpoint in [e for e in CLOSED if e.scope is Scope.admin]:
            with case(endpoint) as (_, _, eve, _):
                things = eve.things_for(endpoint)
                keys = [eve.key(*scopes) for scopes in (("write",), ("read",), ("observe",), ALL)]
                before = everything()
                for key in keys:
                    assert eve.ask(endpoint, things, key).status_code == 403
                    assert everything() == before
                assert eve.ask(endpoint, things, eve.key("admin")).status_code == success_of(
                    endpoint
                )

    def test_each_act_of_an_operator_is_in_the_audit_log(self, case: Case) -> None:
        for endpoint in [e for e in CLOSED if e.scope is Scope.admin and e.method != "GET"]:
            with case(endpoint) as (_, _, eve, _):
                things, key = eve.things_for(endpoint), eve.key("admin")
                assert eve.ask(endpoint, things, key).status_code == success_of(endpoint)
                last = entries(limit=1).items[0]
                assert (last.account_id, last.outcome, last.details["key"]) == (
                    eve.account_id(),
                    AuditOutcome.done,
                    "for a test",
                ), endpoint.path

    def test_keys_of_operators_are_in_the_audit_log(self, case: Case) -> None:
        [revoke] = [e for e in CLOSED if e.handler is keys.revoke_key]
        with case(revoke) as (_, _, eve, _):
            made = eve.made("/api-keys", name="of an operator", scopes=["observe"])
            assert eve.ask(revoke, {"key_id": made["id"]}).status_code == 204
            acts = [(each.action, each.target) for each in entries(limit=2).items]
            assert acts == [("key.revoke", "of an operator"), ("key.create", "of an operator")]

    def test_what_needs_a_login_takes_no_key_whatever_it_may_do(self, case: Case) -> None:
        for endpoint in [e for e in CLOSED if e.login_only]:
            with case(endpoint) as (_, _, eve, _):
                things = eve.things_for(endpoint)
                key = eve.key("admin", *ALL)
                before = everything()
                answer = eve.ask(endpoint, things, key)
                assert answer.status_code == 403
                assert "API keys cannot do this. Use the token of a login." in answer.text
                assert everything() == before
                assert eve.ask(endpoint, things).status_code == success_of(endpoint)

    def test_who_is_no_administrator_makes_no_key_of_one(self, ann: Person) -> None:
        before = everything()
        answer = ann.call(
            "POST", f"{API}/api-keys", json={"name": "more", "scopes": ["read", "admin"]}
        )
        assert answer.status_code == 403
        assert everything() == before

    def test_a_key_acts_for_its_account_alone(self, ann: Person, bob: Person) -> None:
        hers, his = ann.roadmap(), bob.roadmap()
        key = bob.key(*ALL)
        assert [item["id"] for item in bob.call("GET", f"{API}/roadmaps", key).json()["items"]] == [
            his
        ]
        made = bob.call("POST", f"{API}/roadmaps", key, json={"goal": GOAL}).json()["id"]
        assert bob.call("GET", f"{API}/roadmaps/{made}").status_code == 200
        assert ann.call("GET", f"{API}/roadmaps/{made}").status_code == 404
        assert [item["id"] for item in ann.call("GET", f"{API}/roadmaps").json()["items"]] == [hers]


class TestTheOperatorsRoom:
    def test_an_observer_looks_at_everything_and_changes_nothing(self, case: Case) -> None:
        for endpoint in [e for e in CLOSED if e.scope in ROOM]:
            with case(endpoint) as (_, _, eve, olga):
                things = eve.things_for(endpoint)
                before = everything()
                for headers in (olga.headers, olga.key("observe")):
                    answer = olga.ask(endpoint, things, headers)
                    assert answer.status_code == (
                        200 if endpoint.scope is Scope.observe else 403
                    ), answer.text
                changed = {table for table, rows in everything().items() if rows != before[table]}
                assert changed == (
                    {"audit_record"} if endpoint.path.endswith("/logs/export") else set()
                )

    def test_who_is_no_observer_any_more_looks_at_nothing(
        self, register: Callable[[str], Person], eve: Person, subtests: pytest.Subtests
    ) -> None:
        olga = register("olga")
        set_observer(olga.email, is_observer=True)
        olga.log_in()
        key = olga.key("observe")
        set_observer(olga.email, is_observer=False)
        olga.log_in()
        revocations.refresh()
        for endpoint in [e for e in CLOSED if e.scope in ROOM]:
            with subtests.test(endpoint=f"{endpoint.method} {endpoint.path}"):
                things = eve.things_for(endpoint)
                assert olga.ask(endpoint, things).status_code == 403
                led_to_login = (
                    303 if isinstance(endpoint, PageRoute) and endpoint.method == "GET" else 401
                )
                assert olga.ask(endpoint, things, key).status_code == led_to_login
