"""How few threads are quick enough: the simulation, asked again and again. Pure."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import ceil, inf, isfinite

from benchmarks.capacity.simulation import PATIENCE, Simulation
from benchmarks.capacity.unit_costs import UnitCosts, fleet_of, offered
from benchmarks.capacity.workload import HOUR, Limits, Workload
from benchmarks.figures import number
from core.settings import Settings

LEAST_THREADS, MOST_THREADS = (
    next(
        getattr(bound, name)
        for bound in Settings.model_fields["content_workers"].metadata
        if hasattr(bound, name)
    )
    for name in ("ge", "le")
)
# Threads, or as many as a roadmap has contents: of a larger service such a slice is simulated with its share of the load.
AT_ONCE = 400
WARM_UP, FEWEST = (
    100,
    300,
)  # roadmaps that do not count, and that do: the busiest hour of the slice, or so many
MOST_CALLS = 500_000  # of the roadmaps that count, if they are more than the fewest: with quick answers an hour has too many
MOST_EVENTS = 20_000_000  # of all that is simulated for one load: about a minute
IDLE = 1.02  # times as many threads as are busy in the mean of the busiest hour, at least: without room a queue only grows
SHARES = (0.5, 0.9, 0.99)  # of the roadmaps, whose times are always told
FINE = 0.01  # of the threads: to which part the smallest number is found


@dataclass(slots=True)
class Effort:
    """How much may still be simulated for one load, in events."""

    left: int = field(default_factory=lambda: MOST_EVENTS)


@dataclass(frozen=True, slots=True)
class Speed:
    """What was simulated. Seconds until 50, 90 and 99 % of the roadmaps are ready, until the share is that was asked for, and
    until a worker begins to plan 90 % of them, infinite where they never are; calls of the model and messages that wait, at most;
    `at_once` is the calls in the mean of the busiest hour.
    """

    threads: int
    ready: tuple[float, float, float]
    at_share: float
    planning: float
    at_once: float
    waiting: int
    failed: int


def speed_of(workload: Workload, costs: UnitCosts, each: int) -> tuple[Speed, str]:
    """How quick the smallest number of threads is that is quick enough; where none is, why, and how quick those are that would
    be enough without the model's limits, or that just keep up. Raises ValueError when that takes too long to simulate, or when
    nobody keeps up.
    """
    costs, effort = costs.of_size(workload.contents), Effort()
    why_not, possible, free = "", workload, replace(workload, limits=Limits())
    if (most := workload.most_a_day()) < workload.a_day:
        why_not = (
            f"not possible: the model's limits allow at most {number(most)} a day of this shape"
        )
        possible = free
    speed = smallest(possible, costs, each, effort)
    if speed is None:
        why_not = why_not or late(free, costs, effort)
        speed = smallest(replace(free, within=inf), costs, each, effort)
    if speed is None:
        raise ValueError(
            "such roadmaps are never ready in the simulation, however many threads work: ask with less spread"
        )
    return speed, why_not


def late(workload: Workload, costs: UnitCosts, effort: Effort) -> str:
    """Why no number of threads is enough, given the workload without the model's limits."""
    alone = simulated(replace(workload, a_day=1.0), costs, workload.contents, MOST_THREADS, effort)
    is_slow = alone.at_share > workload.within
    reason = (
        "however many threads work"
        if is_slow
        else "since the model's limits are then reached again and again"
    )
    return f"not possible: {percent(workload.share)} are not ready within {workload.within:,.12g} s, {reason}"


def percent(share: float) -> str:
    """With all of its digits: 99.9% is not 100%."""
    return f"{Decimal(str(share)).scaleb(2).normalize():f}%"


def smallest(workload: Workload, costs: UnitCosts, each: int, effort: Effort) -> Speed | None:
    """None when no number of threads is enough. Found by doubling the step and halving it again, to within 1 %."""
    least = ceil(offered(workload, costs) * IDLE)
    most = 8 * least + 4 * workload.contents
    last, step, threads = least - 1, 1, least
    while not _is_enough(
        speed := simulated(workload, costs, threads, each, effort), workload.within
    ):
        if threads >= most:
            return None
        last, step = threads, max(2 * step, ceil(FINE * threads))
        threads = min(last + step, most)
    while threads - last > max(1, FINE * threads):
        middle = (last + threads) // 2
        tried = simulated(workload, costs, middle, each, effort)
        if _is_enough(tried, workload.within):
            threads, speed = middle, tried
        else:
            last = middle
    return speed


def _is_enough(speed: Speed, within: float) -> bool:
    return isfinite(speed.at_share) and speed.at_share <= within and not speed.failed


def simulated(
    workload: Workload, costs: UnitCosts, threads: int, each: int, effort: Effort
) -> Speed:
    """Of a large service a slice, which is a little worse than the whole: what comes at once is less even there. Raises
    ValueError when that is more than is left of the effort.
    """
    in_slice = ceil(threads / ceil(threads / max(AT_ONCE, workload.contents)))
    share = in_slice / threads
    limits = replace(
        workload.limits,
        requests=workload.limits.requests * share,
        tokens=workload.limits.tokens * share,
        at_once=ceil(workload.limits.at_once * share),
    )
    part = replace(workload, a_day=workload.a_day * share, limits=limits)
    count = max(FEWEST, min(ceil(part.rate * HOUR), int(MOST_CALLS / workload.calls)))
    if effort.left < PATIENCE * (WARM_UP + count) * workload.calls:
        asked = f"{workload.a_day:,.12g} roadmaps a day of {workload.contents:,} contents"
        raise ValueError(
            f"{asked}: that takes too long to simulate; ask for fewer --contents, or for more time --within"
        )
    simulation = Simulation(part, fleet_of(workload, costs, in_slice, each))
    found = simulation.run(count, warm_up=WARM_UP)
    effort.left -= simulation.happened
    return Speed(
        threads=threads,
        ready=(found.at(SHARES[0]), found.at(SHARES[1]), found.at(SHARES[2])),
        at_share=found.at(workload.share),
        planning=found.until_planning(0.9),
        at_once=workload.rate * workload.seconds_of_calls,
        waiting=round(found.most_waiting / share),
        failed=found.failed,
    )
