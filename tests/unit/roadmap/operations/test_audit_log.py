"""The audit log: a row before the act, its outcome afterwards, no secrets, for a year."""

import logging
import re
from contextlib import nullcontext, suppress
from datetime import timedelta
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import SerializationConflict, session, transaction
from core.errors import Conflict, NotFound, Unavailable
from core.ids import new_id
from models.records import AuditRecord
from roadmap.accounts.accounts import LOCAL_EMAIL
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.operations import audit_log
from roadmap.operations.audit_log import (
    LONGEST,
    MOST_DETAILS,
    Actor,
    AuditEntry,
    AuditOutcome,
    audited,
    entries,
)

ADA = Actor(UUID(int=7), "ada@example.org", "192.0.2.1", "request-1")

pytestmark = pytest.mark.usefixtures("immediate", "short")


def newest() -> AuditEntry:
    return entries(limit=1).items[0]


def test_an_act_is_written_down_before_it_is_done_and_its_outcome_after() -> None:
    with audited(ADA, "queue.pause", "content", {"search": "abc"}) as act:
        during = newest()
        act.found["count"] = 3
    assert (during.outcome, during.ended_at, during.details) == (None, None, {"search": "abc"})
    after = newest()
    assert after.id == during.id == act.id
    assert (after.outcome, after.error, after.details) == (
        AuditOutcome.done,
        "",
        {"search": "abc", "count": 3},
    )
    assert (after.actor, after.account_id, after.address, after.request_id) == (
        ADA.name,
        ADA.account_id,
        ADA.address,
        "request-1",
    )
    assert after.ended_at is not None
    assert after.ended_at >= after.began_at


@pytest.mark.parametrize(
    ("error", "outcome", "expected"),
    [
        (
            NotFound("This message does not exist."),
            AuditOutcome.refused,
            "This message does not exist.",
        ),
        (Conflict("It is paused already."), AuditOutcome.refused, "It is paused already."),
        (Unavailable("The broker is away."), AuditOutcome.failed, "The broker is away."),
        (ZeroDivisionError("secret-of-somebody"), AuditOutcome.failed, ""),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_did_not_go_is_written_down_and_raised(
    error: Exception, outcome: AuditOutcome, expected: str
) -> None:
    with pytest.raises(type(error)), audited(ADA, "message.retry", "content/1"):
        raise error
    assert (newest().outcome, newest().error) == (outcome, expected)


def test_nothing_is_done_that_cannot_be_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise Unavailable("The database does not answer.")

    monkeypatch.setattr(audit_log, "transaction", away)
    done = []
    with pytest.raises(Unavailable), audited(ADA, "queue.pause", "content"):
        done.append(True)
    assert done == []


def test_what_was_done_counts_when_its_outcome_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> None:
        raise Unavailable("The database does not answer.")

    with caplog.at_level(logging.WARNING), audited(ADA, "queue.pause", "content") as act:
        monkeypatch.setattr(audit_log, "transaction", away)
    monkeypatch.undo()
    assert newest().outcome is None
    assert f"could not record that {act.id} is done" in caplog.text


def test_no_text_is_longer_than_its_column_and_none_breaks_a_line() -> None:
    long = "x\n\u202ey\x00" * 500
    given = {f"name{number}": long for number in range(50)}
    with audited(Actor(None, long, long, long), "queue.pause", long, given):
        pass
    entry = newest()
    assert len(entry.details) == MOST_DETAILS
    texts = [entry.actor, entry.target, *(str(text) for text in entry.details.values())]
    assert [len(text) for text in texts] == [LONGEST] * len(texts)
    assert not any(re.search(r"[\n\x00\u202e]", text) for text in texts)


def test_a_row_holds_what_its_columns_hold_on_postgresql() -> None:
    """SQLite does not look at lengths."""
    long = "é" * 5000
    with pytest.raises(Conflict), audited(Actor(None, long, long, long), "queue.pause", long):
        raise Conflict(long)
    with session():
        row = AuditRecord.select().get()
    for column in AuditRecord._meta.sorted_fields:
        if most := getattr(column, "max_length", None):
            assert len(getattr(row, column.name)) <= most, column.name


def test_pages_meet_and_filters_hold() -> None:
    for number in range(7):
        with audited(ADA, "queue.pause" if number % 2 else "queue.resume", str(number)):
            pass
    with pytest.raises(NotFound), audited(ADA, "queue.pause", "7"):
        raise NotFound("This queue does not exist.")
    first = entries(limit=3)
    assert first.next_cursor is not None
    rest = entries(limit=100, before=UUID(first.next_cursor))
    assert [entry.target for entry in (*first.items, *rest.items)] == list("76543210")
    assert rest.next_cursor is None
    assert [entry.target for entry in entries(limit=100, action="queue.resume").items] == list(
        "6420"
    )
    assert [entry.target for entry in entries(limit=100, outcome=AuditOutcome.refused).items] == [
        "7"
    ]


def test_an_act_is_forgotten_after_a_year() -> None:
    with audited(ADA, "queue.pause", "content"):
        pass
    clock.travel(timedelta(days=365))
    audit_log.purge_expired()
    assert newest().target == "content"
    clock.travel(timedelta(days=2))
    audit_log.purge_expired()
    assert entries(limit=1).items == []


def test_what_is_done_in_the_database_shares_its_transaction() -> None:
    def do() -> None:
        with transaction():
            with audited(ADA, "invitation.create", "somebody"):
                pass
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        do()
    assert entries(limit=1).items == []


@pytest.mark.parametrize("caught", [False, True])
@pytest.mark.parametrize("inner", [False, True])
def test_what_was_refused_is_written_down_whatever_becomes_of_the_transaction_around_it(
    caught: bool, inner: bool
) -> None:
    def refuse() -> None:
        with (
            transaction() if inner else nullcontext(),
            audited(ADA, "roadmap.cancel", "7", {"owner": "Bob"}) as act,
        ):
            act.found["count"] = 3
            raise Conflict("It is over.")

    with suppress(Conflict), transaction(), suppress(Conflict) if caught else nullcontext():
        refuse()
    (entry,) = entries(limit=10).items
    assert (entry.outcome, entry.error, entry.details) == (
        AuditOutcome.refused,
        "It is over.",
        {"owner": "Bob", "count": 3},
    )
    assert (entry.actor, entry.target, entry.ended_at is not None) == (ADA.name, "7", True)


def test_what_was_overtaken_is_done_again_and_written_down_once() -> None:
    with suppress(SerializationConflict), transaction():
        with suppress(ZeroDivisionError), audited(ADA, "roadmap.cancel", "7"):
            raise ZeroDivisionError
        raise SerializationConflict
    assert entries(limit=1).items == []


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "once"}], ids=["once", "under a name"])
def test_an_act_that_is_refused_stands_in_the_log_under_a_name_too(
    client: TestClient, headers: dict[str, str]
) -> None:
    roadmap_id = client.post(
        "/api/v1/roadmaps", json={"goal": "Become a backend engineer in Python"}
    ).json()["id"]
    answer = client.post(f"/api/v1/admin/roadmaps/{roadmap_id}/cancel", json={}, headers=headers)
    assert answer.status_code == 409
    assert (newest().action, newest().target, newest().outcome) == (
        "roadmap.cancel",
        roadmap_id,
        AuditOutcome.refused,
    )
    assert newest().error == answer.json()["detail"]


def test_the_actor_at_the_command_line_is_named_by_the_machine() -> None:
    actor = Actor.of_command_line()
    assert actor.account_id is None
    assert re.fullmatch(r"command line \(.+\)", actor.name)


class TestWhoGivesAccess:
    def test_an_invitation_and_its_end(self, client: TestClient) -> None:
        made = client.post(
            "/api/v1/invitations",
            json={"email": "ada@example.org"},
            headers={"X-Request-ID": "of-this-test"},
        ).json()
        entry = newest()
        assert (entry.action, entry.target, entry.outcome) == (
            "invitation.create",
            "ada@example.org",
            AuditOutcome.done,
        )
        assert (entry.account_id, entry.actor, entry.request_id) == (
            LOCAL_OWNER,
            LOCAL_EMAIL,
            "of-this-test",
        )
        assert entry.details == {"invitation": made["id"]}
        assert made["invitation"] not in entry.model_dump_json()
        assert client.delete(f"/api/v1/invitations/{made['id']}").status_code == 204
        assert (newest().action, newest().target) == ("invitation.withdraw", made["id"])

    def test_an_invitation_that_is_not_there(self, client: TestClient) -> None:
        assert client.delete(f"/api/v1/invitations/{new_id()}").status_code == 404
        assert (newest().action, newest().outcome) == ("invitation.withdraw", AuditOutcome.refused)

    def test_an_invitation_that_is_sent_again_is_one_act(self, client: TestClient) -> None:
        answers = [
            client.post("/api/v1/invitations", json={}, headers={"Idempotency-Key": "the-same"})
            for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [201, 409]
        assert len(entries(limit=10).items) == 1
