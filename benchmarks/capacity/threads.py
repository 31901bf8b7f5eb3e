"""How few threads are quick enough: the simulation, asked again and again. Pure."""

from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil

from benchmarks.capacity.simulation import Simulation
from benchmarks.capacity.unit_costs import UnitCosts, fleet_of, offered
from benchmarks.capacity.workload import DAY, HOUR, Limits, Workload

MOST_THREADS = 64  # of CONTENT_WORKERS
AT_ONCE = 400  # threads: of a larger service such a slice is simulated with its share of the load
WARM_UP, FEWEST = 100, 300  # roadmaps that do not count, and that do: the busiest hour of the slice, or so many
IDLE = 1.02  # times as many threads as are busy in the mean of the busiest hour, at least: without room a queue only grows
SHARES = (0.5, 0.9, 0.99)  # of the roadmaps, whose times are always told
FINE = 0.01  # of the threads: to which part the smallest number is found


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
    is_slow = alone.at_share > workload.within
    reason = "however many threads work" if is_slow else "since the model's limits are then reached again and again"
    return f"not possible: {percent(workload.share)} are not ready within {workload.within:,.12g} s, {reason}"


def percent(share: float) -> str:
    """With all of its digits: 99.9% is not 100%."""
    return f"{Decimal(str(share)).scaleb(2).normalize():f}%"


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
    return speed.at_share <= workload.within and not speed.failed


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
        ready=(found.at(SHARES[0]), found.at(SHARES[1]), found.at(SHARES[2])),
        at_share=found.at(workload.share),
        planning=found.until_planning(0.9),
        at_once=workload.rate * workload.seconds_of_calls,
        waiting=round(found.most_waiting / share),
        failed=found.failed,
    )
