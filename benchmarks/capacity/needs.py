"""From a workload and what one roadmap costs to what has to be there: processes, memory, connections, commands, bytes. Pure.

`needs` is what a price list is asked with; `Needs` says what of everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, exp

from benchmarks.capacity.simulation import Fleet, Simulation
from benchmarks.capacity.workload import DAY, HOUR, Limits, Workload
from cli.costs import measured
from cli.costs.bill import MONTH
from cli.costs.measured import Measured, PartUsage
from core.settings import Settings

API, LOGS, CONTENT, POSTGRES, REDIS, POOLER = "api", "huey_logs", "huey_content", "postgres", "redis", "pgbouncer"
WITH_MODEL = "three services, model"  # in what was measured
LOGS_THREADS: int = Settings.model_fields["logs_workers"].default
API_CONNECTIONS, BESIDE_LOGS, BESIDE_CONTENT = 11, 2, 3  # of the pools in core/storage.py, which a test compares
BUSY = 0.6  # of a core that a process may use in the busiest hour: what comes at once must not wait for it
HELD = 0.003  # seconds for which a transaction holds a connection of a pooler
MESSAGE = 450  # bytes in Redis
# Commands of Redis. Of a call's message, which is claimed with the acknowledgement of the one before it, and enqueued with
# others; of one that is put off: scheduled, taken from the schedule, claimed anew and waited for; of a batch of log records,
# which is enqueued, claimed and waited for; and of a process that waits, each second. As the check has counted them with answers
# of half a second, and `make bench-usage` with answers of four.
CALL_COMMANDS, PASS_COMMANDS, FLUSH_COMMANDS, IDLE_COMMANDS = 1.2, 4.25, 3.7, 0.6
RECORDS, FLUSHES = 1.2, 4.0  # of a call; batches that a process sends each second, if it has records
MOST_THREADS = 64  # of CONTENT_WORKERS
AT_ONCE = 400  # threads: of a larger service such a slice is simulated with its share of the load
WARM_UP, FEWEST = 100, 300  # roadmaps that do not count, and that do: the busiest hour of the slice, or so many
IDLE = 1.02  # times as many threads as are busy in the mean of the busiest hour, at least: without room a queue only grows
FINE = 0.01  # of the threads: to which part the smallest number is found


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """Of one roadmap with so many contents. Commands are Redis' of three processes a second with nothing to do (what a roadmap
    takes depends on how quickly it is made, see `commands_of`); bytes are stored in PostgreSQL, and sent to people, once and
    for each request of theirs. `wait` is the seconds for which a call's thread waits for servers other than the model's.

    `log`, `commits` and `ahead` (share of the bytes that the execution log has, transactions, bytes written ahead) come from the
    check, since what is measured for prices has none.
    """

    contents: int
    parts: Mapping[str, PartUsage]
    commands_idle: float
    stored: float
    sent: float
    sent_for_each: float
    wait: float = 0.0065
    log: float = 0.23
    commits: float = 650.0
    ahead: float = 850_000.0

    @classmethod
    def of(cls, document: Measured, stack: str = WITH_MODEL) -> "UnitCosts":
        found = document.stacks[stack]
        return cls(
            contents=document.roadmap.contents,
            parts=found.parts,
            commands_idle=found.commands_idle,
            stored=found.stored_per_roadmap,
            sent=found.sent_per_roadmap,
            sent_for_each=found.sent_per_request,
        )

    def of_size(self, contents: int) -> "UnitCosts":
        """For roadmaps of so many contents: what they cost is in proportion."""
        times = contents / self.contents
        parts = {
            name: part.model_copy(update={"cpu_per_roadmap": part.cpu_per_roadmap * times}) for name, part in self.parts.items()
        }
        return replace(
            self,
            contents=contents,
            parts=parts,
            stored=self.stored * times,
            sent=self.sent * times,
            sent_for_each=self.sent_for_each * times,
            commits=self.commits * times,
            ahead=self.ahead * times,
        )


def unit_costs() -> UnitCosts:
    """What was measured for prices."""
    return UnitCosts.of(measured.load())


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
class Part:
    """So many instances of one kind, MB of each at work, and the cores that each uses in the mean and in the busiest hour."""

    name: str
    instances: int
    memory: float
    cores: float
    cores_busiest: float


@dataclass(frozen=True, slots=True)
class Speed:
    """What was simulated. Seconds until 50, 90 and 99 % of the roadmaps are ready, and until a worker begins to plan 90 % of
    them; calls of the model and messages that wait, at most; `at_once` is the calls in the mean of the busiest hour.
    """

    threads: int
    ready: tuple[float, float, float]
    planning: float
    at_once: float
    waiting: int
    failed: int


@dataclass(frozen=True, slots=True)
class Needs:
    """Of a month with such days. `why_not` says what makes it impossible as it was asked for; then the rest is what it would take
    if that were not so. Rates a second and a minute are those of the busiest hour.
    """

    a_day: float
    busiest: float  # times the mean of the day
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


def fleet_of(workload: Workload, costs: UnitCosts, threads: int, each: int) -> Fleet:
    """Consumers whose threads may all call at once, so few in each that its process has a core for them."""
    cpu = costs.parts[CONTENT].cpu_per_roadmap / (costs.contents + workload.outline_calls)
    whole = workload.seconds_of_calls / workload.calls + cpu + costs.wait
    each = max(min(each, threads, int(BUSY * whole / cpu) if cpu else each), 1)
    return Fleet(threads, each, cpu=cpu, wait=costs.wait, put_off=cpu / 8)


def offered(workload: Workload, costs: UnitCosts) -> float:
    """Threads that are busy in the mean of the busiest hour, however many there are."""
    fleet = fleet_of(workload, costs, 1, 1)
    return workload.rate * (workload.seconds_of_calls + workload.calls * (fleet.cpu + fleet.wait))


def flushes(calls: float) -> float:
    """Batches of log records a second of a process that makes so many calls a second: several records go together."""
    return FLUSHES * (1 - exp(-RECORDS * calls / FLUSHES))


def commands_of(workload: Workload, fleet: Fleet) -> float:
    """Of Redis for one roadmap. The more slowly the parts come, the fewer records go together."""
    calls = fleet.each / (workload.seconds_of_calls / workload.calls + fleet.cpu + fleet.wait)  # a second, of a busy process
    return workload.calls * (CALL_COMMANDS + FLUSH_COMMANDS * flushes(calls) / calls)


def needs(workload: Workload, costs: UnitCosts, terms: Terms) -> Needs:
    """With the smallest number of threads by which the roadmaps are ready in time."""
    return sized(workload, costs, terms, *speed_of(workload, costs, terms.each))


def speed_of(workload: Workload, costs: UnitCosts, each: int) -> tuple[Speed, str]:
    """How quick the smallest number of threads is that is quick enough; where none is, why, and how quick those are that would
    be enough without the model's limits, or that just keep up.
    """
    costs = costs.of_size(workload.contents)
    why_not, possible, free = "", workload, replace(workload, limits=Limits())
    if (most := workload.most_a_day()) < workload.a_day:
        why_not = f"not possible: the model's limits allow at most {most:,.0f} a day of this shape"
        possible = free
    speed = smallest(possible, costs, each)
    if speed is None:
        why_not = why_not or late(free, costs)
        speed = smallest(replace(free, within=DAY * 365), costs, each)
    assert speed is not None  # whoever keeps up is done within a year
    return speed, why_not


def late(workload: Workload, costs: UnitCosts) -> str:
    """Why no number of threads is enough, given the workload without the model's limits."""
    alone = simulated(replace(workload, a_day=1.0), costs, workload.contents, MOST_THREADS)
    is_slow = _at(alone, workload.share) > workload.within
    reason = "however many threads work" if is_slow else "since the model's limits are then reached again and again"
    return f"not possible: {workload.share:.0%} are not ready within {workload.within:,.0f} s, {reason}"


def smallest(workload: Workload, costs: UnitCosts, each: int) -> Speed | None:
    """None when no number of threads is enough. Found by doubling the step and halving it again, to within 1 %."""
    least = ceil(offered(workload, costs) * IDLE)
    most = 8 * least + 4 * workload.contents
    last, step, threads = least - 1, 1, least
    while not _is_enough(workload, costs, threads, each):
        if threads >= most:
            return None
        last, step = threads, max(2 * step, ceil(FINE * threads))
        threads = min(last + step, most)
    while threads - last > max(1, FINE * threads):
        middle = (last + threads) // 2
        if _is_enough(workload, costs, middle, each):
            threads = middle
        else:
            last = middle
    return simulated(workload, costs, threads, each)


def _is_enough(workload: Workload, costs: UnitCosts, threads: int, each: int) -> bool:
    speed = simulated(workload, costs, threads, each)
    return _at(speed, workload.share) <= workload.within and not speed.failed


def _at(speed: Speed, share: float) -> float:
    return speed.ready[0] if share <= 0.5 else speed.ready[1] if share <= 0.9 else speed.ready[2]


def simulated(workload: Workload, costs: UnitCosts, threads: int, each: int) -> Speed:
    """Of a large service a slice, which is a little worse than the whole: what comes at once is less even there."""
    in_slice = ceil(threads / max(ceil(threads / AT_ONCE), 1))
    share = in_slice / threads
    limits = replace(
        workload.limits,
        requests=workload.limits.requests * share,
        tokens=workload.limits.tokens * share,
        at_once=ceil(workload.limits.at_once * share),
    )
    part = replace(workload, a_day=workload.a_day * share, limits=limits)
    count = max(FEWEST, ceil(part.rate * HOUR))
    found = Simulation(part, fleet_of(workload, costs, in_slice, each)).run(count, warm_up=WARM_UP)
    return Speed(
        threads=threads,
        ready=(found.at(0.5), found.at(0.9), found.at(0.99)),
        planning=found.until_planning(0.9),
        at_once=workload.rate * workload.seconds_of_calls,
        waiting=round(found.most_waiting / share),
        failed=found.failed,
    )


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

    api_cpu = costs.parts[API].cpu_per_roadmap + terms.requests * (costs.parts[API].cpu_per_request or 0)
    api, logs = part(API, 1, api_cpu), part(LOGS, 1, costs.parts[LOGS].cpu_per_roadmap)
    content = part(CONTENT, fleet.consumers, costs.parts[CONTENT].cpu_per_roadmap)
    servers = [_server(name, costs, rate, mean) for name in (POSTGRES, REDIS)]
    redis_mb = costs.parts[REDIS].memory + (speed.waiting + speed.threads) * MESSAGE / 1e6
    servers[1] = replace(servers[1], memory=redis_mb)
    connections = api.instances * API_CONNECTIONS + logs.instances * (LOGS_THREADS + BESIDE_LOGS)
    connections += content.instances * BESIDE_CONTENT + max(speed.threads, content.instances)
    commits = rate * costs.commits
    processes = api.instances + logs.instances + content.instances
    idle = costs.commands_idle * processes / 3
    commands = commands_of(workload, fleet)
    poolers = ceil(connections / terms.pooler_connections) if connections > terms.postgres_connections else 0
    pooler = [Part(POOLER, poolers, 20.0, mean * costs.commits / 20_000, commits / 20_000)] if poolers else []
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


def _server(name: str, costs: UnitCosts, rate: float, mean: float) -> Part:
    unit = costs.parts[name]
    cores = [unit.cpu_idle + of * unit.cpu_per_roadmap for of in (mean, rate)]
    return Part(name, 1, unit.memory_busy, *cores)


def _limits(workload: Workload, terms: Terms, used: dict[str, float]) -> tuple[tuple[str, float], ...]:
    """Those of one of everything, the one that is reached first in front."""
    if workload.limits.exist:
        used |= {"the model's limits": workload.a_day / workload.most_a_day()}
    return tuple(sorted(used.items(), key=lambda each: -each[1]))
