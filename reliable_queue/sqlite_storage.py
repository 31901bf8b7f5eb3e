"""SQLite storage: a claimed message stays in its row, marked with its holder.

The row is deleted when the task has run. The queue has a file of its own, so that it never waits
for the application's transactions. Processes on one machine share it; one thread looks every 20 ms
(up to 200 ms when idle) on behalf of all threads of its consumer.
"""

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar

from huey.storage import SqliteStorage

from reliable_queue.poll_lock import PollLock
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

SHORTEST_POLL, LONGEST_POLL = 0.02, 0.2  # seconds between two looks at an empty queue

MESSAGE = """create table if not exists message (
    id integer not null primary key autoincrement, queue text not null, data blob not null,
    priority integer not null default 0, holder text, deliveries integer not null default 0,
    ready_at real)"""
# For files of the version before, whose messages have none
READY_AT = "alter table message add column ready_at real"
MESSAGE_INDEX = (
    "create index if not exists message_ready on message (queue, priority desc, id) "
    "where holder is null"
)
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
    id integer not null primary key autoincrement, queue text not null, data blob not null,
    priority integer not null, reason text not null, at real not null)"""
SCHEDULE = """create table if not exists schedule (
    id integer not null primary key, queue text not null, data blob not null,
    timestamp real not null, priority integer not null default 0,
    deliveries integer not null default 0)"""
TABLES = {
    "kv", "counter", "schedule", "message", "consumer", "consumer_info", "paused", "once",
    "dead_letter",
}  # fmt: skip

INSERT_MESSAGE = "insert into message (queue, data, priority, ready_at) values (?, ?, ?, ?)"
READY = "from message where queue = ? and holder is null"
SCHEDULED = "from schedule where queue = ?"
HEADS = f"""select * from (select data, ready_at {READY} and priority > 0
        order by priority desc, id limit 1)
    union all select * from (select data, ready_at {READY} and priority <= 0
        order by priority desc, id limit 1)
    union all select * from (select data, timestamp {SCHEDULED} and timestamp <= ?
        order by timestamp limit 1)"""
HELD = "from message where id = ? and holder = ?"  # by this consumer
COUNTED_COLUMNS = "queue, data, priority, deliveries"  # with which a message moves
DEAD_COLUMNS = "queue, data, priority"


class ReliableSqliteStorage(ReliableStorage, SqliteStorage):
    """Huey's SQLite storage with held messages instead of removed ones.

    One instance is one consumer. `now` returns seconds since 1970. The filename `:memory:` is for
    immediate mode: one process, nothing kept.
    """

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
        self._poll_lock = PollLock()
        super().__init__(name, filename=filename, timeout=5)

    def initialize_schema(self) -> None:
        """Create what is missing. The check takes no lock, which another process may hold."""
        tables = self.sql("select name from sqlite_master where type = 'table'", results=True)
        if TABLES - {name for (name,) in tables}:
            with self.db(commit=True) as cursor:  # Huey closes it, and with it a file in memory
                for statement in self.ddl:
                    cursor.execute(statement)
        with self.db() as cursor:
            if _has_ready_at(cursor):
                return
        with self.db(commit=True) as cursor:
            if not _has_ready_at(cursor):  # another process may have been quicker
                cursor.execute(READY_AT)

    def _create_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = super()._create_connection()
        # Survives a killed process; for a lost machine the application's rows are the ledger.
        connection.execute("pragma synchronous = normal")
        return connection

    # Producing

    def enqueue_many(self, messages: Iterable[tuple[bytes, int]]) -> None:
        now = self._now()
        rows = [(self.name, data, priority, now) for data, priority in messages]
        with self.db(commit=True) as cursor:
            cursor.executemany(INSERT_MESSAGE, rows)

    def enqueue_once(self, key: str, data: bytes, seconds: int, priority: int = 0) -> bool:
        now = time.time()
        with self.db(commit=True) as cursor:
            cursor.execute("delete from once where queue = ? and until < ?", (self.name, now))
            cursor.execute(
                "insert or ignore into once values (?, ?, ?)", (self.name, key, now + seconds)
            )
            if cursor.rowcount == 0:
                return False
            cursor.execute(INSERT_MESSAGE, (self.name, data, priority, self._now()))
        return True

    # Consuming

    def claim(self, timeout: float, done: Sequence[Claim] = ()) -> Claim | None:
        deadline = time.monotonic() + timeout
        claim = self._claim_ready(done)
        if claim is not None or timeout <= 0:
            return claim
        with self._poll_lock.take(timeout) as is_mine:
            pause = SHORTEST_POLL
            while is_mine and claim is None and (left := deadline - time.monotonic()) > 0:
                if self._poll_lock.ended.wait(min(pause, left)):
                    return None
                pause = min(pause * 1.5, LONGEST_POLL)
                claim = self._claim_ready()
        return claim

    def _claim_ready(self, done: Sequence[Claim] = ()) -> Claim | None:
        until_now = (self.name, self._now())
        due, columns = f"{SCHEDULED} and timestamp <= ?", COUNTED_COLUMNS
        if not done:  # a look that takes no lock
            look = (
                "select not exists (select 1 from paused where queue = ?) "
                f"and (exists (select 1 {READY}) "
                f"or exists (select 1 {due}))"
            )
            ((is_ready,),) = self.sql(look, (self.name, self.name, *until_now), results=True)
            if not is_ready:
                return None
        next_id = (
            f"select id from (select id {READY} order by priority desc, id limit 1) "
            "where not exists (select 1 from paused where queue = ?)"
        )
        with self.db(commit=True) as cursor:
            self._delete_held(cursor, done)
            moved = f"insert into message ({columns}, ready_at) select {columns}, timestamp {due}"
            cursor.execute(f"{moved} order by timestamp, id", until_now)
            if cursor.rowcount > 0:
                cursor.execute(f"delete {due}", until_now)
            cursor.execute(
                f"update message set holder = ? where id = ({next_id}) returning id, data",
                (self.consumer, self.name, self.name),
            )
            row = cursor.fetchone()
        return None if row is None else Claim(data=row[1], receipt=row[0])

    def acknowledge(self, *done: Claim) -> None:
        with self.db(commit=True) as cursor:
            self._delete_held(cursor, done)

    def _delete_held(self, cursor: Any, done: Sequence[Claim]) -> None:
        for claim in done:
            cursor.execute(f"delete {HELD}", (claim.receipt, self.consumer))

    def release(self, claim: Claim) -> None:
        self.sql(
            "update message set holder = null where id = ? and holder = ?",
            (claim.receipt, self.consumer),
            commit=True,
        )

    def snooze(self, claim: Claim, until: float) -> None:
        columns = COUNTED_COLUMNS
        statement = f"insert into schedule ({columns}, timestamp) select {columns}, ? {HELD}"
        with self.db(commit=True) as cursor:
            cursor.execute(statement, (until, claim.receipt, self.consumer))
            self._delete_held(cursor, [claim])

    def dead_letter(self, claim: Claim, reason: str) -> None:
        with self.db(commit=True) as cursor:
            self._dead_letter(cursor, reason, HELD, (claim.receipt, self.consumer))

    def _dead_letter(self, cursor: Any, reason: str, which: str, values: tuple[Any, ...]) -> None:
        cursor.execute(
            f"insert into dead_letter ({DEAD_COLUMNS}, reason, at) "
            f"select {DEAD_COLUMNS}, ?, ? {which}",
            (reason, self._now(), *values),
        )
        cursor.execute(f"delete {which}", values)
        newest = "select id from dead_letter where queue = ? order by id desc limit ?"
        if self._count(cursor, "dead_letter where queue = ?") > DEAD_LETTERS_KEPT:
            cursor.execute(
                f"delete from dead_letter where queue = ? and id not in ({newest})",
                (self.name, self.name, DEAD_LETTERS_KEPT),
            )

    # Living and dying

    def heartbeat(self, ttl: float, *, judge: bool = True, info: str = "") -> Heartbeat:
        sent = time.monotonic()
        this = (self.name, self.consumer)
        with self.db(commit=True) as cursor:
            cursor.execute(
                "insert or replace into consumer values (?, ?, ?)", (*this, time.time() + ttl)
            )
            cursor.execute("insert or replace into consumer_info values (?, ?, ?)", (*this, info))
            can_judge = judge and self._has_beaten and time.monotonic() - sent < ttl / 2
            moved = self._take_over_from_silent(cursor) if can_judge else 0
            cursor.execute("select id from message where queue = ? and holder = ?", this)
            held = [receipt for (receipt,) in cursor]
        self._has_beaten = True
        return Heartbeat(taken_over=moved, held=held)

    def _take_over_from_silent(self, cursor: Any) -> int:
        """Put back what silent consumers hold, and forget those; return the number."""
        now = time.time()
        cursor.execute(
            "update message set deliveries = deliveries + 1, holder = null "
            "where queue = ? and holder is not null and holder not in "
            "(select id from consumer where queue = ? and alive_until >= ?)",
            (self.name, self.name, now),
        )
        moved: int = cursor.rowcount
        if moved:
            which = f"{READY} and deliveries >= ?"
            self._dead_letter(cursor, DIED, which, (self.name, MAX_DELIVERIES))
        cursor.execute("delete from consumer where queue = ? and alive_until < ?", (self.name, now))
        cursor.execute(
            "delete from consumer_info where queue = ? "
            "and id not in (select id from consumer where queue = ?)",
            (self.name, self.name),
        )
        return moved

    def release_all(self) -> int:
        this = (self.name, self.consumer)
        with self.db(commit=True) as cursor:
            cursor.execute("update message set holder = null where queue = ? and holder = ?", this)
            returned: int = cursor.rowcount
            for table in ("consumer", "consumer_info"):
                cursor.execute(f"delete from {table} where queue = ? and id = ?", this)
        return returned

    def wake(self) -> None:
        self._poll_lock.end()

    def pause(self) -> None:
        self.sql("insert or ignore into paused values (?)", (self.name,), commit=True)

    def resume(self) -> None:
        """Allow claims; waiting ones look within LONGEST_POLL."""
        self.sql("delete from paused where queue = ?", (self.name,), commit=True)

    def is_paused(self) -> bool:
        return bool(self.sql("select 1 from paused where queue = ?", (self.name,), results=True))

    # Looking

    def stats(self) -> QueueStats:
        with self.db() as cursor:
            cursor.execute("begin")  # all of one moment
            try:
                heads = cursor.execute(HEADS, (*[self.name] * 3, self._now())).fetchall()
                return QueueStats(
                    ready=self._count(cursor, "message where queue = ? and holder is null"),
                    held=self._count(cursor, "message where queue = ? and holder is not null"),
                    scheduled=self._count(cursor, "schedule where queue = ?"),
                    dead=self._count(cursor, "dead_letter where queue = ?"),
                    consumers=self._count(
                        cursor, "consumer where queue = ? and alive_until >= ?", time.time()
                    ),
                    is_paused=bool(self._count(cursor, "paused where queue = ?")),
                    heads=[Waiting(*row) for row in heads],
                )
            finally:
                cursor.execute("rollback")

    def _count(self, cursor: Any, rows: str, *values: Any) -> int:
        query = f"select count(*) from {rows}"
        return int(cursor.execute(query, (self.name, *values)).fetchone()[0])

    def consumers(self) -> list[ConsumerInfo]:
        query = """select id, coalesce(info, ''), alive_until
            from consumer left join consumer_info using (queue, id)
            where queue = ? and alive_until >= ? union all
            select distinct holder, '', null from message where queue = ? and holder is not null
            and holder not in (select id from consumer where queue = ? and alive_until >= ?)"""
        held = "select data from message where queue = ? and holder = ? order by id limit ?"
        now = time.time()
        with self.db() as cursor:
            members = cursor.execute(query, (self.name, now, self.name, self.name, now)).fetchall()
            return [
                ConsumerInfo(
                    id=id_,
                    info=info,
                    held=[data for (data,) in cursor.execute(held, (self.name, id_, HELD_SHOWN))],
                    alive_until=alive_until,
                )
                for id_, info, alive_until in members
            ]

    def ready(self, offset: int, count: int) -> list[Waiting]:
        return self._waiting(
            f"select data, ready_at {READY} order by priority desc, id", offset, count
        )

    def scheduled(self, offset: int, count: int) -> list[Waiting]:
        return self._waiting(
            f"select data, timestamp {SCHEDULED} order by timestamp, id", offset, count
        )

    def _waiting(self, query: str, offset: int, count: int) -> list[Waiting]:
        rows = self.sql(f"{query} limit ? offset ?", (self.name, count, offset), results=True)
        return [Waiting(data, at) for data, at in rows]

    def remove(self, data: bytes) -> bool:
        with self.db(commit=True) as cursor:
            for table, rows in (("message", READY), ("schedule", SCHEDULED)):
                found = f"select id {rows} and data = ? limit 1"
                cursor.execute(f"delete from {table} where id = ({found})", (self.name, data))
                if cursor.rowcount:
                    return True
        return False

    def flush_queue(self) -> None:
        self.sql("delete from message where queue = ?", (self.name,), commit=True)

    # Scheduling

    def add_to_schedule(self, data: bytes, ts: datetime, priority: int | None = None) -> None:
        self.sql(
            "insert into schedule (queue, data, timestamp, priority) values (?, ?, ?, ?)",
            (self.name, data, epoch(ts), priority or 0),
            commit=True,
        )

    # Dead letters

    def dead_letters(self, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        query = "select id, data, reason, at from dead_letter where queue = ? order by id desc"
        rows = self.sql(f"{query} limit ? offset ?", (self.name, limit, offset), results=True)
        return [DeadLetter(str(id_), data, reason, at) for id_, data, reason, at in rows]

    def replay(self, *letter_ids: str) -> int:
        return self._take_dead(
            letter_ids,
            f"insert into message ({DEAD_COLUMNS}, ready_at) "
            f"select {DEAD_COLUMNS}, {float(self._now())!r}",
        )

    def discard(self, *letter_ids: str) -> int:
        return self._take_dead(letter_ids)

    def _take_dead(self, letter_ids: Sequence[str], copy: str | None = None) -> int:
        which = "from dead_letter where queue = ? and id in (select value from json_each(?))"
        values = (self.name, json.dumps(letter_ids))
        with self.db(commit=True) as cursor:
            if copy is not None:
                cursor.execute(f"{copy} {which} order by id", values)
            cursor.execute(f"delete {which}", values)
            return int(cursor.rowcount)


def _has_ready_at(cursor: Any) -> bool:
    return "ready_at" in {column[1] for column in cursor.execute("pragma table_info(message)")}
