"""SQLite: a claimed message stays in its row, marked with its holder, until its task has run.

The queue lives in a file of its own, so that it never waits for the application's transactions. Processes on one
machine share it; a thread looks every 50 ms (up to 200 ms when idle) on behalf of all threads of its consumer.
"""

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar

from huey.storage import SqliteStorage

from delivery.storage import MAX_DELIVERIES, Claim, DeadLetter

SHORTEST_POLL, LONGEST_POLL = 0.02, 0.2  # seconds between two looks at an empty queue
SHORTEST_TURN = 2.0  # seconds that a claim without a wait still gives the thread before it

MESSAGE = """create table if not exists message (
    id integer not null primary key autoincrement, queue text not null, data blob not null,
    priority integer not null default 0, holder text, deliveries integer not null default 0)"""
MESSAGE_INDEX = "create index if not exists message_ready on message (queue, priority desc, id) where holder is null"
HELD_INDEX = "create index if not exists message_held on message (queue, holder) where holder is not null"
CONSUMER = """create table if not exists consumer (
    queue text not null, id text not null, alive_until real not null, primary key (queue, id))"""
ONCE = """create table if not exists once (
    queue text not null, key text not null, until real not null, primary key (queue, key))"""
DEAD = """create table if not exists dead_letter (
    id integer not null primary key autoincrement, queue text not null, data blob not null, reason text not null)"""
PRIORITY = "priority integer not null default 0"
SCHEDULE = SqliteStorage.table_sched.replace("timestamp real not null", f"timestamp real not null, {PRIORITY}")


class ReliableSqliteStorage(SqliteStorage):
    """Huey's SQLite storage with held messages instead of removed ones. One instance is one consumer."""

    blocking = True
    faults = (sqlite3.Error, OSError)
    begin_sql = "begin immediate"
    ddl: ClassVar = [
        SqliteStorage.table_kv, SqliteStorage.table_counter, SCHEDULE, SqliteStorage.index_sched,
        MESSAGE, MESSAGE_INDEX, HELD_INDEX, CONSUMER, ONCE, DEAD,
    ]  # fmt: skip

    def __init__(self, name: str, *, filename: str) -> None:
        self.consumer = uuid.uuid4().hex
        self._turn = threading.Lock()
        self._woken = threading.Event()
        super().__init__(name, filename=filename, timeout=5)

    def _create_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = super()._create_connection()
        connection.execute("pragma synchronous = normal")  # survives a killed process; the application's rows are the ledger
        return connection

    # Producing

    def enqueue(self, data: bytes, priority: int | None = None) -> None:
        self.enqueue_many([(data, priority or 0)])

    def enqueue_many(self, messages: Iterable[tuple[bytes, int]]) -> None:
        rows = [(self.name, data, priority) for data, priority in messages]
        with self.db(commit=True) as cursor:
            cursor.executemany("insert into message (queue, data, priority) values (?, ?, ?)", rows)

    def enqueue_once(self, key: str, data: bytes, seconds: int) -> bool:
        now = time.time()
        with self.db(commit=True) as cursor:
            cursor.execute("delete from once where queue = ? and until < ?", (self.name, now))
            cursor.execute("insert or ignore into once values (?, ?, ?)", (self.name, key, now + seconds))
            if cursor.rowcount == 0:
                return False
            cursor.execute("insert into message (queue, data) values (?, ?)", (self.name, data))
        return True

    # Consuming

    def claim(self, timeout: float) -> Claim | None:
        deadline = time.monotonic() + timeout
        if not self._turn.acquire(timeout=max(timeout, SHORTEST_TURN)):
            return None
        try:
            pause = SHORTEST_POLL
            while (claim := self._claim_ready()) is None:
                if self._woken.wait(min(pause, max(deadline - time.monotonic(), 0))) or time.monotonic() >= deadline:
                    return None
                pause = min(pause * 1.5, LONGEST_POLL)
            return claim
        finally:
            self._turn.release()

    def _claim_ready(self) -> Claim | None:
        ready = "select id from message where queue = ? and holder is null order by priority desc, id limit 1"
        if not self.sql(ready, (self.name,), results=True):  # a look that takes no lock
            return None
        with self.db(commit=True) as cursor:
            cursor.execute(f"update message set holder = ? where id = ({ready}) returning id, data", (self.consumer, self.name))
            row = cursor.fetchone()
        return None if row is None else Claim(data=row[1], receipt=row[0])

    def acknowledge(self, claim: Claim) -> None:
        self.sql("delete from message where id = ? and holder = ?", (claim.receipt, self.consumer), commit=True)

    def release(self, claim: Claim) -> None:
        statement = "update message set holder = null where id = ? and holder = ?"
        self.sql(statement, (claim.receipt, self.consumer), commit=True)

    def bury(self, claim: Claim, reason: str) -> None:
        with self.db(commit=True) as cursor:
            cursor.execute("delete from message where id = ? and holder = ?", (claim.receipt, self.consumer))
            if cursor.rowcount:
                self._insert_dead(cursor, claim.data, reason)

    def _insert_dead(self, cursor: Any, data: bytes, reason: str) -> None:
        cursor.execute("insert into dead_letter (queue, data, reason) values (?, ?, ?)", (self.name, data, reason))

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        query = "select data, reason from dead_letter where queue = ? order by id desc limit ?"
        return [DeadLetter(data, reason) for data, reason in self.sql(query, (self.name, limit), results=True)]

    def dead_count(self) -> int:
        return int(self.sql("select count(*) from dead_letter where queue = ?", (self.name,), results=True)[0][0])

    # Living and dying

    def beat(self, ttl: float) -> None:
        values = (self.name, self.consumer, time.time() + ttl)
        self.sql("insert or replace into consumer values (?, ?, ?)", values, commit=True)

    def recover(self) -> int:
        alive = "select id from consumer where queue = ? and alive_until >= ?"
        silent = f"queue = ? and holder is not null and holder not in ({alive})"
        values = (self.name, self.name, time.time())
        if not self.sql(f"select 1 from message where {silent} limit 1", values, results=True):
            return 0
        with self.db(commit=True) as cursor:
            cursor.execute(f"update message set holder = null, deliveries = deliveries + 1 where {silent}", values)
            returned: int = cursor.rowcount
            poisoned = "queue = ? and holder is null and deliveries >= ?"
            cursor.execute(f"select data from message where {poisoned}", (self.name, MAX_DELIVERIES))
            for (data,) in cursor.fetchall():
                self._insert_dead(cursor, data, f"its consumer died {MAX_DELIVERIES} times while running it")
            cursor.execute(f"delete from message where {poisoned}", (self.name, MAX_DELIVERIES))
            cursor.execute("delete from consumer where queue = ? and alive_until < ?", (self.name, time.time()))
        return returned

    def release_all(self) -> int:
        with self.db(commit=True) as cursor:
            cursor.execute("update message set holder = null where queue = ? and holder = ?", (self.name, self.consumer))
            returned: int = cursor.rowcount
            cursor.execute("delete from consumer where queue = ? and id = ?", (self.name, self.consumer))
        return returned

    def own_receipts(self) -> list[Any]:
        query = "select id from message where queue = ? and holder = ?"
        return [receipt for (receipt,) in self.sql(query, (self.name, self.consumer), results=True)]

    def wake(self) -> None:
        self._woken.set()

    # Counting

    def queue_size(self) -> int:
        query = "select count(*) from message where queue = ? and holder is null"
        return int(self.sql(query, (self.name,), results=True)[0][0])

    def held_count(self) -> int:
        query = "select count(*) from message where queue = ? and holder is not null"
        return int(self.sql(query, (self.name,), results=True)[0][0])

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        query = "select data from message where queue = ? and holder is null order by priority desc, id limit ?"
        return [data for (data,) in self.sql(query, (self.name, -1 if limit is None else limit), results=True)]

    def flush_queue(self) -> None:
        self.sql("delete from message where queue = ?", (self.name,), commit=True)

    # Scheduling

    def add_to_schedule(self, data: bytes, ts: datetime, priority: int | None = None) -> None:
        statement = "insert into schedule (queue, data, timestamp, priority) values (?, ?, ?, ?)"
        self.sql(statement, (self.name, data, _epoch(ts), priority or 0), commit=True)

    def read_schedule(self, ts: datetime) -> list[bytes]:
        """Move what is due to the queue in one transaction; nothing passes through the caller, so nothing can be lost."""
        due = "from schedule where queue = ? and timestamp <= ?"
        values = (self.name, _epoch(ts))
        if self.sql(f"select 1 {due} limit 1", values, results=True):
            with self.db(commit=True) as cursor:
                columns = "queue, data, priority"
                cursor.execute(f"insert into message ({columns}) select {columns} {due} order by timestamp, id", values)
                cursor.execute(f"delete {due}", values)
        return []


def _epoch(moment: datetime) -> float:
    """Seconds since 1970; Huey's own times are UTC without a zone."""
    return moment.replace(tzinfo=UTC).timestamp()
