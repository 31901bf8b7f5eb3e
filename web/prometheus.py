"""What is told to Prometheus: what all processes have counted together, and what the service is just now."""

import json
import platform
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from core import metric_definitions
from core.errors import Unavailable
from core.metric_counters import BEYOND, SUM, MetricDelta, parts_of
from core.metric_definitions import METRICS, Kind
from core.version import VERSION
from roadmap.operations.execution_log import ledger
from roadmap.operations.metrics_store import Process, me, processes, totals
from tasks.queue_admin import queue_states

Samples = dict[
    str, dict[tuple[str, ...], Any]
]  # by the name of the metric and the values of its labels

MESSAGE_STATES = ("ready", "held", "scheduled", "dead")
FATES = ("stored", "missing", "dropped", "expired")


class Counts(Collector):
    """Asks database and broker when it is asked. What is away is told to be away, and left out."""

    def collect(self) -> Iterable[Metric]:
        samples: Samples = defaultdict(dict)
        samples[metric_definitions.BUILD][VERSION, platform.python_version()] = 1
        samples[metric_definitions.DEPENDENCY][("database",)] = _asked(_add_counted, samples)
        samples[metric_definitions.DEPENDENCY][("broker",)] = _asked(_add_queues, samples)
        return (_family(metric, samples.get(metric.name, {})) for metric in METRICS.values())


def _asked(add: Callable[[Samples], None], samples: Samples) -> int:
    try:
        add(samples)
    except Unavailable:
        return 0
    return 1


def _add_counted(samples: Samples) -> None:
    """What is in the database. When it is away this process at least says what it is itself: what all have counted may
    not, since a count that is smaller than before is taken for one that has begun anew.
    """
    _add_processes(samples, [me()])
    _add_processes(samples, processes())
    _add_totals(samples, totals())
    written = ledger()
    for fate in FATES:
        samples[metric_definitions.LOG_RECORDS][(fate,)] = getattr(written, fate)


def _add_queues(samples: Samples) -> None:
    for queue in queue_states():
        for state in MESSAGE_STATES:
            samples[metric_definitions.QUEUE_MESSAGES][queue.name, state] = getattr(queue, state)
        samples[metric_definitions.QUEUE_AGE][(queue.name,)] = queue.oldest_seconds or 0.0
        samples[metric_definitions.QUEUE_PAUSED][(queue.name,)] = float(queue.is_paused)
        samples[metric_definitions.QUEUE_CONSUMERS][(queue.name,)] = queue.workers


def _add_processes(samples: Samples, found: Sequence[Process]) -> None:
    for process in found:
        for told, value in process.facts.items():
            name, _, state = told.partition(" ")
            if name in METRICS:  # another version may know more
                samples[name][process.service, process.name, *([state] if state else [])] = value


def _add_totals(samples: Samples, counted: Iterable[MetricDelta]) -> None:
    for each in counted:
        metric, labels = METRICS.get(each.name), json.loads(each.labels)
        if metric is None or set(labels) != set(metric.labels):  # of another version
            continue
        place = tuple(labels[label] for label in metric.labels)
        if metric.kind is Kind.counter:
            samples[each.name][place] = each.value
        else:
            samples[each.name].setdefault(place, {})[each.part] = each.value


def _family(metric: metric_definitions.Metric, found: dict[tuple[str, ...], Any]) -> Metric:
    if metric.kind is Kind.histogram:
        spread = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for place, parts in found.items():
            spread.add_metric(
                place, buckets=list(_buckets(metric, parts)), sum_value=parts.get(SUM, 0.0)
            )
        return spread
    kind = CounterMetricFamily if metric.kind is Kind.counter else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for place, value in found.items():
        family.add_metric(place, value)
    return family


def _buckets(
    metric: metric_definitions.Metric, parts: dict[str, float]
) -> Iterator[tuple[str, float]]:
    """Upper bounds, and how many are not above each."""
    sums = accumulate(parts.get(part, 0.0) for part in parts_of(metric))
    shown = {*(repr(bound) for bound in metric.shown), BEYOND}
    for part, so_many in zip(parts_of(metric), sums, strict=True):
        if part in shown:
            yield part, so_many
