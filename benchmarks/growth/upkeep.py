"""Runs what upkeep does by the clock (`tasks/upkeep.py`), in a service's own database, and writes milliseconds by name, as JSON:
the quickest of so many times.

    python -m benchmarks.growth.upkeep TIMES

Nothing is overdue or old, as in most minutes: what is measured is how it finds that out.
"""

import json
import sys
from collections.abc import Callable, Mapping
from time import perf_counter

from roadmap import (
    api_keys,
    audit,
    creating,
    first_answers,
    log_retention,
    measures,
    rescue,
    sessions,
    webhooks,
)

PARTS: Mapping[str, Callable[[], object]] = {
    "rescue": rescue.overdue,
    "queued, counted": lambda: creating.count_queued(1_000),
    "logins": sessions.end_idle,
    "API keys": api_keys.forget_old,
    "first answers": first_answers.forget_old,
    "webhooks": webhooks.forget_old,
    "audit log": audit.forget_old,
    "measures": measures.forget_old,
    "log retention": log_retention.keep_months,
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
