"""Stored answers by Idempotency-Key.

A repeated request gets the first answer again.

An answer is written in the transaction that does the work: both are there, or neither is. An error
leaves nothing behind, and the same request may be sent again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import peewee

from core import clock
from core.db import session
from core.errors import Unauthenticated
from models.accounts import IdempotentAnswer
from models.bulk import delete_batches, insert_rows
from roadmap.accounts.identity import IdempotencyKey

LIFE = timedelta(hours=24)
MOST_BYTES = 32_000_000  # of an account; the latest are kept
ROW_BYTES = 1000  # beside the content
AT_ONCE, ROUNDS = 500, 10  # deleted rows of one transaction, and transactions of one run


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """Answer to a request.

    Its content is None when it had a secret, which is not stored.
    """

    key: IdempotencyKey
    status: int
    headers: Mapping[str, str]
    content: bytes | None


def begin(key: IdempotencyKey) -> StoredAnswer | None:
    """Return the stored answer, or None when this is the first request with this key.

    Then its row is locked until the commit, and `store` completes it. Waits for another process
    that answers the same request at this moment. In the caller's transaction. Raises
    Unauthenticated when the account is gone.
    """
    now = clock.now()
    _delete_expired([key.key_hash], now)
    insert = IdempotentAnswer.insert(_row(key, now)).on_conflict_ignore()
    try:
        if list(insert.returning(IdempotentAnswer.key_hash).execute()):
            return None
    except peewee.IntegrityError:
        raise Unauthenticated(
            "The account of this token no longer exists. Log in with another account."
        ) from None
    return _answered(IdempotentAnswer.get_by_id(key.key_hash))


def store(answer: StoredAnswer) -> None:
    """Complete the row that `begin` has made. In the same transaction."""
    IdempotentAnswer.update(_content(answer)).where(
        IdempotentAnswer.key_hash == answer.key.key_hash
    ).execute()


def store_all(answers: Sequence[StoredAnswer]) -> set[str]:
    """Store answers that are the first of their keys, and return the hashes of these.

    In the caller's transaction.
    """
    now, own = clock.now(), {answer.key.key_hash: answer for answer in answers}
    # In order, so that two processes never wait for each other in a ring.
    in_order = sorted(answers, key=lambda answer: answer.key.key_hash)
    rows = [{**_row(answer.key, now), **_content(answer)} for answer in in_order]
    if insert_rows(IdempotentAnswer, rows, pass_over=True) == len(rows):
        return set(own)
    if _delete_expired(own, now):
        insert_rows(IdempotentAnswer, rows, pass_over=True)
    found = IdempotentAnswer.select().where(IdempotentAnswer.key_hash.in_(list(own)))
    # Its content shows whether an answer is ours: no two roadmaps have one address.
    return {row.key_hash for row in found if _answered(row) == own[row.key_hash]}


def find(keys: Collection[IdempotencyKey]) -> dict[str, StoredAnswer]:
    """Return the stored answers to these keys, by hash."""
    if not keys:
        return {}
    asked = IdempotentAnswer.key_hash.in_([key.key_hash for key in keys])
    is_valid = IdempotentAnswer.created_at > clock.now() - LIFE
    with session():
        return {
            row.key_hash: _answered(row) for row in IdempotentAnswer.select().where(asked, is_valid)
        }


def purge_expired() -> None:
    """Delete answers that have expired or are too many, some thousand at a time."""
    key, is_old = IdempotentAnswer.key_hash, IdempotentAnswer.created_at <= clock.now() - LIFE
    old = IdempotentAnswer.select(key).where(is_old).order_by(IdempotentAnswer.created_at)
    delete_batches(key, old, size=AT_ONCE, batches=ROUNDS)
    size = peewee.fn.COALESCE(peewee.fn.LENGTH(IdempotentAnswer.content), 0) + ROW_BYTES
    latest_first = {
        "partition_by": [IdempotentAnswer.owner],
        "order_by": [IdempotentAnswer.created_at.desc(), key],
    }
    sizes = IdempotentAnswer.select(key, peewee.fn.SUM(size).over(**latest_first).alias("total"))
    beyond = peewee.Select([sizes], [sizes.c.key_hash]).where(sizes.c.total > MOST_BYTES)
    too_many = IdempotentAnswer.select(key).where(key.in_(beyond))
    delete_batches(key, too_many, size=AT_ONCE, batches=ROUNDS)


def _delete_expired(hashes: Iterable[str], now: datetime) -> int:
    """Delete those of these answers that have expired, and return how many there were."""
    asked = IdempotentAnswer.key_hash.in_(list(hashes))
    is_old = IdempotentAnswer.created_at <= now - LIFE
    return int(IdempotentAnswer.delete().where(asked, is_old).execute())


def _row(key: IdempotencyKey, now: datetime) -> dict[str, Any]:
    return {
        "key_hash": key.key_hash,
        "owner": key.owner_id,
        "fingerprint": key.fingerprint,
        "created_at": now,
    }


def _content(answer: StoredAnswer) -> dict[str, Any]:
    return {
        "status": answer.status,
        "headers": dict(answer.headers),
        "content": answer.content or b"",
        "is_repeatable": answer.content is not None,
    }


def _answered(row: IdempotentAnswer) -> StoredAnswer:
    key = IdempotencyKey(row.owner_id, row.key_hash, row.fingerprint)
    content = bytes(row.content) if row.is_repeatable else None
    return StoredAnswer(key, row.status, row.headers, content)
