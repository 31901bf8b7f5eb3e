"""Whether the simulation is true: the real service with a model's server of a known latency, beside what is predicted for it.

First one roadmap is made by one thread, which tells what a call takes beside the model: the CPU of its process, and the time for
which it waits for PostgreSQL and Redis. Everything else is predicted: for the same arrivals, but other latencies of the same
distribution. The machine is shared with the model's server and whatever else it does, so that a second of CPU takes longer
there: how much longer, Linux tells of each trial (the time for which a thread could have run), and the prediction is given it.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.capacity.needs import (
    API_CONNECTIONS,
    BESIDE_CONTENT,
    BESIDE_LOGS,
    CALL_COMMANDS,
    FLUSH_COMMANDS,
    IDLE_COMMANDS,
    LOGS_THREADS,
    PASS_COMMANDS,
    flushes,
)
from benchmarks.capacity.real import Real, Taken, Trial, poisson
from benchmarks.capacity.simulation import Fleet, Found, Simulation
from benchmarks.capacity.workload import Latency, Limits, Workload
from benchmarks.figures import number
from benchmarks.ground import Ground, say

OUTLINE, CONTENT, CONSTANT = Latency(1.0, 0.3), Latency(0.5, 0.5), Latency(0.02)
RUNS = 15  # of the simulation, each with other latencies: the median counts
BOUND = 1.35  # a ratio beyond it, or below its inverse, fails the check: of few roadmaps chance alone makes a fifth
SHORT_BOUND = 2.0  # of the short one, which has two roadmaps
CALIBRATING = Trial("one thread", 1, 1, (0.0,), CONSTANT, CONSTANT)
TRIALS = (
    Trial("quiet", 2, 8, poisson(4, 6.0, 3), OUTLINE, CONTENT),
    Trial("busy", 2, 8, poisson(8, 3.0, 2), OUTLINE, CONTENT),
    Trial("at the model's limit", 2, 8, poisson(3, 4.0, 1), OUTLINE, CONTENT, limit=15),
)
SHORT = (Trial("short", 1, 8, (0.0, 0.5), OUTLINE, Latency(0.2, 0.5)),)


@dataclass(frozen=True, slots=True)
class Beside:
    """What a call takes beside the model, in the calibration: seconds of CPU of its process, and of waiting for servers that
    have cores to themselves; and the bytes that a roadmap leaves.
    """

    cpu: float
    wait: float
    stored: float


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure as it was measured and predicted: near that, or with `is_most` no more than that, or else only told."""

    trial: str
    name: str
    measured: float
    predicted: float
    is_most: bool = False
    is_judged: bool = True

    @property
    def ratio(self) -> float:
        return self.measured / self.predicted if self.predicted else 0.0

    def is_wrong(self, bound: float = BOUND) -> bool:
        low = 0.0 if self.is_most else 1 / bound
        return self.is_judged and not low <= self.ratio <= (1.0 if self.is_most else bound)


def check(ground: Ground, trials: Sequence[Trial] = TRIALS) -> list[Compared]:
    """Raises BenchmarkFailed."""
    found: list[Compared] = []
    with Real(ground) as real:
        say("capacity: one roadmap by one thread, to know what a call takes beside the model")
        beside = beside_of(real.take(CALIBRATING))
        say(
            f"capacity: {beside.cpu * 1000:.1f} ms of CPU and {beside.wait * 1000:.1f} ms of waiting a call"
        )
        for trial in trials:
            say(
                f"capacity: {trial.name}, {len(trial.arrivals)} roadmaps, {trial.threads} threads in each of {trial.consumers}"
            )
            found += compared(trial, real.take(trial, seed=7), beside)
    return found


def beside_of(taken: Taken) -> Beside:
    spent = sum(taken.ready) - taken.mean_at_once * taken.seconds
    cpu = taken.cpu["huey_content"] / taken.calls
    return Beside(
        cpu=cpu,
        wait=max(spent / taken.calls - cpu * _slowdown(taken, "huey_content"), 0.0)
        / _slowdown(taken, "postgres"),
        stored=taken.stored / len(taken.ready),
    )


def _slowdown(taken: Taken, part: str) -> float:
    """How many times as long its computing takes as it would with a core to itself."""
    return (taken.cpu[part] + taken.delayed[part]) / taken.cpu[part]


def compared(trial: Trial, taken: Taken, beside: Beside) -> Iterator[Compared]:
    runs = list(predicted(trial, taken, beside))

    def of(figure: str, measured: float, values: Sequence[float]) -> Compared:
        return Compared(trial.name, figure, measured, statistics.median(values))

    made = len(trial.arrivals)
    yield of("seconds to ready, 50 %", taken.percentiles["p50"], [run.at(0.5) for run in runs])
    yield of("seconds to ready, 90 %", taken.percentiles["p90"], [run.at(0.9) for run in runs])
    yield of("calls at once, mean", taken.mean_at_once, [run.called / run.seconds for run in runs])
    yield Compared(
        trial.name,
        "calls at once, most",
        taken.most_at_once,
        trial.consumers * trial.threads,
        is_most=True,
    )
    if trial.limit:
        yield Compared(
            trial.name,
            "calls begun in a second, most",
            taken.most_in_window,
            trial.limit,
            is_most=True,
        )
        refused = statistics.median(
            run.refused for run in runs
        )  # by milliseconds: how many were just about to call
        yield Compared(trial.name, "calls refused", taken.refused, refused, is_judged=False)
    yield Compared(trial.name, "roadmaps made whole", taken.whole, made)
    for part, connections in most_connections(trial).items():
        yield Compared(
            trial.name,
            f"connections of {part}",
            taken.connections.get(part, 0),
            connections,
            is_most=True,
        )
    yield Compared(trial.name, "bytes stored", taken.stored, beside.stored * made)
    commands = [_commands(trial, run) for run in runs]
    yield of("Redis commands", sum(taken.commands.values()), commands)


def _commands(trial: Trial, run: Found) -> float:
    """For the messages, for those that were put off, for the records of the log, and for consumers that wait."""
    seconds = run.seconds * trial.consumers
    records = seconds * flushes(run.calls / seconds) * FLUSH_COMMANDS
    return (
        run.calls * CALL_COMMANDS
        + run.passes * PASS_COMMANDS
        + records
        + run.seconds * IDLE_COMMANDS * (trial.consumers + 2)
    )


def predicted(trial: Trial, taken: Taken, beside: Beside) -> Iterator[Found]:
    limits = Limits(requests=trial.limit, window=1.0)
    workload = Workload(
        1.0, outline=trial.outline, content=trial.content, outline_calls=2, limits=limits
    )
    cpu = beside.cpu * _slowdown(taken, "huey_content")
    wait = beside.wait * _slowdown(taken, "postgres")
    threads = trial.consumers * trial.threads
    fleet = Fleet(
        threads, trial.threads, slots=max(trial.threads, 8), cpu=cpu, wait=wait, put_off=cpu / 8
    )
    for seed in range(RUNS):
        yield Simulation(workload, fleet, seed).run_all(trial.arrivals)


def most_connections(trial: Trial) -> dict[str, int]:
    """Of the pools."""
    content = trial.consumers * (trial.threads + BESIDE_CONTENT)
    return {
        "api": API_CONNECTIONS,
        "huey_logs": LOGS_THREADS + BESIDE_LOGS,
        "huey_content": content,
    }


def table(found: Sequence[Compared], bound: float = BOUND) -> str:
    """A row for each figure, a column for each trial."""
    trials, names = (
        list(dict.fromkeys(values))
        for values in ([each.trial for each in found], [each.name for each in found])
    )
    cells = {(each.name, each.trial): _told(each, bound) for each in found}
    rows = [
        f"| {name} | {' | '.join(cells.get((name, trial), '') for trial in trials)} |"
        for name in names
    ]
    head = f"| measured / predicted (ratio) | {' | '.join(trials)} |"
    return "\n".join([head, "|---" * (len(trials) + 1) + "|", *rows])


def _told(each: Compared, bound: float) -> str:
    most, wrong = "at most " if each.is_most else "", " **wrong**" if each.is_wrong(bound) else ""
    return f"{number(each.measured)} / {most}{number(each.predicted)} ({each.ratio:.2f}){wrong}"
