"""Time of the periodic upkeep (`tasks/upkeep.py`) in the database of a service.

Writes milliseconds by name, as JSON: the quickest of so many runs.

    python -m benchmarks.growth.upkeep TIMES

Nothing is overdue or old, as in most minutes: the time is that of finding nothing.
"""

import json
import sys
from collections.abc import Callable, Mapping
from time import perf_counter

from roadmap.accounts import api_keys, idempotency_store, sessions
from roadmap.lifecycle.making import create, rescue
from roadmap.operations import audit_log, log_retention, metrics_store
from roadmap.webhooks import subscriptions

PARTS: Mapping[str, Callable[[], object]] = {
    "rescue": rescue.overdue,
    "count queued": lambda: create.count_queued(1_000),
    "idle sessions": sessions.end_idle_sessions,
    "API keys": api_keys.purge_expired,
    "idempotency records": idempotency_store.purge_expired,
    "webhooks": subscriptions.purge_expired,
    "audit log": audit_log.purge_expired,
    "metrics": metrics_store.purge_expired,
    "log retention": log_retention.rotate_partitions,
    "log sources": log_retention.sum_up_sources,
}


def main(times: int) -> None:
    print(json.dumps({name: min(_ms(part) for _ in range(times)) for name, part in PARTS.items()}))


def _ms(part: Callable[[], object]) -> float:
    began = perf_counter()
    part()
    return (perf_counter() - began) * 1000


if __name__ == "__main__":
    main(int(sys.argv[1]))
