"""The amount that is measured: for docs/PERFORMANCE.md, for a quick look, and for every change."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds are those of every interleaved measurement, seconds those of one turn under load."""

    form: str
    rounds: int
    seconds: float
    latency_seconds: float  # at 100 requests a second
    messages: int  # of a queue, of one turn
    tries: int  # of the latency of an idle queue
    starts: int  # of each process
    records: int  # of the log, of one turn
    recorded: int  # by record(), in one go
    roadmaps: int  # after which memory is measured again; 0: it is not
    idle_seconds: float  # before memory is measured
    is_short: bool = False  # only what a target compares with


FULL = Effort(
    form="in full",
    rounds=5,
    seconds=5,
    latency_seconds=60,
    messages=8_000,
    tries=200,
    starts=5,
    records=20_000,
    recorded=100_000,
    roadmaps=10_000,
    idle_seconds=15,
)
QUICK = Effort(
    form="the quick form",
    rounds=3,
    seconds=2,
    latency_seconds=10,
    messages=2_000,
    tries=60,
    starts=3,
    records=20_000,
    recorded=50_000,
    roadmaps=60,
    idle_seconds=5,
)
SMOKE = Effort(
    form="the shortest form",
    rounds=1,  # and more of them for what is far off then
    seconds=1,
    latency_seconds=0,
    messages=3_000,
    tries=0,
    starts=0,
    records=20_000,
    recorded=50_000,
    roadmaps=0,
    idle_seconds=3,
    is_short=True,
)
