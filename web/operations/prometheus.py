"""Metrics for Prometheus: counts of all processes, and the state of the service."""

import json
import platform
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
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
from core.metric_counters import BEYOND, SUM, parts_of
from core.version import VERSION
from roadmap.operations.execution_log import ledger
from roadmap.operations.metrics_store import Process, processes, this_process, totals
from tasks.queue_admin import queue_states

# By the name of the metric and the values of its labels
Samples = dict[str, dict[tuple[str, ...], Any]]


class Counts(Collector):
    """Collector that asks database and broker; it reports one that is away and leaves it out."""

    def collect(self) -> Iterable[Metric]:
        samples: Samples = defaultdict(dict)
        samples[metric_definitions.BUILD][VERSION, platform.python_version()] = 1
        for dependency, add in (("database", _add_counted), ("broker", _add_queues)):
            samples[metric_definitions.DEPENDENCY][(dependency,)] = 0
            with suppress(Unavailable):
                add(samples)
                samples[metric_definitions.DEPENDENCY][(dependency,)] = 1
        return (
            _family(metric, samples.get(metric.name, {}))
            for metric in metric_definitions.METRICS.values()
        )


def _add_counted(samples: Samples) -> None:
    """Add what is in the database.

    When it is away, this process still adds its own state, but no counts: a count that is smaller
    than before looks like one that has been reset.
    """
    _add_processes(samples, [this_process()])
    _add_processes(samples, processes())
    for each in totals():
        metric, labels = metric_definitions.METRICS.get(each.name), json.loads(each.labels)
        if metric is None or set(labels) != set(metric.labels):  # of another version
            continue
        place = tuple(labels[label] for label in metric.labels)
        if metric.kind is metric_definitions.Kind.counter:
            samples[each.name][place] = each.value
        else:
            samples[each.name].setdefault(place, {})[each.part] = each.value
    written = ledger()
    for fate in ("stored", "missing", "dropped", "expired"):
        samples[metric_definitions.LOG_RECORDS][(fate,)] = getattr(written, fate)


def _add_queues(samples: Samples) -> None:
    for queue in queue_states():
        for state in ("ready", "held", "scheduled", "dead"):
            samples[metric_definitions.QUEUE_MESSAGES][queue.name, state] = getattr(queue, state)
        samples[metric_definitions.QUEUE_AGE][(queue.name,)] = queue.oldest_seconds or 0.0
        samples[metric_definitions.QUEUE_PAUSED][(queue.name,)] = float(queue.is_paused)
        samples[metric_definitions.QUEUE_CONSUMERS][(queue.name,)] = queue.workers


def _add_processes(samples: Samples, found: Sequence[Process]) -> None:
    for process in found:
        for fact, value in process.facts.items():
            name, _, state = fact.partition(" ")
            if name in metric_definitions.METRICS:  # another version may know more
                samples[name][process.service, process.name, *([state] if state else [])] = value


def _family(metric: metric_definitions.Metric, found: dict[tuple[str, ...], Any]) -> Metric:
    if metric.kind is metric_definitions.Kind.histogram:
        shown = {*(repr(bound) for bound in metric.shown), BEYOND}
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for place, parts in found.items():
            sums = accumulate(parts.get(part, 0.0) for part in parts_of(metric))
            # Upper bounds, and how many values are not above each
            buckets = [
                (part, so_many)
                for part, so_many in zip(parts_of(metric), sums, strict=True)
                if part in shown
            ]
            histogram.add_metric(place, buckets=buckets, sum_value=parts.get(SUM, 0.0))
        return histogram
    kind = (
        CounterMetricFamily if metric.kind is metric_definitions.Kind.counter else GaugeMetricFamily
    )
    family = kind(metric.name, metric.help, labels=metric.labels)
    for place, value in found.items():
        family.add_metric(place, value)
    return family
