"""From a workload and what one roadmap costs to what has to be there: processes, memory, connections, commands, bytes. Pure.

`needs` is what a price list is asked with; `Needs` says what of everything.
"""

from dataclasses import dataclass, replace
from math import ceil, exp

from benchmarks.capacity.simulation import Fleet
from benchmarks.capacity.threads import MOST_THREADS, Speed, speed_of
from benchmarks.capacity.unit_costs import BUSY, CONTENT, UnitCosts, fleet_of
from benchmarks.capacity.workload import DAY, Workload
from cli.costs import bill
from cli.costs.bill import MONTH
from core.settings import Settings

API, LOGS, POSTGRES, REDIS, POOLER = "api", "huey_logs", "postgres", "redis", "pgbouncer"
LOGS_THREADS: int = Settings.model_fields["logs_workers"].default
API_CONNECTIONS, BESIDE_LOGS, BESIDE_CONTENT = (
    13,
    2,
    3,
)  # of the pools in core/storage.py, which a test compares
HELD = 0.003  # seconds for which a transaction holds a connection of a pooler
MESSAGE = 450  # bytes in Redis
# Commands of Redis. Of a call's message, which is claimed with the acknowledgement of the one before it, and enqueued with
# others; of one that is put off: scheduled, taken from the schedule, claimed anew and waited for; of a batch of log records,
# which is enqueued, claimed and waited for; and of a process that waits, each second. As the check has counted them with answers
# of half a second, and `make bench-usage` with answers of four.
CALL_COMMANDS, PASS_COMMANDS, FLUSH_COMMANDS, IDLE_COMMANDS = 1.2, 4.25, 3.7, 0.6
RECORDS, FLUSHES = (
    1.2,
    4.0,
)  # of a call; batches that a process sends each second, if it has records


@dataclass(frozen=True, slots=True)
class Terms:
    """How the service is run, and what one server of a kind carries: connections of PostgreSQL and of a pooler, commands of Redis
    a second, cores of the largest database server, and API requests of one roadmap (asking, looking, streams, pages).
    """

    each: int = 32
    requests: float = 60.0
    postgres_connections: int = 100
    pooler_connections: int = 10_000
    redis_commands: float = 50_000.0
    redis_memory: float = 1_000.0
    postgres_cores: float = 32.0


@dataclass(frozen=True, slots=True)
class Part(bill.Part):
    """As it is paid for, memory at work, and the cores that each uses in the busiest hour."""

    cores_busiest: float


@dataclass(frozen=True, slots=True)
class Needs:
    """Of a month with such days. `why_not` says what makes it impossible as it was asked for; then the rest is what it would take
    if that were not so. Rates a second and a minute are those of the busiest hour.
    """

    a_day: float
    busiest: float  # times the mean of the day
    share: float  # of the roadmaps, that should be ready in time
    parts: tuple[Part, ...]
    speed: Speed
    why_not: str
    calls_a_minute: float
    tokens_a_minute: float
    connections: int
    connections_pooled: int
    commits_a_second: float
    commands_a_second: float
    commands_a_month: float
    redis_mb: float
    storage_gb: float  # that a month adds
    log_gb: float  # of these
    ahead_gb: float  # written ahead, for backups and replicas
    egress_gb: float
    limits: tuple[tuple[str, float], ...]  # by how much of it is used, 1: all of one

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    @property
    def memory(self) -> float:
        """MB of all parts."""
        return sum(part.instances * part.memory for part in self.parts)

    @property
    def cores_busiest(self) -> float:
        return sum(part.instances * part.cores_busiest for part in self.parts)


def flushes(calls: float) -> float:
    """Batches of log records a second of a process that makes so many calls a second: several records go together."""
    return FLUSHES * (1 - exp(-RECORDS * calls / FLUSHES))


def commands_of(workload: Workload, fleet: Fleet) -> float:
    """Of Redis for one roadmap. The more slowly the parts come, the fewer records go together."""
    calls = fleet.each / (
        workload.seconds_of_calls / workload.calls + fleet.cpu + fleet.wait
    )  # a second, of a busy process
    return workload.calls * (CALL_COMMANDS + FLUSH_COMMANDS * flushes(calls) / calls)


def needs(workload: Workload, costs: UnitCosts, terms: Terms) -> Needs:
    """With the smallest number of threads by which the roadmaps are ready in time."""
    return sized(workload, costs, terms, *speed_of(workload, costs, terms.each))


def sized(workload: Workload, costs: UnitCosts, terms: Terms, speed: Speed, why_not: str) -> Needs:
    """What so many threads need around them."""
    costs = costs.of_size(workload.contents)
    rate, mean = workload.rate, workload.a_day / DAY
    fleet = fleet_of(workload, costs, speed.threads, terms.each)

    def part(name: str, least: int, per_roadmap: float) -> Part:
        """As many processes as keep each below the share of a core that it may use."""
        unit = costs.parts[name]
        count = max(least, ceil(rate * per_roadmap / BUSY))
        cores = [unit.cpu_idle + of * per_roadmap / count for of in (mean, rate)]
        return Part(name, count, unit.memory_busy, *cores)

    api_cpu = costs.parts[API].cpu_per_roadmap + terms.requests * (
        costs.parts[API].cpu_per_request or 0
    )
    api, logs = part(API, 1, api_cpu), part(LOGS, 1, costs.parts[LOGS].cpu_per_roadmap)
    content = part(CONTENT, fleet.consumers, costs.parts[CONTENT].cpu_per_roadmap)
    servers = [_server(name, costs, terms, rate, mean) for name in (POSTGRES, REDIS)]
    redis_mb = costs.parts[REDIS].memory + (speed.waiting + speed.threads) * MESSAGE / 1e6
    servers[1] = replace(servers[1], memory=redis_mb)
    connections = api.instances * API_CONNECTIONS + logs.instances * (LOGS_THREADS + BESIDE_LOGS)
    connections += content.instances * BESIDE_CONTENT + max(speed.threads, content.instances)
    commits = rate * costs.commits
    processes = api.instances + logs.instances + content.instances
    idle = costs.commands_idle * processes / 3
    commands = commands_of(workload, fleet)
    poolers = (
        ceil(connections / terms.pooler_connections)
        if connections > terms.postgres_connections
        else 0
    )
    pooler = (
        [Part(POOLER, poolers, 20.0, mean * costs.commits / 20_000, commits / 20_000)]
        if poolers
        else []
    )
    pooled = max(10, ceil(commits * HELD * 3)) if poolers else 0
    limits = _limits(workload, terms, {
        "one consumer's threads": speed.threads / MOST_THREADS,
        "one API process's CPU": rate * api_cpu / BUSY,
        "one logs consumer's CPU": rate * costs.parts[LOGS].cpu_per_roadmap / BUSY,
        "one content consumer's CPU": rate * costs.parts[CONTENT].cpu_per_roadmap / BUSY,
        "one PostgreSQL's connections": (pooled or connections) / terms.postgres_connections,
        "one PostgreSQL's cores": servers[0].cores_busiest / terms.postgres_cores,
        "one Redis' commands": (rate * commands + idle) / terms.redis_commands,
        "one Redis' memory": redis_mb / terms.redis_memory,
    })  # fmt: skip
    gigabytes = mean * MONTH / 1e9
    return Needs(
        a_day=workload.a_day,
        busiest=workload.busiest,
        share=workload.share,
        parts=(api, logs, content, *servers, *pooler),
        speed=speed,
        why_not=why_not,
        calls_a_minute=rate * workload.calls * 60,
        tokens_a_minute=rate * workload.tokens * 60,
        connections=connections,
        connections_pooled=pooled,
        commits_a_second=commits,
        commands_a_second=rate * commands + idle,
        commands_a_month=(mean * commands + idle) * MONTH,
        redis_mb=redis_mb,
        storage_gb=gigabytes * costs.stored,
        log_gb=gigabytes * costs.stored * costs.log,
        ahead_gb=gigabytes * costs.ahead,
        egress_gb=gigabytes * (costs.sent + terms.requests * costs.sent_for_each),
        limits=limits,
    )


def _server(name: str, costs: UnitCosts, terms: Terms, rate: float, mean: float) -> Part:
    unit = costs.parts[name]
    per_roadmap = unit.cpu_per_roadmap + terms.requests * costs.servers_cpu_per_request.get(name, 0)
    cores = [unit.cpu_idle + of * per_roadmap for of in (mean, rate)]
    return Part(name, 1, unit.memory_busy, *cores)


def _limits(
    workload: Workload, terms: Terms, used: dict[str, float]
) -> tuple[tuple[str, float], ...]:
    """Those of one of everything, the one that is reached first in front."""
    if workload.limits.exist:
        used |= {"the model's limits": workload.a_day / workload.most_a_day()}
    return tuple(sorted(used.items(), key=lambda each: -each[1]))
