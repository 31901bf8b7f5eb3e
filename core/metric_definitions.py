"""Table of all metrics, by their Prometheus names.

Counters and histograms are counted where something happens (core/metric_counters.py); gauges are
read when they are shown. docs/MONITORING.md has the same table, which a test compares.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    counter = "counter"
    gauge = "gauge"
    histogram = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """Definition of a metric.

    `bounds` are the upper bounds of a histogram's buckets, in its unit; Prometheus gets every
    `shown_every`-th. A `charted` metric is also stored by the minute, for a day, for charts without
    Prometheus. A process distinguishes at `most` so many label sets.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    shown_every: int = 1
    charted: bool = False
    most: int = 1000

    @property
    def shown(self) -> tuple[float, ...]:
        return self.bounds[:: self.shown_every]


# Twelve per decade, from 1 ms to 1000 s, so that quantiles are right within a tenth
FINE = tuple(float(f"{0.001 * 10 ** (step / 12):.3g}") for step in range(73))
ANSWERS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
CALLS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0, 300.0)

REQUESTS = "roadmap_http_requests_total"
REQUEST_SECONDS = "roadmap_http_request_duration_seconds"
SLOW_REQUESTS = "roadmap_http_slow_requests_total"
STREAMS = "roadmap_http_open_streams"
TASKS = "roadmap_tasks_total"
TASK_SECONDS = "roadmap_task_duration_seconds"
QUEUE_MESSAGES = "roadmap_queue_messages"
QUEUE_AGE = "roadmap_queue_oldest_message_age_seconds"
QUEUE_PAUSED = "roadmap_queue_paused"
QUEUE_CONSUMERS = "roadmap_queue_consumers"
LOG_ACCEPTED = "roadmap_log_records_accepted_total"
LOG_RECORDS = "roadmap_log_records"
LOG_WAITING = "roadmap_log_buffer_waiting"
MODEL_CALLS = "roadmap_model_calls_total"
MODEL_SECONDS = "roadmap_model_call_duration_seconds"
MODEL_TOKENS = "roadmap_model_tokens_total"
MODEL_COST = "roadmap_model_cost_total"
SEARCHES = "roadmap_searches_total"
WEBHOOKS = "roadmap_webhook_deliveries_total"
CONNECTIONS = "roadmap_database_connections"
MOST_CONNECTIONS = "roadmap_database_connections_max"
MEMORY = "roadmap_process_resident_memory_bytes"
CPU = "roadmap_process_cpu_seconds_total"
STARTED = "roadmap_process_start_time_seconds"
BUILD = "roadmap_build_info"
DEPENDENCY = "roadmap_dependency_up"

_PROCESS = ("service", "process")
_TABLE = (
    Metric(REQUESTS, Kind.counter,
           "Answered requests",
           ("route", "method", "status"), most=10_000),  # all of them: floods must not hide any
    Metric(REQUEST_SECONDS, Kind.histogram,
           "Time to the complete answer, without streams",
           ("group",), bounds=ANSWERS),  # by route, it would be most of all samples
    Metric(SLOW_REQUESTS, Kind.counter,
           "Requests whose complete answer took more than a second, without streams",
           ("route", "method"), most=10_000),
    Metric(STREAMS, Kind.gauge, "Open event streams of a process", _PROCESS),
    Metric(TASKS, Kind.counter,
           "Runs of tasks",
           ("queue", "task", "outcome"), charted=True),
    Metric(TASK_SECONDS, Kind.histogram,
           "Time of runs that were done or failed for good",
           ("queue", "task"), bounds=FINE, shown_every=4, charted=True),
    Metric(QUEUE_MESSAGES, Kind.gauge, "Messages", ("queue", "state")),
    Metric(QUEUE_AGE, Kind.gauge,
           "Age of the oldest ready message",
           ("queue",)),
    Metric(QUEUE_PAUSED, Kind.gauge,
           "1 while the queue is paused",
           ("queue",)),
    Metric(QUEUE_CONSUMERS, Kind.gauge, "Consumers with a heartbeat", ("queue",)),
    Metric(LOG_ACCEPTED, Kind.counter, "Log records accepted into a buffer"),
    Metric(LOG_RECORDS, Kind.gauge,
           "Log records of all processes",
           ("state",)),
    Metric(LOG_WAITING, Kind.gauge,
           "Log records that a process has not sent yet",
           _PROCESS),
    Metric(MODEL_CALLS, Kind.counter,
           "Recorded model calls",
           ("model", "step", "outcome")),
    Metric(MODEL_SECONDS, Kind.histogram, "Time of model calls", ("model", "step"), bounds=CALLS),
    Metric(MODEL_TOKENS, Kind.counter, "Tokens counted by the provider", ("model", "kind")),
    Metric(MODEL_COST, Kind.counter,
           "Cost of model calls",
           ("model", "currency")),
    Metric(SEARCHES, Kind.counter, "Searches for resources", ("provider", "outcome")),
    Metric(WEBHOOKS, Kind.counter,
           "Webhook attempts",
           ("outcome",)),
    Metric(CONNECTIONS, Kind.gauge,
           "Database connections of a process",
           (*_PROCESS, "state")),
    Metric(MOST_CONNECTIONS, Kind.gauge, "Maximum database connections of a process", _PROCESS),
    Metric(MEMORY, Kind.gauge,
           "Resident memory of a process, shared memory included",
           _PROCESS),
    Metric(CPU, Kind.counter, "CPU time of a process, in seconds", _PROCESS),
    Metric(STARTED, Kind.gauge, "Start of a process, in seconds since 1970", _PROCESS),
    Metric(BUILD, Kind.gauge,
           "1; versions of the service and of Python",
           ("version", "python")),
    Metric(DEPENDENCY, Kind.gauge,
           "1 if the database or broker answers, else 0",
           ("dependency",)),
)  # fmt: skip

METRICS = {metric.name: metric for metric in _TABLE}
