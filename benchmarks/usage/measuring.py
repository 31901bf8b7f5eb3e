"""Resources of the parts of one stack: idle, while roadmaps are made, and while trees are read."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.ground import BenchmarkFailed, Ground, ask, say
from benchmarks.idle import SETTLE
from benchmarks.load import Plan, load
from benchmarks.processes import alone, cpu, looking
from benchmarks.usage.commands import counted
from benchmarks.usage.learning import Learner, document_of
from cli.costs.measured import Effort, PartUsage, RoadmapSize, StackUsage

POSTGRES, REDIS = "postgres", "redis"
LOOKS = 0.5  # seconds between two looks at the memory
RATE = 40  # requests a second: no stack is at its limit, so that one costs what it usually costs
WARM_UP, CONNECTIONS = 0.5, 8
FEW = 10  # roadmaps whose commands are counted, at most
STEADY = 2.0  # seconds without another record of the log, after which all are written
LONGEST = 300.0  # seconds until they are
AT_WORK = """SELECT (SELECT count(*) FROM roadmap WHERE status = 'queued'),
    (SELECT count(*) FROM execution_log)"""


@dataclass(frozen=True, slots=True)
class Subject:
    """A stack that runs: its parts by the pid of their first processes, and those that answer."""

    name: str
    parts: Mapping[str, int]
    api: str
    database: str  # its address
    learner: Learner
    tree: str | None = None  # the path of a whole roadmap, if it makes none itself
    taking: Callable[[float], AbstractContextManager[None]] | None = (
        None  # its model takes so many seconds for an answer
    )
    times: int = 1  # as many roadmaps are made: a few cheap ones are lost in noise
    note: str = ""


@dataclass(slots=True)
class Spent:
    """CPU seconds of each part, and the time it took; filled when `spending` has ended."""

    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)


def measured(ground: Ground, subject: Subject, effort: Effort) -> tuple[StackUsage, RoadmapSize]:
    """Also how large the roadmap is whose tree is read. Raises BenchmarkFailed, LoadFailed."""
    parts, learner, roadmaps = subject.parts, subject.learner, effort.roadmaps * subject.times
    say(f"{subject.name}: a first roadmap")
    path, _ = learner.create(0)
    come_to_rest(subject)
    tree = subject.tree or path
    read = learner.read(tree)
    time.sleep(min(SETTLE, effort.idle_seconds))
    say(f"{subject.name}: nothing to do, for {effort.idle_seconds} s")
    with counted(ground.broker) as idle_commands, spending(parts) as idle:
        time.sleep(effort.idle_seconds)
    memory = {name: alone([pid]) for name, pid in parts.items()}
    say(f"{subject.name}: {roadmaps} roadmaps are made")
    ground.settle()
    size = size_of(subject.database)
    with most_memory(parts) as most, spending(parts) as making:
        sent = learner.make(1, roadmaps)
        come_to_rest(subject)
        ground.settle()  # the price of writing it down is part of it
    stored = size_of(subject.database) - size
    few = min(roadmaps, FEW) if subject.taking is None else 1
    slowly = nullcontext() if subject.taking is None else subject.taking(effort.call_seconds)
    with slowly, counted(ground.broker) as commands, spending({}) as counting:
        learner.make(1 + roadmaps, few)
        come_to_rest(subject)
    say(f"{subject.name}: {effort.requests} trees are read")
    plan = Plan(
        learner.port,
        [learner.tree_request(tree)],
        200,
        effort.requests / RATE,
        WARM_UP,
        CONNECTIONS,
        RATE,
    )
    with spending(parts) as reading:
        answered = load(plan).answered
    with counted(ground.broker) as read_commands, spending({}) as counting_reads:
        answered_few = load(replace(plan, seconds=FEW / RATE)).answered
    commands_idle = idle_commands.of_clients / idle.seconds
    per_roadmap = {
        name: beyond(making.cpu[name], making.seconds, idle_rate(idle, name), roadmaps)
        for name in parts
    }
    per_request = {
        name: beyond(reading.cpu[name], reading.seconds, idle_rate(idle, name), answered)
        for name in parts
    }
    usage = StackUsage(
        parts={
            name: PartUsage(
                memory=rounded(memory[name]),
                memory_busy=rounded(max(most[name], memory[name])),
                cpu_idle=rounded(idle_rate(idle, name)),
                cpu_per_roadmap=per_roadmap[name],
                cpu_per_request=per_request[name] if name == subject.api else None,
            )
            for name in parts
        },
        commands_idle=rounded(commands_idle),
        commands_per_roadmap=beyond(commands.of_clients, counting.seconds, commands_idle, few),
        commands_inside_scripts_per_roadmap=beyond(
            commands.inside_scripts,
            counting.seconds,
            idle_commands.inside_scripts / idle.seconds,
            few,
        ),
        commands_per_request=beyond(
            read_commands.of_clients, counting_reads.seconds, commands_idle, answered_few
        ),
        stored_per_roadmap=rounded(max(stored, 0) / roadmaps),
        sent_per_roadmap=rounded(sent / roadmaps),
        sent_per_request=rounded(len(read)),
        servers_cpu_per_request={name: per_request[name] for name in (POSTGRES, REDIS)},
        note=subject.note,
    )
    return usage, size_of_tree(document_of(read))


@contextmanager
def spending(parts: Mapping[str, int]) -> Iterator[Spent]:
    spent, began = Spent(), time.monotonic()
    before = {name: cpu([pid]) for name, pid in parts.items()}
    yield spent
    spent.cpu = {name: cpu([pid]) - before[name] for name, pid in parts.items()}
    spent.seconds = time.monotonic() - began


@contextmanager
def most_memory(parts: Mapping[str, int]) -> Iterator[dict[str, float]]:
    """The most MB that each part had during the block."""
    most = dict.fromkeys(parts, 0.0)

    def look() -> None:
        for name, pid in parts.items():
            most[name] = max(most[name], alone([pid]))

    with looking(look, LOOKS):
        yield most


def idle_rate(idle: Spent, name: str) -> float:
    """Cores."""
    return idle.cpu[name] / idle.seconds


def beyond(spent: float, seconds: float, idle: float, count: int) -> float:
    """Return the cost of one of `count`, above the cost of idling (`idle` a second).

    The result is never negative: a difference that small is noise.
    """
    return rounded(max(spent - idle * seconds, 0.0) / count)


def rounded(value: float) -> float:
    """With four digits: the rest is chance."""
    return float(f"{value:.4g}")


def size_of(database: str) -> int:
    return int(ask(database, "SELECT pg_database_size(current_database())")[0][0])


def come_to_rest(subject: Subject) -> None:
    """Until what was accepted has been done and the log has all of it. Raises BenchmarkFailed."""
    deadline, before = time.monotonic() + LONGEST, None
    while True:
        queued, records = ask(subject.database, AT_WORK)[0]
        if not queued and records == before:
            return
        if time.monotonic() > deadline:
            raise BenchmarkFailed(
                f"{subject.name}: after {LONGEST:g} s {queued} roadmaps wait, "
                f"and the log has {records} records"
            )
        before = records
        time.sleep(STEADY)


def size_of_tree(tree: Any) -> RoadmapSize:
    concepts = [
        concept
        for stage in tree["stages"]
        for module in stage["modules"]
        for concept in module["concepts"]
    ]
    return RoadmapSize(
        concepts=len(concepts), contents=sum(len(concept["contents"]) for concept in concepts)
    )
