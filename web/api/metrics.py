"""Counts for Prometheus."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from roadmap.execution_log import buffer, ledger
from tasks.inspection import queue_states
from web.endpoint import Call


class Counts(Collector):
    """Asks database and broker when it is asked. Raises Unavailable."""

    def collect(self) -> Iterable[Metric]:
        messages = GaugeMetricFamily("roadmap_queue_messages", "Messages by queue and state", labels=("queue", "state"))
        for queue in queue_states():
            for state in ("ready", "held", "scheduled", "dead"):
                messages.add_metric((queue.name, state), getattr(queue, state))
        yield messages
        written = ledger()
        records = GaugeMetricFamily("roadmap_log_records", "Log records of all processes by their fate", labels=("state",))
        for state in ("stored", "missing", "dropped"):
            records.add_metric((state,), getattr(written, state))
        yield records
        buffered = CounterMetricFamily("roadmap_log_buffer_records", "Log records of this process", labels=("state",))
        for state in ("accepted", "sent", "dropped"):
            buffered.add_metric((state,), getattr(buffer, state))
        yield buffered
        yield GaugeMetricFamily("roadmap_log_buffer_waiting", "Log records of this process not yet sent", value=len(buffer))


registry = CollectorRegistry()
registry.register(Counts())


def show_metrics(call: Call) -> Response:
    """In the text format of Prometheus: messages of the queues, records of the log. Nothing of what anybody learns."""
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
