"""Counts of processes are added up once, kept by the minute for a day, and read for charts."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import peewee
import pytest
from starlette.testclient import TestClient

from core import clock, metric_counters
from core.db import database, session, transaction
from core.errors import Unavailable
from core.metric_counters import MetricCounters, MetricDelta, parts_of
from core.metric_definitions import FINE, METRICS, QUEUE_AGE, TASK_SECONDS, TASKS
from models.records import MetricValue, ProcessMetrics
from roadmap.operations import metrics_store, task_stats
from roadmap.operations.metrics_store import KEPT, Saver, minute_of
from roadmap.operations.task_stats import (
    Ended,
    TaskRuns,
    Waited,
    depths,
    per_task,
    quantile,
    sample_depth,
    series,
)
from tasks.queues import logs_queue, task
from tests.cases import try_each

DONE = {"queue": "content", "task": "plan_roadmap", "outcome": "done"}


@pytest.fixture(autouse=True)
def empty(schema: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[MetricCounters]:
    """Empty counters and tables, into which no other code counts."""
    mine = MetricCounters()
    for name in ("count", "observe", "taken"):
        monkeypatch.setattr(metric_counters, name, getattr(mine, name))
    with transaction():
        for table in (MetricValue, ProcessMetrics):
            table.delete().execute()
    yield mine
    clock.reset()


def rows(minute: int | None = 0) -> list[tuple[Any, ...]]:
    chosen = MetricValue.minute == minute if minute is not None else MetricValue.minute > 0
    with session():
        query = MetricValue.select(
            MetricValue.name, MetricValue.labels, MetricValue.part, MetricValue.value
        ).where(chosen)
        return sorted(query.tuples())


def count(times: int = 1, **labels: str) -> None:
    metric_counters.count(TASKS, times, **{**DONE, **labels})


class TestSaving:
    def test_processes_add_to_each_other(self) -> None:
        one, other = Saver(), Saver()
        count(2)
        metric_counters.observe(TASK_SECONDS, 0.5, queue="content", task="plan_roadmap")
        one.save()
        count(3)
        count(1, outcome="failed")
        other.save()
        count(5)
        one.save()

        found = [
            (name, json.loads(labels).get("outcome"), part, value)
            for name, labels, part, value in rows()
        ]
        bucket = min(bound for bound in FINE if bound >= 0.5)
        assert found == [
            (TASK_SECONDS, None, repr(bucket), 1),
            (TASK_SECONDS, None, "sum", 0.5),
            (TASKS, "done", "", 10),
            (TASKS, "failed", "", 1),
        ]
        assert [MetricDelta(*row) for row in rows()] == metrics_store.totals()
        minute = minute_of(clock.now())
        assert rows(minute) == rows()  # by the minute as well

    def test_what_the_database_does_not_take_is_kept_for_the_next_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        saver = Saver()
        count(2)
        with monkeypatch.context() as patch:
            patch.setattr(database.obj, "connect", refuse)
            for _ in range(3):
                with pytest.raises(Unavailable):
                    saver.save()
                count(1)
        saver.save()
        saver.save()
        assert [value for *_, value in rows()] == [5]

    def test_a_batch_whose_commit_was_not_answered_is_added_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        saver = Saver()
        count(2)
        commit = database.obj.commit

        def lose_the_answer() -> None:
            commit()
            raise peewee.OperationalError("the connection is gone")

        with monkeypatch.context() as patch:
            patch.setattr(database.obj, "commit", lose_the_answer)
            with pytest.raises(Unavailable):
                saver.save()
        assert [value for *_, value in rows()] == [2]  # the database has committed
        count(1)
        saver.save()
        saver.save()
        assert [value for *_, value in rows()] == [3]

    def test_nothing_is_written_while_nothing_happens(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        saver = Saver()
        saver.save()  # that it is there
        monkeypatch.setattr(database.obj, "connect", refuse)
        saver.save()

    def test_the_thread_saves_by_itself_and_the_end_saves_the_rest(self) -> None:
        saver = Saver()
        saver.start()
        saver.start()
        count(4)
        saver.stop()
        assert [value for *_, value in rows()] == [4]
        with session():
            assert ProcessMetrics.select().count() == 0  # it is gone


class TestProcesses:
    def test_every_process_says_what_it_is_and_is_forgotten_when_it_says_nothing_more(self) -> None:
        other = Saver()
        other.save()
        this, its = metrics_store.processes()
        now = datetime.now(UTC).timestamp()
        assert this.facts["roadmap_process_start_time_seconds"] < now
        assert this.facts["roadmap_process_resident_memory_bytes"] > 10_000_000
        assert (
            its.facts["roadmap_database_connections in_use"] >= 1
        )  # the one that it was saved with
        assert its.facts["roadmap_database_connections_max"] > 1
        clock.travel(timedelta(seconds=61))
        assert len(metrics_store.processes()) == 1
        clock.travel(timedelta(hours=1))
        metrics_store.purge_expired()
        with session():
            assert ProcessMetrics.select().count() == 0


class TestCharts:
    def test_minutes_older_than_a_day_go_some_at_a_time_and_totals_stay(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        saver = Saver()
        for _ in range(3):
            count(1)
            saver.save()
            clock.travel(timedelta(minutes=1))
        clock.travel(KEPT - timedelta(minutes=1))
        monkeypatch.setattr(metrics_store, "MINUTES_AT_ONCE", 1)
        metrics_store.purge_expired()
        assert len(rows(None)) == 2
        metrics_store.purge_expired()
        metrics_store.purge_expired()
        assert len(rows(None)) == 1  # it is a minute younger
        assert [value for *_, value in rows()] == [3]

    def test_a_series_has_every_step_and_what_happened_in_it(self) -> None:
        since, saver = clock.now(), Saver()
        begin = datetime.fromtimestamp(since.timestamp() // 300 * 300, UTC)
        clock.travel(begin + timedelta(minutes=5) - clock.now())
        count(2)
        count(1, outcome="failed", task="build_content")
        count(9, queue="logs")
        saver.save()
        clock.travel(timedelta(minutes=4))
        count(1)
        count(1, outcome="postponed")
        saver.save()
        clock.travel(timedelta(minutes=6))
        count(4, outcome="retried")
        saver.save()

        five = timedelta(minutes=5)
        expected = [
            Ended(at=begin, done=0, failed=0, retried=0),
            Ended(at=begin + five, done=3, failed=1, retried=0),
            Ended(at=begin + 2 * five, done=0, failed=0, retried=0),
            Ended(at=begin + 3 * five, done=0, failed=0, retried=4),
        ]
        assert series("content", since, five) == expected
        assert [point.done for point in series("logs", since, five)] == [0, 9, 0, 0]
        assert sum(point.done for point in series("content", since, timedelta(minutes=1))) == 3

    def test_depths_are_the_most_that_was_seen(self) -> None:
        begin = datetime.fromtimestamp(clock.now().timestamp() // 300 * 300, UTC)
        clock.travel(begin + timedelta(minutes=5) - clock.now())
        sample_depth([("content", 3, 12.5), ("logs", 0, None)])
        sample_depth(
            [("content", 7, 2.5), ("logs", 0, None)]
        )  # the same minute once more: it replaces the first
        clock.travel(timedelta(minutes=1))
        sample_depth([("content", 5, 20.0), ("logs", 1, 0.5)])
        five = timedelta(minutes=5)
        assert depths("content", begin, five) == [
            Waited(at=begin, ready=None, oldest_seconds=None),
            Waited(at=begin + five, ready=7, oldest_seconds=20.0),
        ]
        assert depths("logs", begin, five)[1] == Waited(
            at=begin + five, ready=1, oldest_seconds=0.5
        )
        assert [
            row for row in rows() if row[0] == QUEUE_AGE
        ] == []  # a gauge has no sum of all time

    def test_what_each_task_takes(self) -> None:
        saver, random_ = Saver(), random.Random(7)
        taken = [random_.lognormvariate(0, 1.5) for _ in range(5000)]
        for seconds in taken:
            metric_counters.observe(TASK_SECONDS, seconds, queue="content", task="plan_roadmap")
        count(5000)
        count(3, task="build_content", outcome="retried")
        saver.save()

        waiting, plan = per_task(clock.now() - timedelta(hours=1))
        assert waiting == TaskRuns(
            queue="content",
            task="build_content",
            done=0,
            failed=0,
            retried=3,
            mean_seconds=None,
            p95_seconds=None,
        )
        assert (plan.queue, plan.task, plan.done, plan.failed, plan.retried) == (
            "content",
            "plan_roadmap",
            5000,
            0,
            0,
        )
        assert plan.mean_seconds == pytest.approx(sum(taken) / len(taken))
        assert plan.p95_seconds == pytest.approx(sorted(taken)[4750], rel=0.1)
        clock.travel(timedelta(hours=2))
        since = clock.now() - timedelta(hours=1)
        assert per_task(since) == []


@try_each("seed", range(20))
def test_a_quantile_is_right_within_a_tenth(seed: int) -> None:
    random_ = random.Random(seed)
    values = sorted(
        random_.lognormvariate(random_.uniform(-4, 3), random_.uniform(0.1, 2)) for _ in range(2000)
    )
    mine = MetricCounters()
    for value in values:
        mine.observe(TASK_SECONDS, value, queue="content", task="x")
    counted = {each.part: each.value for each in mine.taken()}
    spread = [counted.get(part, 0) for part in parts_of(METRICS[TASK_SECONDS])]
    for share in (0.5, 0.95, 0.99):
        true = values[int(share * len(values)) - 1]
        if FINE[0] < true < FINE[-1]:
            assert quantile(share, FINE, spread) == pytest.approx(true, rel=0.105)


def test_a_quantile_of_nothing_is_none_and_beyond_the_last_bound_that_bound() -> None:
    assert quantile(0.95, FINE, [0] * (len(FINE) + 1)) is None
    assert quantile(0.95, FINE, [0] * len(FINE) + [1]) == FINE[-1]
    assert (
        FINE[0] / 1.3 < (quantile(0.95, FINE, [1] + [0] * len(FINE)) or 0) < FINE[0]
    )  # in the lowest bucket


@pytest.mark.parametrize("span", ["hour", "day"])
def test_every_bar_of_a_chart_is_of_a_whole_step(client: TestClient, span: str) -> None:
    """Except for the last one. Asked in the midst of a quarter of an hour and of a minute."""
    clock.travel(
        timedelta(days=3)
        - timedelta(seconds=clock.now().timestamp() % 900)
        + timedelta(minutes=7, seconds=30)
    )
    now = minute_of(clock.now())
    text = json.dumps(DONE, separators=(",", ":"), sort_keys=True)
    with transaction():
        for minute in range(now - 25 * 60, now + 1):
            MetricValue.insert(name=TASKS, minute=minute, labels=text, part="", value=1).execute()
    history = client.get(f"/api/v1/admin/queues/content/history?span={span}").json()
    assert {run["done"] for run in history["runs"][:-1]} == {history["step_seconds"] // 60}
    assert len(history["runs"]) == len(history["depths"]) == (60 if span == "hour" else 96)
    since = datetime.fromisoformat(client.get(f"/api/v1/admin/tasks?span={span}").json()["since"])
    assert since == datetime.fromisoformat(history["runs"][0]["at"])


@task(logs_queue)
def counted_for_a_test(fails: bool) -> None:
    if fails:
        raise LookupError("as the test wants it")


def test_runs_of_tasks_are_counted(immediate: None, empty: MetricCounters) -> None:
    counted_for_a_test(False)
    counted_for_a_test(True)
    found = {
        json.loads(each.labels)["outcome"]: each.value
        for each in empty.taken()
        if each.name == TASKS
    }
    assert found == {"done": 1, "retried": 1}


def test_upkeep_samples_the_queues_each_minute(immediate: None) -> None:
    from tasks.upkeep import rescue_overdue

    rescue_overdue.call_local()
    (point,) = task_stats.depths("content", clock.now(), timedelta(minutes=1))
    assert point.ready == 0


def refuse(**_: Any) -> bool:
    raise peewee.OperationalError("the database is away")
