"""Counting in the process: lossless between threads, bounded, and strict about names."""

import json
import threading
import tracemalloc

import pytest

from core.metric_counters import BEYOND, OTHER, SUM, MetricCounters, MetricDelta, parts_of
from core.metric_definitions import FINE, METRICS, TASK_SECONDS, TASKS, Kind

MOST_SETS = METRICS[TASKS].most
LABELS = {"queue": "content", "task": "plan_roadmap", "outcome": "done"}
TEXT = '{"outcome":"done","queue":"content","task":"plan_roadmap"}'


def test_what_is_taken_is_what_was_counted_and_is_taken_once() -> None:
    measuring = MetricCounters()
    measuring.count(TASKS, **LABELS)
    measuring.count(TASKS, 2.5, **dict(reversed(LABELS.items())))
    assert measuring.taken() == [MetricDelta(TASKS, TEXT, "", 3.5)]
    assert measuring.taken() == []
    measuring.count(TASKS, **LABELS)
    assert measuring.taken() == [MetricDelta(TASKS, TEXT, "", 1)]


def test_a_duration_falls_into_the_bucket_that_ends_with_it_or_behind_it() -> None:
    measuring = MetricCounters()
    for seconds in (FINE[0], FINE[1], FINE[1] * 1.0001, 0.0, FINE[-1] + 1):
        measuring.observe(TASK_SECONDS, seconds, queue="content", task="plan_roadmap")
    found = {each.part: each.value for each in measuring.taken()}
    assert found.pop(SUM) == pytest.approx(FINE[0] + 2.0001 * FINE[1] + FINE[-1] + 1)
    assert found == {repr(FINE[0]): 2, repr(FINE[1]): 1, repr(FINE[2]): 1, BEYOND: 1}


def test_threads_lose_nothing() -> None:
    measuring, taken = MetricCounters(), []
    ended = threading.Event()

    def take() -> None:
        while not ended.is_set():
            taken.extend(measuring.taken())

    def work() -> None:
        for _ in range(5000):
            measuring.count(TASKS, **LABELS)
            measuring.observe(TASK_SECONDS, 0.5, queue="content", task="plan_roadmap")

    threads = [threading.Thread(target=work) for _ in range(4)]
    taker = threading.Thread(target=take)
    for thread in (taker, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    ended.set()
    taker.join()
    taken.extend(measuring.taken())
    assert sum(each.value for each in taken if each.name == TASKS) == 20_000
    assert sum(each.value for each in taken if each.part == SUM) == 10_000
    assert (
        sum(each.value for each in taken if each.name == TASK_SECONDS and each.part != SUM)
        == 20_000
    )


def test_a_flood_of_labels_is_counted_as_other() -> None:
    measuring = MetricCounters()
    for number in range(MOST_SETS + 250):
        measuring.count(TASKS, **{**LABELS, "task": f"task{number}"})
    measuring.count(TASKS, **{**LABELS, "task": "task0"})  # which was there before the flood
    found = measuring.taken()
    assert len(found) == MOST_SETS + 1
    others = [each for each in found if json.loads(each.labels)["task"] == OTHER]
    assert [(each.value, json.loads(each.labels)) for each in others] == [
        (250, dict.fromkeys(LABELS, OTHER))
    ]
    measuring.count(TASKS, **{**LABELS, "task": "still too many"})
    (other,) = measuring.taken()
    assert json.loads(other.labels) == dict.fromkeys(LABELS, OTHER)


def test_a_flood_of_labels_is_not_remembered() -> None:
    measuring, flood = MetricCounters(), 20_000
    measuring.count(TASKS, **LABELS)
    tracemalloc.start()
    try:
        for number in range(flood):
            measuring.count(TASKS, **{**LABELS, "task": f"task{number}"})
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < flood * 100  # bytes: each would take more


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        pytest.param("roadmap_unheard_of_total", LABELS, id="no such metric"),
        pytest.param(
            TASK_SECONDS, {"queue": "content", "task": "x"}, id="a histogram is not counted"
        ),
        pytest.param(TASKS, {"queue": "content", "task": "x"}, id="a label is missing"),
        pytest.param(TASKS, {**LABELS, "more": "x"}, id="a label too many"),
    ],
)
def test_what_is_no_such_counter_is_refused(name: str, labels: dict[str, str]) -> None:
    measuring = MetricCounters()
    with pytest.raises((KeyError, ValueError)):
        measuring.count(name, **labels)
    assert measuring.taken() == []


def test_metrics_are_named_by_the_conventions_of_prometheus() -> None:
    for metric in METRICS.values():
        assert metric.name.startswith("roadmap_")
        assert metric.name.endswith("_total") == (metric.kind is Kind.counter)
        if metric.kind is Kind.histogram:
            assert metric.name.endswith("_seconds")
            assert list(metric.bounds) == sorted(set(metric.bounds))
            assert metric.shown[-1] == pytest.approx(metric.bounds[-1], rel=0.05)
            assert len(parts_of(metric)) == len(metric.bounds) + 1
        assert metric.charted <= (metric.kind is not Kind.gauge)
