"""Redis: a message moves from a ready lane to its consumer's held list, and leaves it when its task has run."""

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any

import redis
from huey.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.retry import Retry

from reliable_queue import redis_scripts as scripts
from reliable_queue.poll_lock import PollLock
from reliable_queue.request_coalescing import RequestCoalescer
from reliable_queue.storage import (
    DEAD_LETTERS_KEPT,
    HELD_SHOWN,
    MAX_DELIVERIES,
    Claim,
    ConsumerInfo,
    DeadLetter,
    Heartbeat,
    QueueStats,
    Waiting,
)

LANES = (b"1", b"0")  # two are enough: outlines overtake contents
BULK = 1000  # messages in one script
SHORTEST_WAIT = 0.01  # seconds; 0 would wait for ever
NO_INFO = b"1"  # what consumers of the version before say of themselves


class ReliableRedisStorage(RedisStorage):
    """Huey's Redis storage with held messages instead of removed ones. One instance is one consumer.

    `socket_timeout` limits every command, `poll_seconds` is how long an idle consumer waits for a hint before it looks
    by itself, both in seconds. `now` gives seconds since 1970.
    """

    priority = True
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
        super().__init__(
            name, blocking=True, connection_pool=_pool(url, socket_timeout, socket_timeout)
        )
        # The blocking wait needs a connection whose read limit is longer than the wait itself.
        self._waiting = redis.Redis(
            connection_pool=_pool(url, poll_seconds + socket_timeout, socket_timeout)
        )
        self.consumer = uuid.uuid4().hex
        self._poll_seconds, self._now = poll_seconds, now
        self._clock: float | None = (
            None  # what the server's is ahead of ours; known after the first beat
        )
        self._turns = PollLock()
        self._claims = RequestCoalescer(self._claim_ready)
        self._prefix = f"{{huey.{self.name}}}:"  # the braces keep all keys on one node of a cluster
        self.queue_key = self._prefix + "ready:"
        self.schedule_key = self._prefix + "schedule"
        self._wake_keys = [self._prefix + "wake:" + self.consumer, self._prefix + "wake"]
        self._dead_key = self._prefix + "dead"
        register = self.conn.register_script
        self._enqueue, self._enqueue_once = (
            register(scripts.ENQUEUE),
            register(scripts.ENQUEUE_ONCE),
        )
        self._claim, self._acknowledge = register(scripts.CLAIM), register(scripts.ACKNOWLEDGE)
        self._release, self._release_all = register(scripts.RELEASE), register(scripts.RELEASE_ALL)
        self._heartbeat, self._wake = register(scripts.HEARTBEAT), register(scripts.WAKE)
        self._schedule, self._read_schedule = (
            register(scripts.SCHEDULE),
            register(scripts.READ_SCHEDULE),
        )
        self._dead_letter, self._take_dead = (
            register(scripts.DEAD_LETTER),
            register(scripts.TAKE_DEAD),
        )
        self._snooze, self._remove = register(scripts.SNOOZE), register(scripts.REMOVE)
        self._pause, self._resume = register(scripts.PAUSE), register(scripts.RESUME)
        self._stats, self._consumers = register(scripts.STATS), register(scripts.CONSUMERS)
        self._ready = register(scripts.READY)

    # Producing

    def enqueue(self, data: bytes, priority: int | None = None) -> None:
        self._run(self._enqueue, _entry(data, priority))

    def enqueue_many(self, messages: Iterable[tuple[bytes, int]]) -> None:
        entries = (_entry(data, priority) for data, priority in messages)
        while bulk := list(islice(entries, BULK)):
            self._run(self._enqueue, *bulk)

    def enqueue_once(self, key: str, data: bytes, seconds: int, priority: int = 0) -> bool:
        return bool(self._run(self._enqueue_once, key, seconds, _entry(data, priority)))

    # Consuming

    def claim(self, timeout: float, done: Sequence[Claim] = ()) -> Claim | None:
        deadline = time.monotonic() + timeout
        claim, pause = self._claims.ask(done)
        if claim is not None or timeout <= 0:
            return claim
        with self._turns.take(timeout) as mine:
            if mine:  # it may have been long ago that this thread has looked
                claim, pause = self._claims.ask(())
            while mine and claim is None and (left := deadline - time.monotonic()) > 0:
                self._waiting.blpop(self._wake_keys, timeout=max(min(left, pause), SHORTEST_WAIT))
                if self._turns.ended.is_set():
                    return None
                claim, pause = self._claims.ask(())
        return claim

    def _claim_ready(self, done: Sequence[Sequence[Claim]]) -> list[tuple[Claim | None, float]]:
        """The next message for each who asks, by what each has done; and how long to wait for another hint when there is none."""
        finished = [claim.receipt for each in done for claim in each]
        arguments = [self.consumer, self._now(), len(done), *finished]
        answer: Any = self._claim(keys=[self._prefix], args=arguments, client=self._claiming)
        entries, due = answer[0], answer[1] if len(answer) > 1 else None
        pause = (
            self._poll_seconds if due is None else min(float(due) - self._now(), self._poll_seconds)
        )
        claims = [Claim(data=entry[1:], receipt=entry) for entry in entries]
        return [(claim, pause) for claim in (*claims, *[None] * (len(done) - len(claims)))]

    @cached_property
    def _claiming(self) -> redis.Redis:
        """Taking a connection from the pool and giving it back costs a claim a third of its time."""
        return redis.Redis(
            connection_pool=self.pool, single_connection_client=True
        )  # connects at once

    def acknowledge(self, *done: Claim) -> None:
        self._run(self._acknowledge, self.consumer, *(claim.receipt for claim in done))

    def release(self, claim: Claim) -> None:
        self._run(self._release, self.consumer, claim.receipt)

    def snooze(self, claim: Claim, until: float) -> None:
        self._run(self._snooze, self.consumer, claim.receipt, until)

    def dead_letter(self, claim: Claim, reason: str) -> None:
        self._run(
            self._dead_letter,
            self.consumer,
            claim.receipt,
            _one_line(reason),
            self._now(),
            DEAD_LETTERS_KEPT,
        )

    # Living and dying

    def heartbeat(self, ttl: float, *, judge: bool = True, info: str = "") -> Heartbeat:
        reason = f"its consumer died {MAX_DELIVERIES} times while running it"
        sent = "" if self._clock is None or not judge else self._clock + time.monotonic()
        arguments = (
            int(ttl * 1000),
            sent,
            MAX_DELIVERIES,
            reason,
            self._now(),
            DEAD_LETTERS_KEPT,
            info or NO_INFO,
        )
        moved, clock, held = self._run(self._heartbeat, self.consumer, *arguments)
        self._clock = float(clock) - time.monotonic()
        return Heartbeat(taken_over=int(moved), held=list(held))

    def release_all(self) -> int:
        return int(self._run(self._release_all, self.consumer))

    def wake(self) -> None:
        self._turns.end()
        self._run(self._wake, self.consumer)

    def pause(self) -> None:
        self._run(self._pause)

    def resume(self) -> None:
        self._run(self._resume)

    def is_paused(self) -> bool:
        return bool(self.conn.exists(self._prefix + "paused"))

    # Looking

    def stats(self) -> QueueStats:
        (ready, held, scheduled, dead), alive, paused, first = self._run(self._stats, self._now())
        return QueueStats(ready, held, scheduled, dead, alive, bool(paused), _waiting(first))

    def consumers(self) -> list[ConsumerInfo]:
        members, now = [], time.time()
        for id_, info, left, held in self._run(self._consumers, HELD_SHOWN):
            said = "" if info == NO_INFO else info.decode()
            alive_until = now + left / 1000 if left > 0 else None
            members.append(
                ConsumerInfo(id_.decode(), said, [entry[1:] for entry in held], alive_until)
            )
        return members

    def ready(self, first: int, count: int) -> list[Waiting]:
        return _waiting(self._run(self._ready, first, count))

    def scheduled(self, first: int, count: int) -> list[Waiting]:
        found: Any = self.conn.zrange(
            self._prefix + "schedule", first, first + count - 1, withscores=True
        )
        return [Waiting(entry[1:], due) for entry, due in found]

    def remove(self, data: bytes) -> bool:
        return bool(self._run(self._remove, data))

    # Counting

    def queue_size(self) -> int:
        return sum(int(self.conn.llen(self.queue_key + lane.decode())) for lane in LANES)

    def held_count(self) -> int:
        consumers: Any = self.conn.smembers(self._prefix + "consumers")
        return sum(
            int(self.conn.llen(f"{self._prefix}held:{consumer.decode()}")) for consumer in consumers
        )

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        items: list[bytes] = []
        for lane in LANES:
            first = 0 if limit is None else -limit
            items += [
                entry[1:]
                for entry in self.conn.lrange(self.queue_key + lane.decode(), first, -1)[::-1]
            ]
        return items[:limit] if limit else items

    def flush_queue(self) -> None:
        self.conn.delete(*[self.queue_key + lane.decode() for lane in LANES])

    # Scheduling

    def add_to_schedule(self, data: bytes, ts: datetime, priority: int | None = None) -> None:
        self._run(self._schedule, _epoch(ts), _entry(data, priority))

    def read_schedule(self, ts: datetime) -> list[bytes]:
        while self._run(self._read_schedule, _epoch(ts)) == 500:
            continue
        return []

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        return [entry[1:] for entry in super().scheduled_items(limit)]

    # Dead letters

    def dead_letters(self, limit: int = 100, first: int = 0) -> list[DeadLetter]:
        letters = []
        for letter in (
            self.conn.lrange(self._dead_key, first, first + limit - 1) if limit > 0 else []
        ):
            id_, at, reason, entry = letter.split(b"\n", 3)
            letters.append(
                DeadLetter(id=id_.decode(), data=entry[1:], reason=reason.decode(), at=float(at))
            )
        return letters

    def dead_count(self) -> int:
        return int(self.conn.llen(self._dead_key))

    def replay(self, *letter_ids: str) -> int:
        return int(self._run(self._take_dead, self._now(), *letter_ids))

    def discard(self, *letter_ids: str) -> int:
        return int(self._run(self._take_dead, "", *letter_ids))

    def _run(self, script: Any, *arguments: Any) -> Any:
        return script(keys=[self._prefix], args=arguments)


def _pool(url: str, socket_timeout: float, connect_timeout: float) -> redis.ConnectionPool:
    """One retry at once, over a new connection, when the old one has gone away while it idled or leads to a server that is
    a replica now; none for a server that is silent.
    """
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError, redis.ReadOnlyError))
    return redis.ConnectionPool.from_url(
        url,
        socket_timeout=socket_timeout,
        socket_connect_timeout=connect_timeout,
        retry=retry,
        health_check_interval=30,
    )


def _entry(data: bytes, priority: int | None) -> bytes:
    return (b"1" if (priority or 0) > 0 else b"0") + data


def _waiting(answer: Sequence[bytes]) -> list[Waiting]:
    """Of entries and times by turns."""
    return [
        Waiting(entry[1:], float(at) if at else None)
        for entry, at in zip(answer[::2], answer[1::2], strict=True)
    ]


def _epoch(moment: datetime) -> float:
    """Seconds since 1970; Huey's own times are UTC without a zone."""
    return moment.replace(tzinfo=UTC).timestamp()


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
