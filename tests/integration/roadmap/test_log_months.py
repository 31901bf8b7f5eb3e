"""The execution log by months: migrated, made ahead and dropped, with a ledger that closes."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import peewee
import psycopg2
import pytest
from playhouse.migrations import Runner

from core import clock
from core.backends import open_migration_database
from core.db import database, session, settings, transaction
from core.ids import EPOCH, first_id, new_id
from core.migrate import DIRECTORY
from models.records import ExecutionLog, ExpiredLogRecord, LogSource
from roadmap.operations import execution_log, log_retention
from roadmap.operations.execution_log import (
    Buffer,
    LogLedger,
    ledger,
    month_after,
    month_of,
    store_batch,
)
from tasks import upkeep
from tasks.queues import logs_queue
from testing.logbook import (
    MODES,
    ask,
    counts_of,
    document,
    entry,
    id_at,
    own_database,
    partition_of,
    stored,
)
from testing.servers import Postgres
from testing.waiting import HANG, wait_until

DAYS = 90
BEFORE, DEFAULT = "execution_log_before", "execution_log_default"
INDEXES_OF_EACH = 7


@pytest.fixture(params=MODES)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty log in a database of its own; gives the mode."""
    server = request.getfixturevalue("postgres") if request.param == "server" else None
    with own_database(tmp_path, server):
        yield request.param


@pytest.fixture
def months(postgres: Postgres, tmp_path: Path) -> Iterator[None]:
    """The same on PostgreSQL."""
    with own_database(tmp_path, postgres):
        yield


def travel_to(moment: datetime) -> None:
    clock.travel(moment - clock.now())


def made_at(id_: UUID) -> datetime:
    return EPOCH + timedelta(milliseconds=id_.int >> 80)


def months_from_now(number: int) -> datetime:
    """The first moment of a month."""
    month = month_of(clock.now())
    for _ in range(number):
        month = month_after(month)
    return month


class Process:
    """A process that numbers its records and sends them in batches."""

    def __init__(self) -> None:
        self.id, self.numbered = new_id().hex, 0

    def send(self, records: list[dict[str, Any]]) -> None:
        self.numbered += len(records)
        store_batch(
            records, {"id": self.id, "service": "api", "last_seq": self.numbered, "dropped": 0}
        )


class TestMonths:
    def test_the_first_id_of_a_moment_divides_what_is_made_before_from_what_is_made_after(
        self,
    ) -> None:
        moment = datetime(2026, 11, 30, 23, 59, 59, 999_000, tzinfo=UTC)
        assert id_at(moment - timedelta(milliseconds=1)) < first_id(moment) < id_at(moment)
        assert made_at(id_at(moment)) == moment

    def test_months_begin_in_utc_and_follow_each_other_over_the_year(self) -> None:
        assert month_of(datetime.fromisoformat("2026-12-01T00:30:00+01:00")) == datetime(
            2026, 11, 1, tzinfo=UTC
        )
        assert month_after(datetime(2026, 1, 31, tzinfo=UTC)) == datetime(2026, 2, 1, tzinfo=UTC)
        assert month_after(datetime(2026, 12, 1, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)

    def test_ids_travel_with_the_clock(self) -> None:
        try:
            clock.travel(timedelta(days=400))
            began, made, ended = clock.now(), made_at(new_id()), clock.now()
            assert began - timedelta(milliseconds=1) <= made <= ended
        finally:
            clock.reset()


class TestMigration:
    @pytest.fixture(params=MODES)
    def before(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runner]:
        """A database of the version before, in use by this process."""
        server = request.getfixturevalue("postgres") if request.param == "server" else None
        with own_database(tmp_path, server, migrated=False) as mine:
            old = open_migration_database(mine)
            old.connect()
            runner = Runner(old, str(DIRECTORY))
            runner.up("0007_webhooks")
            yield runner
            old.close()

    def write(self, *records: dict[str, Any]) -> None:
        """By a statement of the version before."""
        columns = (
            "id",
            "at",
            "level",
            "category",
            "step",
            "message",
            "details",
            "duration_ms",
            "roadmap_id",
            "concept_id",
        )
        places = ", ".join(["%s" if settings_are_postgres() else "?"] * len(columns))
        with transaction():
            for record in records:
                row = {**record, "at": record["at"].replace("T", " ").removesuffix("+00:00")}
                sql = f"INSERT INTO execution_log ({', '.join(columns)}) VALUES ({places}) "
                sql += "ON CONFLICT (id) DO NOTHING"
                database.execute_sql(sql, tuple(row[column] for column in columns))

    def test_every_row_stays_whatever_its_age_and_the_version_before_goes_on_writing(
        self, before: Runner
    ) -> None:
        now = clock.now()
        ages = (
            now - timedelta(days=4000),
            now - timedelta(days=40),
            now,
            now + timedelta(days=45),
            now + timedelta(days=4000),
        )
        records = [document(at, roadmap_id=new_id().hex) for at in ages]
        self.write(*records)
        before.up()
        assert [row["id"].hex for row in stored()] == [record["id"] for record in records]
        assert {row["trace_id"] for row in stored()} == {None}
        later = [document(), document(now - timedelta(days=70)), records[0], records[-1]]
        self.write(*later)
        store_batch([*later, document()])
        assert counts_of(ExecutionLog) == len(records) + 3

    def test_old_rows_stay_in_their_table_and_every_index_is_there_once(
        self, postgres: Postgres, tmp_path: Path
    ) -> None:
        with own_database(tmp_path, postgres, migrated=False) as mine:
            old = open_migration_database(mine)
            old.connect()
            runner = Runner(old, str(DIRECTORY))
            runner.up("0007_webhooks")
            was, later = document(), document(months_from_now(2) + timedelta(days=1))
            self.write(was, later)
            node = "SELECT pg_relation_filenode('{}')"
            table = ask(node.format("execution_log"))
            runner.up()
            old.close()
            assert ask(node.format(BEFORE)) == table  # not rewritten
            assert partition_of(was["id"]) == BEFORE
            assert partition_of(later["id"]) == f"execution_log_{months_from_now(2):%Y%m}"
            indexes = ask(
                "SELECT tablename, count(*) FROM pg_indexes "
                "WHERE tablename ~ '^execution_log' GROUP BY 1 ORDER BY 1"
            )
            assert {count for _, count in indexes} == {INDEXES_OF_EACH}
            assert [name for name, _ in indexes] == [
                *(
                    "execution_log",
                    f"execution_log_{months_from_now(1):%Y%m}",
                    f"execution_log_{months_from_now(2):%Y%m}",
                ),
                *(BEFORE, DEFAULT),
            ]

    def test_who_writes_meanwhile_waits_and_then_writes_into_the_new_table(
        self, postgres: Postgres, tmp_path: Path
    ) -> None:
        with own_database(tmp_path, postgres, migrated=False) as mine:
            self.migrate(mine, "0007_webhooks")
            reader = psycopg2.connect(mine.database_url.get_secret_value())
            with reader.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM execution_log"
                )  # its transaction holds the migration up before the end
            migration = threading.Thread(target=self.migrate, args=(mine,))
            migration.start()
            waits = "SELECT count(*) FROM pg_locks "
            waits += "WHERE NOT granted AND relation = 'execution_log'::regclass"
            with (
                psycopg2.connect(postgres.url(ask("SELECT current_database()")[0][0])) as watcher,
                watcher.cursor() as cursor,
            ):
                wait_until(
                    lambda: _one(cursor, waits) == 1, reason="the migration waits for the reader"
                )
                writer = threading.Thread(target=self.write, args=(document(),))
                writer.start()
                wait_until(
                    lambda: _one(cursor, waits) == 2, reason="the writer waits for the migration"
                )
            reader.close()
            migration.join(HANG)
            writer.join(HANG)
            watcher.close()
            assert counts_of(ExecutionLog) == 1
            assert partition_of(stored()[0]["id"]) == BEFORE

    def migrate(self, mine: Any, to: str | None = None) -> None:
        old = open_migration_database(mine)
        old.connect()
        Runner(old, str(DIRECTORY)).up(to)
        old.close()


class TestAhead:
    @pytest.mark.usefixtures("months")
    def test_a_record_goes_to_its_month_and_what_has_none_to_the_default(self) -> None:
        far = months_from_now(5)
        records = [
            document(),
            document(months_from_now(1)),
            document(far),
            document(datetime(2001, 1, 1, tzinfo=UTC)),
        ]
        for _ in range(2):  # also when they come twice
            with transaction():
                rows = [
                    {**record, "at": datetime.fromisoformat(record["at"])} for record in records
                ]
                ExecutionLog.insert_many(rows).on_conflict_ignore().execute()
        places = [partition_of(record["id"]) for record in records]
        assert places == [BEFORE, f"execution_log_{months_from_now(1):%Y%m}", DEFAULT, BEFORE]
        assert counts_of(ExecutionLog) == 4

    @pytest.mark.usefixtures("months")
    def test_the_month_to_come_is_made_ahead_and_takes_what_waits_in_the_default(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_retention, "MOVED_AT_ONCE", 2)
        fifth, sixth = months_from_now(5), months_from_now(6)
        early = [document(fifth + timedelta(hours=hour)) for hour in range(5)]
        edges = [
            document(sixth - timedelta(milliseconds=1)),
            document(sixth),
            document(months_from_now(7)),
        ]
        store_batch([*early, *edges])
        assert {partition_of(record["id"]) for record in (*early, *edges)} == {DEFAULT}

        travel_to(fifth - timedelta(days=3))
        log_retention.make_ahead()
        travel_to(fifth + timedelta(days=3))
        log_retention.make_ahead()
        assert {partition_of(record["id"]) for record in early} == {f"execution_log_{fifth:%Y%m}"}
        assert [partition_of(record["id"]) for record in edges] == [
            *(f"execution_log_{fifth:%Y%m}", f"execution_log_{sixth:%Y%m}", DEFAULT),
        ]
        store_batch([*early, *edges])
        assert counts_of(ExecutionLog) == 8
        made = document()
        store_batch([made])
        assert partition_of(made["id"]) == f"execution_log_{fifth:%Y%m}"
        indexes = ask(
            f"SELECT count(*) FROM pg_indexes WHERE tablename = 'execution_log_{sixth:%Y%m}'"
        )
        assert indexes == [(INDEXES_OF_EACH,)]

    @pytest.mark.usefixtures("months")
    def test_many_make_the_same_month_while_others_write_into_it(self) -> None:
        fifth = months_from_now(5)
        travel_to(fifth + timedelta(days=1))
        begin, failures = threading.Barrier(6), []
        batches = [[document() for _ in range(50)] for _ in range(30)]

        def run(act: Any, *items: Any) -> None:
            begin.wait(HANG)
            try:
                for item in items or ((),):
                    act(*item)
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=run, args=(log_retention.make_ahead,)) for _ in range(3)]
        threads += [
            threading.Thread(target=run, args=(store_batch, *((batch,) for batch in batches[n::3])))
            for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG)
        assert failures == []
        assert counts_of(ExecutionLog) == 1500
        assert ask(f"SELECT count(*) FROM execution_log_{fifth:%Y%m}") == [(1500,)]
        assert len(log_retention.partitions()) == 5

    @pytest.mark.usefixtures("months")
    def test_a_table_in_use_is_left_alone_until_the_next_call(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(log_retention, "LOCK_SECONDS", 0.05)
        travel_to(months_from_now(5))
        known = log_retention.partitions()
        busy = psycopg2.connect(database.obj.database)
        with busy.cursor() as cursor:
            cursor.execute("LOCK TABLE execution_log IN ROW EXCLUSIVE MODE")
        log_retention.make_ahead()
        log_retention.drop_before(first_id(months_from_now(3)))
        assert log_retention.partitions() == known
        assert "in use" in caplog.text
        busy.rollback()  # the server ends a closed connection a little later
        busy.close()
        log_retention.make_ahead()
        assert len(log_retention.partitions()) == len(known) + 2

    def test_without_partitions_there_is_nothing_to_make_or_drop(self, tmp_path: Path) -> None:
        with own_database(tmp_path, None):
            log_retention.make_ahead()
            log_retention.drop_before(first_id(months_from_now(3)))
            assert counts_of(ExecutionLog) == 0


class TestRetention:
    def test_months_that_ended_long_enough_ago_are_deleted_and_no_others(self, log: str) -> None:
        kept = month_of(clock.now() - timedelta(days=DAYS))
        old = [document(kept - timedelta(milliseconds=1)), document(kept - timedelta(days=300))]
        young = [document(kept), document()]
        with transaction():
            for record in (*old, *young):
                ExecutionLog.insert(
                    {**record, "at": datetime.fromisoformat(record["at"])}
                ).execute()
        log_retention.rotate_partitions()
        assert [row["id"].hex for row in stored()] == [record["id"] for record in young]

    @pytest.mark.usefixtures("months")
    def test_partitions_are_dropped_as_a_whole(self) -> None:
        second, third = months_from_now(1), months_from_now(2)
        store_batch([document(), document(second), document(third)])
        log_retention.drop_before(first_id(second - timedelta(milliseconds=1)))  # not yet
        assert counts_of(ExecutionLog) == 3
        travel_to(second + timedelta(days=DAYS + 1))
        log_retention.rotate_partitions()
        names = {partition.name for partition in log_retention.partitions()}
        assert BEFORE not in names
        assert {f"execution_log_{second:%Y%m}", f"execution_log_{third:%Y%m}"} <= names
        assert counts_of(ExecutionLog) == 2
        travel_to(third + timedelta(days=DAYS + 1))
        log_retention.rotate_partitions()
        assert [row["id"] >= first_id(third) for row in stored()] == [True]
        assert f"execution_log_{second:%Y%m}" not in {
            partition.name for partition in log_retention.partitions()
        }

    @pytest.mark.usefixtures("months")
    @pytest.mark.parametrize("apart", [-2, 2])
    def test_whose_clock_is_wrong_deletes_nothing(
        self, apart: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store_batch([document()])
        travel_to(months_from_now(2) + timedelta(days=DAYS + 1))
        real = time.time
        with monkeypatch.context() as wrong:
            wrong.setattr(log_retention.time, "time", lambda: real() + apart * 3600)
            log_retention.rotate_partitions()
        assert counts_of(ExecutionLog) == 1
        log_retention.rotate_partitions()
        assert counts_of(ExecutionLog) == 0

    def test_deleting_is_bounded_and_goes_on(
        self, log: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_retention, "AT_ONCE", 2)
        monkeypatch.setattr(log_retention, "ROUNDS", 2)
        old = clock.now() - timedelta(days=200)
        with transaction():
            for record in (document(old) for _ in range(7)):
                ExecutionLog.insert({**record, "at": old}).execute()
        left = []
        for _ in range(3):
            log_retention.rotate_partitions()
            left.append(counts_of(ExecutionLog))
        assert left == [3, 0, 0]

    def test_zero_days_keep_everything(self, log: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            execution_log, "settings", settings.model_copy(update={"log_retention_days": 0})
        )
        process = Process()
        process.send([document(clock.now() - timedelta(days=9000)), document()])
        log_retention.rotate_partitions()
        assert counts_of(ExecutionLog) == 2
        assert ledger() == LogLedger(stored=2, missing=0, dropped=0)

    def test_what_comes_after_its_month_was_deleted_is_counted_once_and_not_stored(
        self, log: str
    ) -> None:
        process, late = Process(), [document(clock.now() - timedelta(days=200)) for _ in range(3)]
        process.send([*late, document()])
        assert ledger() == LogLedger(stored=1, missing=0, dropped=0, expired=3)
        store_batch(
            late, {"id": process.id, "service": "api", "last_seq": 4, "dropped": 0}
        )  # it was delivered twice
        process.send([document(clock.now() - timedelta(days=200))])
        clock.travel(timedelta(minutes=5))
        assert ledger() == LogLedger(stored=1, missing=0, dropped=0, expired=4)
        assert counts_of(ExecutionLog) == 1

    def test_of_two_neighbouring_ids_the_first_that_is_kept_is_stored_and_the_one_before_is_late(
        self, log: str
    ) -> None:
        first = execution_log.oldest_kept()
        assert first is not None
        store_batch([document(id=first.hex), document(id=UUID(int=first.int - 1).hex)])
        assert [row["id"] for row in stored()] == [first]
        with session():
            assert [row.id for row in ExpiredLogRecord.select()] == [UUID(int=first.int - 1)]

    def test_that_a_record_was_late_is_forgotten_after_a_day(self, log: str) -> None:
        Process().send([document(clock.now() - timedelta(days=200))])
        log_retention.rotate_partitions()
        assert counts_of(ExpiredLogRecord) == 1
        clock.travel(log_retention.NOTED + timedelta(minutes=1))
        log_retention.rotate_partitions()
        assert counts_of(ExpiredLogRecord) == 0
        assert ledger().expired == 1


class TestSources:
    def test_those_that_have_ended_become_one_row_and_the_ledger_stays(self, log: str) -> None:
        for _ in range(3):
            Process().send([document(), document(clock.now() - timedelta(days=200))])
        for written in (4, 5, 6):
            clock.travel(log_retention.ENDED + timedelta(minutes=1))
            Process().send([document()])  # which lives
            log_retention.sum_up_sources()
            assert counts_of(LogSource) == 2
            assert ledger() == LogLedger(stored=written, missing=0, dropped=0, expired=3)

    def test_one_that_misses_records_is_waited_for_and_its_loss_is_not_forgotten(
        self, log: str
    ) -> None:
        losing, other = Process(), Process()
        losing.numbered = 10  # a batch that was lost
        losing.send([document()])
        other.send([document()])
        clock.travel(log_retention.ENDED + timedelta(minutes=1))
        log_retention.sum_up_sources()
        assert counts_of(LogSource) == 2
        assert ledger() == LogLedger(stored=2, missing=10, dropped=0)
        clock.travel(log_retention.LOST)
        log_retention.sum_up_sources()
        assert counts_of(LogSource) == 1
        assert ledger() == LogLedger(stored=2, missing=10, dropped=0)

    def test_upkeep_sums_up_only_while_no_batch_waits_in_the_queue_and_keeps_the_months(
        self, log: str
    ) -> None:
        for _ in range(2):
            Process().send([document()])
        clock.travel(log_retention.ENDED + timedelta(minutes=1))
        with transaction():
            old = clock.now() - timedelta(days=300)
            ExecutionLog.insert({**document(old), "at": old}).execute()
        logs_queue.storage.enqueue(b"a batch that waits")
        try:
            upkeep.rescue_overdue.call_local()
            assert counts_of(LogSource) == 2
            assert counts_of(ExecutionLog) == 2
        finally:
            logs_queue.storage.flush_queue()
        upkeep.rescue_overdue.call_local()
        assert counts_of(LogSource) == 1
        assert ledger() == LogLedger(stored=2, missing=0, dropped=0)

    def test_several_that_sum_up_at_once_count_everything_once(self, log: str) -> None:
        for _ in range(40):
            Process().send([document()])
        clock.travel(log_retention.ENDED + timedelta(minutes=1))
        threads = [threading.Thread(target=log_retention.sum_up_sources) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG)
        assert ledger() == LogLedger(stored=40, missing=0, dropped=0)
        assert counts_of(LogSource) == 1

    def test_one_that_was_silent_for_so_long_that_it_was_summed_up_misses_nothing_when_it_goes_on(
        self, log: str
    ) -> None:
        Process().send([document()])  # of the same age, and ended
        buffer = Buffer()
        buffer.sink = store_batch
        for _ in range(3):
            buffer.add(entry(), now=False)
        buffer.flush()
        clock.travel(log_retention.ENDED + timedelta(minutes=1))
        log_retention.sum_up_sources()
        assert counts_of(LogSource) == 1
        buffer.add(entry(), now=False)
        buffer.flush()
        clock.travel(timedelta(minutes=5))
        assert ledger() == LogLedger(stored=5, missing=0, dropped=0)

    def test_a_process_restarts_its_numbers_each_day_but_not_while_a_batch_is_refused(
        self, log: str
    ) -> None:
        refuse, sources = [False], []

        def sink(records: list[dict[str, Any]], source: dict[str, Any]) -> None:
            store_batch(records, source)
            sources.append(source["id"])
            if refuse[0]:
                raise OSError("it is stored, but the answer is lost")

        buffer = Buffer(capacity=3)
        buffer.sink = sink
        for _ in range(5):
            buffer.add(entry(), now=False)  # two find no room
        buffer.flush()
        clock.travel(timedelta(days=1, minutes=1))
        refuse[0] = True
        buffer.add(entry(), now=False)
        buffer.flush()
        refuse[0] = False
        buffer.flush()  # the same once more, under the same id
        buffer.add(entry(), now=False)
        buffer.flush()
        clock.travel(timedelta(minutes=5))
        assert len(set(sources)) == 2
        assert sources[-1] != sources[0]
        assert ledger() == LogLedger(stored=5, missing=0, dropped=2)


def settings_are_postgres() -> bool:
    return isinstance(database.obj, peewee.PostgresqlDatabase)


def _one(cursor: Any, sql: str) -> int:
    cursor.execute(sql)
    return int(cursor.fetchone()[0])
