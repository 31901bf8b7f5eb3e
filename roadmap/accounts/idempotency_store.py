"""The first answer to each request that has a name of its own (an Idempotency-Key): whoever asks the same again gets the same.

It is written in the transaction that does what was asked: either both are there, or neither is. An error leaves nothing
behind, and the same request may be sent again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import peewee

from core import clock
from core.db import session, skip_locked, transaction
from core.errors import KeyReused, Unauthenticated
from models.accounts import IdempotentAnswer
from models.bulk import insert_rows
from roadmap.accounts.identity import IdempotencyKey

LIFE = timedelta(hours=24)
AT_ONCE, ROUNDS = 500, 10  # that are forgotten in one transaction, and how often in a minute


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A whole answer; its content is None when it had a secret, which is not kept."""

    name: IdempotencyKey
    status: int
    headers: Mapping[str, str]
    content: bytes | None


def begin(name: IdempotencyKey) -> StoredAnswer | None:
    """None when this is the first request of that name: then its row is held until the commit, and `keep` completes it.

    Another process that answers it at this moment is waited for. In the caller's transaction. Raises Unauthenticated when the
    account is gone.
    """
    now = clock.now()
    try:
        if _inserted(name, now):
            return None
    except peewee.IntegrityError:
        raise Unauthenticated(
            "The account of this token does not exist any more. Log in again."
        ) from None
    return _answered(IdempotentAnswer.get_by_id(name.key_hash))


def store(answer: StoredAnswer) -> None:
    """Complete the row that `begin` has made. In the same transaction."""
    IdempotentAnswer.update(_told(answer)).where(
        IdempotentAnswer.key_hash == answer.name.key_hash
    ).execute()


def store_all(answers: Sequence[StoredAnswer]) -> set[str]:
    """Keep those that are the first of their names; the hashes of these. In the caller's transaction."""
    now = clock.now()
    in_order = sorted(
        answers, key=lambda answer: answer.name.key_hash
    )  # two processes wait for each other, and never in a ring
    rows = [{**_row(answer.name, now), **_told(answer)} for answer in in_order]
    own = {answer.name.key_hash: answer for answer in answers}
    if insert_rows(IdempotentAnswer, rows, pass_over=True) == len(rows):
        return set(own)
    if _forget(own, now):
        insert_rows(IdempotentAnswer, rows, pass_over=True)
    found = IdempotentAnswer.select().where(IdempotentAnswer.key_hash.in_(list(own)))
    return {
        row.key_hash for row in found if _answered(row) == own[row.key_hash]
    }  # no two roadmaps have one address


def find(names: Collection[IdempotencyKey]) -> dict[str, StoredAnswer]:
    """What was answered to these names before, by their hashes."""
    if not names:
        return {}
    with session():
        rows = list(
            IdempotentAnswer.select().where(
                _of(names), IdempotentAnswer.created_at > clock.now() - LIFE
            )
        )
    return {row.key_hash: _answered(row) for row in rows}


def check_same(name: IdempotencyKey, answer: StoredAnswer) -> StoredAnswer:
    """The answer. Raises KeyReused when the name stands for something else."""
    if answer.name.fingerprint != name.fingerprint:
        raise KeyReused(
            "This Idempotency-Key was sent with another request. Use a new key for a new request."
        )
    return answer


def purge_expired() -> None:
    """Those whose life is over, some thousand at a time."""
    for _ in range(ROUNDS):
        with transaction():
            old = IdempotentAnswer.select(IdempotentAnswer.key_hash).where(
                IdempotentAnswer.created_at <= clock.now() - LIFE
            )
            hashes = [
                hash_
                for (hash_,) in skip_locked(
                    old.order_by(IdempotentAnswer.created_at).limit(AT_ONCE)
                ).tuples()
            ]
            if hashes:
                IdempotentAnswer.delete().where(IdempotentAnswer.key_hash.in_(hashes)).execute()
        if len(hashes) < AT_ONCE:
            return


def _forget(hashes: Iterable[str], now: datetime) -> int:
    """Those of these whose life is over; how many there were."""
    return int(
        IdempotentAnswer.delete()
        .where(
            IdempotentAnswer.key_hash.in_(list(hashes)), IdempotentAnswer.created_at <= now - LIFE
        )
        .execute()
    )


def _inserted(name: IdempotencyKey, now: datetime) -> bool:
    """Whether it was not there, or only as what is to be forgotten."""
    _forget([name.key_hash], now)
    made = (
        IdempotentAnswer.insert(_row(name, now))
        .on_conflict_ignore()
        .returning(IdempotentAnswer.key_hash)
    )
    return bool(list(made.execute()))


def _of(names: Collection[IdempotencyKey]) -> Any:
    return IdempotentAnswer.key_hash.in_([name.key_hash for name in names])


def _row(name: IdempotencyKey, now: datetime) -> dict[str, Any]:
    return {
        "key_hash": name.key_hash,
        "owner": name.owner_id,
        "fingerprint": name.fingerprint,
        "created_at": now,
    }


def _told(answer: StoredAnswer) -> dict[str, Any]:
    kept = {"content": answer.content or b"", "is_repeatable": answer.content is not None}
    return {"status": answer.status, "headers": dict(answer.headers), **kept}


def _answered(row: IdempotentAnswer) -> StoredAnswer:
    name = IdempotencyKey(row.owner_id, row.key_hash, row.fingerprint)
    return StoredAnswer(
        name, row.status, row.headers, bytes(row.content) if row.is_repeatable else None
    )
