"""SQLite: a claimed message stays in its row, marked with its holder, until its task has run.

The queue lives in a file of its own, so that it never waits for the application's transactions. Processes on one
machine share it; one thread looks every 20 ms (up to 200 ms when idle) on behalf of all threads of its consumer.
"""

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from huey.storage import SqliteStorage

from reliable_queue.poll_lock import PollLock
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

SHORTEST_POLL, LONGEST_POLL = 0.02, 0.2  # seconds between two looks at an empty queue

MESSAGE = """create table if not exists message (
    id integer not null primary key autoincrement, queue text not null, data blob not null,
    priority integer not null default 0, holder text, deliveries integer not null default 0, ready_at real)"""
READY_AT = "alter table message add column ready_at real"  # to files of the version before, whose messages have none
MESSAGE_INDEX = "create index if not exists message_ready on message (queue, priority desc, id) where holder is null"
HELD_INDEX = (
    "create index if not exists message_held on message (queue, holder) where holder is not null"
)
CONSUMER = """create table if not exists consumer (
    queue text not null, id text not null, alive_until real not null, primary key (queue, id))"""
CONSUMER_INFO = """create table if not exists consumer_info (
    queue text not null, id text not null, info text not null, primary key (queue, id))"""
PAUSED = "create table if not exists paused (queue text not null primary key)"
ONCE = """create table if not exists once (
    queue text not null, key text not null, until real not null, primary key (queue, key))"""
DEAD = """create table if not exists dead_letter (
    id integer not null primary key autoincrement, queue text not null, data blob not null, priority integer not null,
    reason text not null, at real not null)"""
SCHEDULE = """create table if not exists schedule (
    id integer not null primary key, queue text not null, data blob not null, timestamp real not null,
    priority integer not null default 0, deliveries integer not null default 0)"""

DEAD_COLUMNS = "queue, data, priority"  # what a message keeps of itself
TABLES = {
    "kv",
    "counter",
    "schedule",
    "message",
    "consumer",
    "consumer_info",
    "paused",
    "once",
    "dead_letter",
}


class ReliableSqliteStorage(SqliteStorage):
    """Huey's SQLite storage with held messages instead of removed ones. One instance is one consumer.

    `now` gives seconds since 1970.
    """

    blocking = True
    faults = (sqlite3.Error, OSError)
    begin_sql = "begin immediate"
    ddl: ClassVar = [
        SqliteStorage.table_kv, SqliteStorage.table_counter, SCHEDULE, SqliteStorage.index_sched,
        MESSAGE, MESSAGE_INDEX, HELD_INDEX, CONSUMER, CONSUMER_INFO, PAUSED, ONCE, DEAD,
    ]  # fmt: skip

    def __init__(self, name: str, *, filename: str, now: Callable[[], float] = time.time) -> None:
        self.consumer = uuid.uuid4().hex
        self._now = now
        self._has_beaten = False
        self._turns = PollLock()
        super().__init__(name, filename=filename, timeout=5)

    def initialize_schema(self) -> None:
        """Only what is missing is made: a look takes no lock, so that a process can start while another holds it."""
        tables = {
            name
            for (name,) in self.sql(
                "select name from sqlite_master where type = 'table'", results=True
            )
        }
        if TABLES - tables:
            super().initialize_schema()
        with self.db() as cursor:
            if self._knows_since_when(cursor):
                return
        with self.db(commit=True) as cursor:
            if not self._knows_since_when(cursor):  # another process may have been quicker
                cursor.execute(READY_AT)

    def _knows_since_when(self, cursor: Any) -> bool:
        return "ready_at" in {column[1] for column in cursor.execute("pragma table_info(message)")}

    def _create_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = super()._create_connection()
        connection.execute(
            "pragma synchronous = normal"
        )  # survives a killed process; the application's rows are the ledger
        return connection

    # Producing

    def enqueue(self, data: bytes, priority: int | None = None) -> None:
        self.enqueue_many([(data, priority or 0)])

    def enqueue_many(self, messages: Iterable[tuple[bytes, int]]) -> None:
        now = self._now()
        rows = [(self.name, data, priority, now) for data, priority in messages]
        with self.db(commit=True) as cursor:
            cursor.executemany(
                "insert into message (queue, data, priority, ready_at) values (?, ?, ?, ?)", rows
            )

    def enqueue_once(self, key: str, data: bytes, seconds: int, priority: int = 0) -> bool:
        now = time.time()
        with self.db(commit=True) as cursor:
            cursor.execute("delete from once where queue = ? and until < ?", (self.name, now))
            cursor.execute(
                "insert or ignore into once values (?, ?, ?)", (self.name, key, now + seconds)
            )
            if cursor.rowcount == 0:
                return False
            row = (self.name, data, priority, self._now())
            cursor.execute(
                "insert into message (queue, data, priority, ready_at) values (?, ?, ?, ?)", row
            )
        return True

    # Consuming

    def claim(self, timeout: float, done: Sequence[Claim] = ()) -> Claim | None:
        deadline = time.monotonic() + timeout
        claim = self._claim_ready(done)
        if claim is not None or timeout <= 0:
            return claim
        with self._turns.take(timeout) as mine:
            pause = SHORTEST_POLL
            while mine and claim is None and (left := deadline - time.monotonic()) > 0:
                if self._turns.ended.wait(min(pause, left)):
                    return None
                pause = min(pause * 1.5, LONGEST_POLL)
                claim = self._claim_ready()
        return claim

    def _claim_ready(self, done: Sequence[Claim] = ()) -> Claim | None:
        due = (self.name, self._now())
        if not done:  # a look that takes no lock
            ready = "select 1 from message where queue = ? and holder is null"
            look = f"select exists ({ready}) or exists (select 1 from schedule where queue = ? and timestamp <= ?)"
            may = "select not exists (select 1 from paused where queue = ?)"
            if not self.sql(f"{may} and ({look})", (self.name, self.name, *due), results=True)[0][
                0
            ]:
                return None
        with self.db(commit=True) as cursor:
            for claim in done:
                self._delete_held(cursor, claim)
            self._make_due_ready(cursor, *due)
            first = "select id from message where queue = ? and holder is null order by priority desc, id limit 1"
            first = (
                f"select id from ({first}) where not exists (select 1 from paused where queue = ?)"
            )
            values = (self.consumer, self.name, self.name)
            cursor.execute(
                f"update message set holder = ? where id = ({first}) returning id, data", values
            )
            row = cursor.fetchone()
        return None if row is None else Claim(data=row[1], receipt=row[0])

    def acknowledge(self, *done: Claim) -> None:
        with self.db(commit=True) as cursor:
            for claim in done:
                self._delete_held(cursor, claim)

    def _delete_held(self, cursor: Any, claim: Claim) -> None:
        cursor.execute(
            "delete from message where id = ? and holder = ?", (claim.receipt, self.consumer)
        )

    def release(self, claim: Claim) -> None:
        statement = "update message set holder = null where id = ? and holder = ?"
        self.sql(statement, (claim.receipt, self.consumer), commit=True)

    def snooze(self, claim: Claim, until: float) -> None:
        columns, held = (
            "queue, data, priority, deliveries",
            "from message where id = ? and holder = ?",
        )
        with self.db(commit=True) as cursor:
            statement = f"insert into schedule ({columns}, timestamp) select {columns}, ? {held}"
            cursor.execute(statement, (until, claim.receipt, self.consumer))
            cursor.execute(f"delete {held}", (claim.receipt, self.consumer))

    def dead_letter(self, claim: Claim, reason: str) -> None:
        with self.db(commit=True) as cursor:
            self._put_aside(cursor, reason, "id = ? and holder = ?", (claim.receipt, self.consumer))

    def _put_aside(self, cursor: Any, reason: str, which: str, values: tuple[Any, ...]) -> None:
        columns = "insert into dead_letter (queue, data, priority, reason, at) select queue, data, priority, ?, ?"
        cursor.execute(f"{columns} from message where {which}", (reason, self._now(), *values))
        cursor.execute(f"delete from message where {which}", values)
        newest = "select id from dead_letter where queue = ? order by id desc limit ?"
        statement = f"delete from dead_letter where queue = ? and id not in ({newest})"
        if self._dead_count(cursor) > DEAD_LETTERS_KEPT:
            cursor.execute(statement, (self.name, self.name, DEAD_LETTERS_KEPT))

    # Living and dying

    def heartbeat(self, ttl: float, *, judge: bool = True, info: str = "") -> Heartbeat:
        sent = time.monotonic()
        with self.db(commit=True) as cursor:
            cursor.execute(
                "insert or replace into consumer values (?, ?, ?)",
                (self.name, self.consumer, time.time() + ttl),
            )
            cursor.execute(
                "insert or replace into consumer_info values (?, ?, ?)",
                (self.name, self.consumer, info),
            )
            may = judge and self._has_beaten and time.monotonic() - sent < ttl / 2
            moved = self._put_back_from_silent(cursor) if may else 0
            cursor.execute(
                "select id from message where queue = ? and holder = ?", (self.name, self.consumer)
            )
            held = [receipt for (receipt,) in cursor.fetchall()]
        self._has_beaten = True
        return Heartbeat(taken_over=moved, held=held)

    def _put_back_from_silent(self, cursor: Any) -> int:
        alive = "select id from consumer where queue = ? and alive_until >= ?"
        silent = f"queue = ? and holder is not null and holder not in ({alive})"
        values = (self.name, self.name, time.time())
        cursor.execute(
            f"update message set deliveries = deliveries + 1, holder = null where {silent}", values
        )
        moved: int = cursor.rowcount
        if moved:
            reason = f"its consumer died {MAX_DELIVERIES} times while running it"
            self._put_aside(
                cursor,
                reason,
                "queue = ? and holder is null and deliveries >= ?",
                (self.name, MAX_DELIVERIES),
            )
        cursor.execute(
            "delete from consumer where queue = ? and alive_until < ?", (self.name, time.time())
        )
        known = "select id from consumer where queue = ?"
        cursor.execute(
            f"delete from consumer_info where queue = ? and id not in ({known})",
            (self.name, self.name),
        )
        return moved

    def release_all(self) -> int:
        with self.db(commit=True) as cursor:
            cursor.execute(
                "update message set holder = null where queue = ? and holder = ?",
                (self.name, self.consumer),
            )
            returned: int = cursor.rowcount
            for table in ("consumer", "consumer_info"):
                cursor.execute(
                    f"delete from {table} where queue = ? and id = ?", (self.name, self.consumer)
                )
        return returned

    def wake(self) -> None:
        self._turns.end()

    def pause(self) -> None:
        self.sql("insert or ignore into paused values (?)", (self.name,), commit=True)

    def resume(self) -> None:
        """Who waits looks within LONGEST_POLL."""
        self.sql("delete from paused where queue = ?", (self.name,), commit=True)

    def is_paused(self) -> bool:
        return bool(self.sql("select 1 from paused where queue = ?", (self.name,), results=True))

    # Looking

    def stats(self) -> QueueStats:
        with self.db() as cursor:
            cursor.execute("begin")  # all of one moment
            try:
                return self._standing(cursor)
            finally:
                cursor.execute("rollback")

    def _standing(self, cursor: Any) -> QueueStats:
        def one(query: str, *values: Any) -> int:
            return int(cursor.execute(query, (self.name, *values)).fetchone()[0])

        first = []
        for lane in ("priority > 0", "priority <= 0"):
            query = (
                f"select data, ready_at from message where queue = ? and holder is null and {lane}"
            )
            first += cursor.execute(
                f"{query} order by priority desc, id limit 1", (self.name,)
            ).fetchall()
        due = "select data, timestamp from schedule where queue = ? and timestamp <= ? order by timestamp limit 1"
        first += cursor.execute(due, (self.name, self._now())).fetchall()
        return QueueStats(
            ready=one("select count(*) from message where queue = ? and holder is null"),
            held=one("select count(*) from message where queue = ? and holder is not null"),
            scheduled=one("select count(*) from schedule where queue = ?"),
            dead=self._dead_count(cursor),
            consumers=one(
                "select count(*) from consumer where queue = ? and alive_until >= ?", time.time()
            ),
            is_paused=bool(one("select count(*) from paused where queue = ?")),
            first=[Waiting(*row) for row in first],
        )

    def consumers(self) -> list[ConsumerInfo]:
        query = """select id, coalesce(info, ''), alive_until from consumer left join consumer_info using (queue, id)
            where queue = ? and alive_until >= ? union all
            select distinct holder, '', null from message where queue = ? and holder is not null
            and holder not in (select id from consumer where queue = ? and alive_until >= ?)"""
        now = time.time()
        with self.db() as cursor:
            members = cursor.execute(query, (self.name, now, self.name, self.name, now)).fetchall()
            return [
                ConsumerInfo(id_, info, self._held_by(cursor, id_), alive_until)
                for id_, info, alive_until in members
            ]

    def _held_by(self, cursor: Any, consumer: str) -> list[bytes]:
        query = "select data from message where queue = ? and holder = ? order by id limit ?"
        return [data for (data,) in cursor.execute(query, (self.name, consumer, HELD_SHOWN))]

    def ready(self, first: int, count: int) -> list[Waiting]:
        query = "select data, ready_at from message where queue = ? and holder is null order by priority desc, id"
        return self._waiting(query, first, count)

    def scheduled(self, first: int, count: int) -> list[Waiting]:
        return self._waiting(
            "select data, timestamp from schedule where queue = ? order by timestamp, id",
            first,
            count,
        )

    def _waiting(self, query: str, first: int, count: int) -> list[Waiting]:
        rows = self.sql(f"{query} limit ? offset ?", (self.name, count, first), results=True)
        return [Waiting(data, at) for data, at in rows]

    def remove(self, data: bytes) -> bool:
        ready = "select id from message where queue = ? and holder is null and data = ? limit 1"
        scheduled = "select id from schedule where queue = ? and data = ? limit 1"
        with self.db(commit=True) as cursor:
            for table, which in (("message", ready), ("schedule", scheduled)):
                cursor.execute(f"delete from {table} where id = ({which})", (self.name, data))
                if cursor.rowcount:
                    return True
        return False

    # Counting

    def queue_size(self) -> int:
        query = "select count(*) from message where queue = ? and holder is null"
        return int(self.sql(query, (self.name,), results=True)[0][0])

    def held_count(self) -> int:
        query = "select count(*) from message where queue = ? and holder is not null"
        return int(self.sql(query, (self.name,), results=True)[0][0])

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        query = "select data from message where queue = ? and holder is null order by priority desc, id limit ?"
        return [
            data
            for (data,) in self.sql(
                query, (self.name, -1 if limit is None else limit), results=True
            )
        ]

    def flush_queue(self) -> None:
        self.sql("delete from message where queue = ?", (self.name,), commit=True)

    # Scheduling

    def add_to_schedule(self, data: bytes, ts: datetime, priority: int | None = None) -> None:
        statement = "insert into schedule (queue, data, timestamp, priority) values (?, ?, ?, ?)"
        self.sql(statement, (self.name, data, _epoch(ts), priority or 0), commit=True)

    def read_schedule(self, ts: datetime) -> list[bytes]:
        with self.db(commit=True) as cursor:
            self._make_due_ready(cursor, self.name, _epoch(ts))
        return []

    def _make_due_ready(self, cursor: Any, queue: str, now: float) -> None:
        due = "from schedule where queue = ? and timestamp <= ?"
        columns = "queue, data, priority, deliveries"
        moved = f"insert into message ({columns}, ready_at) select {columns}, timestamp {due} order by timestamp, id"
        cursor.execute(moved, (queue, now))
        if cursor.rowcount > 0:
            cursor.execute(f"delete {due}", (queue, now))

    # Dead letters

    def dead_letters(self, limit: int = 100, first: int = 0) -> list[DeadLetter]:
        query = "select id, data, reason, at from dead_letter where queue = ? order by id desc limit ? offset ?"
        rows = self.sql(query, (self.name, limit, first), results=True)
        return [DeadLetter(str(id_), data, reason, at) for id_, data, reason, at in rows]

    def dead_count(self) -> int:
        with self.db() as cursor:
            return self._dead_count(cursor)

    def _dead_count(self, cursor: Any) -> int:
        return int(
            cursor.execute(
                "select count(*) from dead_letter where queue = ?", (self.name,)
            ).fetchone()[0]
        )

    def replay(self, *letter_ids: str) -> int:
        now = float(self._now())
        return self._take_dead(
            letter_ids,
            f"insert into message ({DEAD_COLUMNS}, ready_at) select {DEAD_COLUMNS}, {now!r}",
        )

    def discard(self, *letter_ids: str) -> int:
        return self._take_dead(letter_ids)

    def _take_dead(self, letter_ids: Sequence[str], first: str | None = None) -> int:
        which = "from dead_letter where queue = ? and id in (select value from json_each(?))"
        values = (self.name, json.dumps(letter_ids))
        with self.db(commit=True) as cursor:
            if first is not None:
                cursor.execute(f"{first} {which} order by id", values)
            cursor.execute(f"delete {which}", values)
            return int(cursor.rowcount)


def _epoch(moment: datetime) -> float:
    """Seconds since 1970; Huey's own times are UTC without a zone."""
    return moment.replace(tzinfo=UTC).timestamp()
