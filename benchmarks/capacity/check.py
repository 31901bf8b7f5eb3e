"""Compare the real service with its prediction, at a known latency of the model.

First one thread makes one roadmap, which calibrates the time of a call beside the model on this
machine and the bytes of a roadmap. The rest is predicted, for the same arrivals and other
latencies of the same distribution.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.capacity.needs import API_CONNECTIONS, BESIDE_CONTENT, BESIDE_LOGS, LOGS_THREADS
from benchmarks.capacity.real import Real, Taken, Trial
from benchmarks.capacity.simulation import simulate, stream
from benchmarks.capacity.workload import Latency, Workload
from benchmarks.figures import number, percentiles
from benchmarks.ground import Ground, say
from scripts.marked import row

OUTLINE, CONTENT, CONSTANT = Latency(1.0, 0.3), Latency(1.0, 0.5), Latency(0.02)
RUNS = 15  # of the simulation, each with other latencies: the median counts
BOUND = 1.35  # a ratio beyond it, or below its inverse, fails: chance alone makes a fifth
SHORT_BOUND = 2.0  # of the short check, which has two roadmaps
CALIBRATING = Trial("one thread", 1, 1, (0.0,), CONSTANT, CONSTANT)
TRIALS = (
    Trial("quiet", 2, 8, (0.0, 9.0, 18.0, 21.0), OUTLINE, CONTENT),
    Trial(
        "busy",
        2,
        8,
        tuple(at for at, _ in zip(stream(0.25, 2), range(6), strict=False)),
        OUTLINE,
        CONTENT,
    ),
)
SHORT = (Trial("short", 1, 8, (0.0, 0.5), OUTLINE, Latency(0.2, 0.5)),)


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure as measured and predicted: near that, or with `is_most` no more than that."""

    trial: str
    name: str
    measured: float
    predicted: float
    is_most: bool = False

    @property
    def ratio(self) -> float:
        return self.measured / self.predicted

    def is_wrong(self, bound: float = BOUND) -> bool:
        return (
            not (0 if self.is_most else 1 / bound) <= self.ratio <= (1 if self.is_most else bound)
        )


def check(ground: Ground, trials: Sequence[Trial] = TRIALS) -> list[Compared]:
    """Raises BenchmarkFailed."""
    found: list[Compared] = []
    with Real(ground) as real:
        alone = real.take(CALIBRATING)
        beside = (sum(alone.ready) - alone.called) / alone.calls
        say(f"capacity: {beside * 1000:.1f} ms a call beside the model")
        for trial in trials:
            say(f"capacity: {trial.name}, {len(trial.arrivals)} roadmaps")
            found += compared(trial, real.take(trial, seed=7), beside, alone.stored)
    return found


def compared(trial: Trial, taken: Taken, beside: float, stored: int) -> Iterator[Compared]:
    workload = Workload(1, outline=trial.outline, content=trial.content, outline_calls=2)
    count, threads = len(trial.arrivals), trial.consumers * trial.threads
    runs = [
        simulate(workload, threads, trial.arrivals, range(count), beside=beside, seed=seed)
        for seed in range(RUNS)
    ]
    for name, key, share in (("50", "p50", 0.5), ("90", "p90", 0.9)):
        predicted = statistics.median(run.ready(share) for run in runs)
        yield Compared(
            trial.name, f"seconds to ready, {name} %", percentiles(taken.ready)[key], predicted
        )
    at_once = statistics.median(run.at_once for run in runs)
    yield Compared(trial.name, "calls at once, mean", taken.called / taken.seconds, at_once)
    yield Compared(trial.name, "calls at once, most", taken.most_at_once, threads, is_most=True)
    yield Compared(trial.name, "complete roadmaps", taken.whole, count)
    pools = {"api": API_CONNECTIONS, "huey_logs": LOGS_THREADS + BESIDE_LOGS}
    pools["huey_content"] = trial.consumers * (trial.threads + BESIDE_CONTENT)
    for part, most in pools.items():
        yield Compared(
            trial.name, f"connections of {part}", taken.connections.get(part, 0), most, is_most=True
        )
    yield Compared(trial.name, "bytes stored", taken.stored, stored * count)


def table(found: Sequence[Compared], bound: float = BOUND) -> str:
    """A row for each figure, a column for each trial."""
    trials = list(dict.fromkeys(each.trial for each in found))
    rows: dict[str, list[str]] = {}
    for each in found:
        near = f"{number(each.predicted)} ({each.ratio:.2f})"
        predicted = f"at most {number(each.predicted)}" if each.is_most else near
        wrong = " **wrong**" if each.is_wrong(bound) else ""
        cell = f"{number(each.measured)} / {predicted}{wrong}"
        rows.setdefault(each.name, []).append(cell)
    head = row(("measured / predicted (ratio)", *trials))
    body = [row((name, *cells)) for name, cells in rows.items()]
    return "\n".join([head, "|---" * (len(trials) + 1) + "|", *body])
