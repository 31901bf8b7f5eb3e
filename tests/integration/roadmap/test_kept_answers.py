"""Answers to Idempotency-Keys in both databases: each account keeps its latest."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core import clock
from core.db import session, transaction
from core.ids import new_id
from models.accounts import Account, IdempotentAnswer
from roadmap.accounts import idempotency_store
from roadmap.accounts.idempotency_store import MOST_BYTES
from testing.logbook import MODES, own_database

LARGE = b"x" * (MOST_BYTES // 4)


@pytest.fixture(params=MODES)
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    server = request.getfixturevalue("postgres") if request.param == "server" else None
    with own_database(tmp_path, server):
        yield


@pytest.mark.usefixtures("own")
def test_the_latest_answers_of_each_account_are_kept() -> None:
    lavish, modest, now = new_id(), new_id(), clock.now()
    with transaction():
        for owner, count in ((lavish, 8), (modest, 2)):
            email = f"{owner.hex}@example.org"
            Account.insert(id=owner, email=email, password_hash="", created_at=now).execute()
            for number in range(count):
                IdempotentAnswer.insert(
                    key_hash=f"{owner.hex}{number:032x}",
                    owner=owner,
                    fingerprint="f",
                    created_at=now - timedelta(minutes=count - number),
                    status=200,
                    content=LARGE,
                ).execute()
    idempotency_store.purge_expired()
    with session():
        kept = sorted(row.key_hash for row in IdempotentAnswer.select())
    latest = [f"{lavish.hex}{number:032x}" for number in (5, 6, 7)]
    assert kept == sorted([*latest, *(f"{modest.hex}{number:032x}" for number in range(2))])
