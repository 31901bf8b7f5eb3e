"""Redis storage: each consumer has a list of held messages.

A message moves from a ready lane into this list, and leaves it when its task has run.
"""

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache, cached_property
from itertools import islice
from typing import Any

import redis
from huey.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from reliable_queue import redis_scripts as scripts
from reliable_queue.poll_lock import PollLock
from reliable_queue.request_coalescing import RequestCoalescer
from reliable_queue.storage import (
    DEAD_LETTERS_KEPT,
    DIED,
    HELD_SHOWN,
    MAX_DELIVERIES,
    Claim,
    ConsumerInfo,
    DeadLetter,
    Heartbeat,
    QueueStats,
    ReliableStorage,
    Waiting,
    epoch,
)

BULK = 1000  # messages in one script
SHORTEST_WAIT = 0.01  # seconds; 0 would wait for ever
NO_INFO = b"1"  # in place of `info`, as the version before has none


class ReliableRedisStorage(ReliableStorage, RedisStorage):
    """Huey's Redis storage with held messages instead of removed ones.

    One instance is one consumer. `socket_timeout` limits every command. `poll_seconds` is how long
    an idle consumer waits for a hint before it looks by itself. Both are in seconds. `now` returns
    seconds since 1970.
    """

    faults = (redis.RedisError, OSError)

    def __init__(
        self,
        name: str,
        *,
        url: str,
        socket_timeout: float = 2.0,
        poll_seconds: float = 10.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name, connection_pool=_pool(url, socket_timeout, socket_timeout))
        # The blocking wait needs a connection whose read limit is longer than the wait itself.
        self._waiting = redis.Redis(
            connection_pool=_pool(url, poll_seconds + socket_timeout, socket_timeout)
        )
        self.consumer = uuid.uuid4().hex
        self._poll_seconds, self._now = poll_seconds, now
        # The server's clock minus ours, known after the first heartbeat
        self._clock_offset: float | None = None
        self._poll_lock = PollLock()
        self._claims = RequestCoalescer(self._claim_ready)
        self._prefix = f"{{huey.{self.name}}}:"  # the braces keep all keys on one node of a cluster
        self.queue_key = self._prefix + "ready:"
        self.schedule_key = self._prefix + "schedule"
        self._wake_keys = [self._prefix + "wake:" + self.consumer, self._prefix + "wake"]
        self._dead_key = self._prefix + "dead"

    # Producing

    def enqueue_many(self, messages: Iterable[tuple[bytes, int]]) -> None:
        entries = (_entry(data, priority) for data, priority in messages)
        while bulk := list(islice(entries, BULK)):
            self._run(scripts.ENQUEUE, *bulk)

    def enqueue_once(self, key: str, data: bytes, seconds: int, priority: int = 0) -> bool:
        return bool(self._run(scripts.ENQUEUE_ONCE, key, seconds, _entry(data, priority)))

    # Consuming

    def claim(self, timeout: float, done: Sequence[Claim] = ()) -> Claim | None:
        deadline = time.monotonic() + timeout
        claim, pause = self._claims.ask(done)
        if claim is not None or timeout <= 0:
            return claim
        with self._poll_lock.take(timeout) as is_mine:
            if is_mine:  # the last look may have been long ago
                claim, pause = self._claims.ask(())
            while is_mine and claim is None and (left := deadline - time.monotonic()) > 0:
                self._waiting.blpop(self._wake_keys, timeout=max(min(left, pause), SHORTEST_WAIT))
                if self._poll_lock.ended.is_set():
                    return None
                claim, pause = self._claims.ask(())
        return claim

    def _claim_ready(self, done: Sequence[Sequence[Claim]]) -> list[tuple[Claim | None, float]]:
        """Return the next message for each of the requests, by what each has done.

        With each is the pause in seconds until the next look, which matters without a message.
        """
        finished = [claim.receipt for each in done for claim in each]
        entries, *due = self._run(
            scripts.CLAIM, self.consumer, self._now(), len(done), *finished, client=self._claiming
        )
        pause = self._poll_seconds
        if due and due[0] is not None:
            pause = min(float(due[0]) - self._now(), pause)
        claims = [Claim(data=entry[1:], receipt=entry) for entry in entries]
        return [(claim, pause) for claim in (*claims, *[None] * (len(done) - len(claims)))]

    @cached_property
    def _claiming(self) -> redis.Redis:
        """Client with one connection: a pool costs a claim a third of its time."""
        return redis.Redis(connection_pool=self.pool, single_connection_client=True)

    def acknowledge(self, *done: Claim) -> None:
        self._run(scripts.ACKNOWLEDGE, self.consumer, *(claim.receipt for claim in done))

    def release(self, claim: Claim) -> None:
        self._run(scripts.RELEASE, self.consumer, claim.receipt)

    def snooze(self, claim: Claim, until: float) -> None:
        self._run(scripts.SNOOZE, self.consumer, claim.receipt, until)

    def dead_letter(self, claim: Claim, reason: str) -> None:
        line = " ".join(reason.split())[:500]
        self._run(
            scripts.DEAD_LETTER, self.consumer, claim.receipt, line, self._now(), DEAD_LETTERS_KEPT
        )

    # Living and dying

    def heartbeat(self, ttl: float, *, judge: bool = True, info: str = "") -> Heartbeat:
        offset = self._clock_offset if judge else None
        moved, clock, held = self._run(
            scripts.HEARTBEAT,
            self.consumer,
            int(ttl * 1000),
            "" if offset is None else offset + time.monotonic(),
            MAX_DELIVERIES,
            DIED,
            self._now(),
            DEAD_LETTERS_KEPT,
            info or NO_INFO,
        )
        self._clock_offset = float(clock) - time.monotonic()
        return Heartbeat(taken_over=int(moved), held=list(held))

    def release_all(self) -> int:
        return int(self._run(scripts.RELEASE_ALL, self.consumer))

    def wake(self) -> None:
        self._poll_lock.end()
        self._run(scripts.WAKE, self.consumer)

    def pause(self) -> None:
        self._run(scripts.PAUSE)

    def resume(self) -> None:
        self._run(scripts.RESUME)

    def is_paused(self) -> bool:
        return bool(self.conn.exists(self._prefix + "paused"))

    # Looking

    def stats(self) -> QueueStats:
        counts, alive, paused, heads = self._run(scripts.STATS, self._now())
        ready, held, scheduled, dead = counts
        return QueueStats(ready, held, scheduled, dead, alive, bool(paused), _waiting(heads))

    def consumers(self) -> list[ConsumerInfo]:
        now = time.time()
        return [
            ConsumerInfo(
                id=id_.decode(),
                info="" if info == NO_INFO else info.decode(),
                held=[entry[1:] for entry in held],
                alive_until=now + left / 1000 if left > 0 else None,
            )
            for id_, info, left, held in self._run(scripts.CONSUMERS, HELD_SHOWN)
        ]

    def ready(self, offset: int, count: int) -> list[Waiting]:
        return _waiting(self._run(scripts.READY, offset, count))

    def scheduled(self, offset: int, count: int) -> list[Waiting]:
        found: Any = self.conn.zrange(
            self.schedule_key, offset, offset + count - 1, withscores=True
        )
        return [Waiting(entry[1:], due) for entry, due in found]

    def remove(self, data: bytes) -> bool:
        return bool(self._run(scripts.REMOVE, data))

    def flush_queue(self) -> None:
        self.conn.delete(self.queue_key + "1", self.queue_key + "0")

    # Scheduling

    def add_to_schedule(self, data: bytes, ts: datetime, priority: int | None = None) -> None:
        self._run(scripts.SCHEDULE, epoch(ts), _entry(data, priority))

    # Dead letters

    def dead_letters(self, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        if limit <= 0:
            return []
        letters: Any = self.conn.lrange(self._dead_key, offset, offset + limit - 1)
        return [
            DeadLetter(id=id_.decode(), data=entry[1:], reason=reason.decode(), at=float(at))
            for id_, at, reason, entry in (letter.split(b"\n", 3) for letter in letters)
        ]

    def replay(self, *letter_ids: str) -> int:
        return int(self._run(scripts.TAKE_DEAD, self._now(), *letter_ids))

    def discard(self, *letter_ids: str) -> int:
        return int(self._run(scripts.TAKE_DEAD, "", *letter_ids))

    def _run(self, script: str, *arguments: Any, client: redis.Redis | None = None) -> Any:
        client = client or self.conn
        try:
            return client.evalsha(_sha1(script), 1, self._prefix, *arguments)
        except NoScriptError:  # a new server
            return client.eval(script, 1, self._prefix, *arguments)


@cache
def _sha1(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _pool(url: str, socket_timeout: float, connect_timeout: float) -> redis.ConnectionPool:
    """Return connections that retry once, over a new connection.

    That helps when the old one ended while it idled, or leads to a server that is a replica now.
    There is no retry for a silent server.
    """
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError, redis.ReadOnlyError))
    return redis.ConnectionPool.from_url(
        url,
        socket_timeout=socket_timeout,
        socket_connect_timeout=connect_timeout,
        retry=retry,
        health_check_interval=30,
        driver_info=None,  # finding the version of the client parses its package metadata
    )


def _entry(data: bytes, priority: int | None) -> bytes:
    """Return the message behind its lane: two are enough, outlines overtake contents."""
    return (b"1" if (priority or 0) > 0 else b"0") + data


def _waiting(answer: Sequence[bytes]) -> list[Waiting]:
    """Return messages from alternating entries and times."""
    return [
        Waiting(entry[1:], float(at) if at else None)
        for entry, at in zip(answer[::2], answer[1::2], strict=True)
    ]
