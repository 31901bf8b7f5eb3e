"""Processes, connections, commands, bytes and the bill of a workload.

Use of one roadmap is read from `cli/costs/measured.json`, as `make bench-usage` measured it.
"""

from dataclasses import dataclass, replace
from math import ceil, exp
from typing import Any

from benchmarks.capacity.simulation import Found, keeping_up, smallest
from benchmarks.capacity.workload import DAY, Workload
from benchmarks.figures import number
from cli.costs import measured, prices
from cli.costs.bill import MONTH, Part, Use, bill_of
from core.settings import Settings

API, LOGS, CONTENT, POSTGRES, REDIS = "api", "huey_logs", "huey_content", "postgres", "redis"
WITH_MODEL = "three services, model"  # in what was measured
PLATFORM, MONTHS = "Railway", 12  # for which roadmaps have been kept
REQUESTS = 60  # of the API for a roadmap: asking, looking, streams, pages
BUSY = 0.6  # of a core that a process may use in the busiest hour
WAIT = 0.0065  # seconds for which a call's thread waits for PostgreSQL and Redis
LOGS_THREADS: int = Settings.model_fields["logs_workers"].default
API_CONNECTIONS, BESIDE_LOGS, BESIDE_CONTENT = 13, 2, 3  # of the pools: core/backends.py, CONSUMERS
MESSAGE = 450  # bytes in Redis
COMMITS, HELD = 650, 0.003  # transactions of a roadmap of 90 contents; seconds that each takes
# Commands of Redis: of a call's message; of a batch of log records, of which a process sends up to
# FLUSHES a second with RECORDS for each call.
CALL_COMMANDS, FLUSH_COMMANDS, RECORDS, FLUSHES = 1.2, 3.7, 1.2, 4.0
# What one of each carries.
THREADS_OF_CONSUMER, CONNECTIONS, POSTGRES_CORES, REDIS_COMMANDS = 64, 100, 32.0, 50_000.0
SHARES = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Speed:
    """Result of the simulation: seconds to ready by share, messages waiting at most"""

    threads: int
    ready: dict[float, float]
    waiting: int
    why_not: str = ""  # why it is impossible; the rest assumes that it is possible


@dataclass(frozen=True, slots=True)
class Needs:
    """Of a month of such days; rates and cores are those of the busiest hour."""

    workload: Workload
    speed: Speed
    parts: tuple[Part, ...]  # cores in the mean
    cores: dict[str, float]
    connections: int
    pooled: int
    commands: float
    use: Use
    limits: tuple[
        tuple[str, float], ...
    ]  # how much of one is used, the first that is reached first

    def count(self, name: str) -> int:
        return next(part.instances for part in self.parts if part.name == name)

    @property
    def bill(self) -> float:
        """USD a month, with the databases on the platform, at the end of the first year."""
        return bill_of(self.use, prices.load().platforms[PLATFORM]).total

    def bill_of_model(self, price: float) -> float:
        """USD a month for its answers, at this price of a million tokens."""
        workload = self.workload
        return workload.a_day / DAY * MONTH * workload.tokens_of_roadmap / 1e6 * price


def cpu_of_call(workload: Workload) -> float:
    """CPU seconds that a content consumer computes for a call."""
    document = measured.load()
    unit = document.stacks[WITH_MODEL].parts[CONTENT]
    return unit.cpu_per_roadmap / (document.roadmap.contents + workload.outline_calls)


def speed_of(workload: Workload) -> Speed:
    """Return the speed of the smallest number of threads that is quick enough."""
    beside, why_not, free = cpu_of_call(workload) + WAIT, "", workload
    if (most := workload.most_a_day()) < workload.a_day:
        why_not = f"impossible: the model's limits allow {number(most)} a day"
        free = replace(workload, at_once=0)
    found = smallest(free, beside)
    if found is None:
        however = (
            f"with {free.at_once:,} calls at once" if free.at_once else "however many threads work"
        )
        share, within = f"{free.share * 100:.12g}%", f"{free.within:,.12g} s"
        why_not = why_not or f"impossible: {share} are not ready within {within}, {however}"
        found = keeping_up(free, beside)
    return _speed(workload, *found, why_not)


def _speed(workload: Workload, threads: int, found: Found, why_not: str) -> Speed:
    ready = {share: found.ready(share) for share in sorted({*SHARES, workload.share})}
    return Speed(threads, ready, found.waiting, why_not)


def needs(workload: Workload, speed: Speed, each: int = 32, requests: float = REQUESTS) -> Needs:
    """Return what so many threads need, at most `each` in a consumer."""
    document = measured.load()
    stack, times = document.stacks[WITH_MODEL], workload.contents / document.roadmap.contents
    rate, mean = workload.rate, workload.a_day / DAY
    cpu = {name: part.cpu_per_roadmap * times for name, part in stack.parts.items()}
    cpu[API] += requests * (stack.parts[API].cpu_per_request or 0) * times
    for name, of_request in stack.servers_cpu_per_request.items():
        cpu[name] += requests * of_request * times
    call = workload.seconds_of_calls / workload.calls + cpu_of_call(workload) + WAIT
    each = max(min(each, speed.threads, int(BUSY * call / cpu_of_call(workload))), 1)
    counts = {name: max(1, ceil(rate * cpu[name] / BUSY)) for name in (API, LOGS, CONTENT)}
    counts[CONTENT] = max(counts[CONTENT], ceil(speed.threads / each))
    counts |= {POSTGRES: 1, REDIS: 1}

    def cores(name: str, of: float) -> float:
        return stack.parts[name].cpu_idle + of * cpu[name] / counts[name]

    memory = {name: stack.parts[name].memory_busy for name in counts}
    memory[REDIS] = stack.parts[REDIS].memory + (speed.waiting + speed.threads) * MESSAGE / 1e6
    parts = tuple(Part(name, counts[name], memory[name], cores(name, mean)) for name in counts)
    busiest = {name: counts[name] * cores(name, rate) for name in counts}
    connections = counts[API] * API_CONNECTIONS + counts[LOGS] * (LOGS_THREADS + BESIDE_LOGS)
    connections += counts[CONTENT] * BESIDE_CONTENT + max(speed.threads, counts[CONTENT])
    commits = rate * COMMITS * times
    pooled = max(10, ceil(commits * HELD * 3)) if connections > CONNECTIONS else 0
    calls = each / call  # a second, of a busy process
    flushes = FLUSHES * (1 - exp(-RECORDS * calls / FLUSHES))
    commands = workload.calls * (CALL_COMMANDS + FLUSH_COMMANDS * flushes / calls)
    idle = stack.commands_idle * (counts[API] + counts[LOGS] + counts[CONTENT]) / 3
    gigabytes = mean * MONTH / 1e9 * times
    used: dict[str, float] = {
        "one consumer's threads": speed.threads / THREADS_OF_CONSUMER,
        "one API process's CPU": rate * cpu[API] / BUSY,
        "one logs consumer's CPU": rate * cpu[LOGS] / BUSY,
        "one content consumer's CPU": rate * cpu[CONTENT] / BUSY,
        "one PostgreSQL's connections": (pooled or connections) / CONNECTIONS,
        "one PostgreSQL's cores": busiest[POSTGRES] / POSTGRES_CORES,
        "one Redis' commands": (rate * commands + idle) / REDIS_COMMANDS,
        "the model's limits": workload.a_day / workload.most_a_day(),
    }
    use = Use(
        parts,
        commands=(mean * commands + idle) * MONTH,
        inside_scripts=0.0,
        storage=gigabytes * stack.stored_per_roadmap * MONTHS,
        egress=gigabytes * (stack.sent_per_roadmap + requests * stack.sent_per_request),
    )
    return Needs(
        workload, speed, parts, busiest, connections, pooled, rate * commands + idle, use,
        tuple(sorted(used.items(), key=lambda each: -each[1])),
    )  # fmt: skip


def as_kept(found: Needs) -> dict[str, Any]:
    """Return the results of the simulation, for JSON."""
    speed = found.speed
    ready = {str(share): seconds for share, seconds in speed.ready.items()}
    return {
        **{"a_day": found.workload.a_day, "threads": speed.threads, "ready": ready},
        **{"waiting": speed.waiting, "why_not": speed.why_not},
    }


def again(kept: dict[str, Any]) -> Needs:
    """Return the needs of a kept result, with the costs of now."""
    fields = {name: kept[name] for name in ("threads", "waiting", "why_not")}
    ready = {float(share): seconds for share, seconds in kept["ready"].items()}
    return needs(Workload(kept["a_day"]), Speed(ready=ready, **fields))
