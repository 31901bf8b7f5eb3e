"""What one roadmap costs, and which consumers that leads to. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.capacity.simulation import Fleet
from benchmarks.capacity.workload import Workload
from cli.costs import measured
from cli.costs.measured import Measured, PartUsage

CONTENT = "huey_content"
WITH_MODEL = "three services, model"  # in what was measured
BUSY = 0.6  # of a core that a process may use in the busiest hour: what comes at once must not wait for it


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """Of one roadmap with so many contents. Commands are Redis' of three processes a second with nothing to do (what a roadmap
    takes depends on how quickly it is made, see `commands_of`); bytes are stored in PostgreSQL, and sent to people, once and
    for each request of theirs. `servers_cpu_per_request` is the CPU seconds of PostgreSQL and of Redis for such a request, by
    name. `wait` is the seconds for which a call's thread waits for servers other than the model's.

    `log`, `commits` and `ahead` (share of the bytes that the execution log has, transactions, bytes written ahead) come from the
    check, since what is measured for prices has none.
    """

    contents: int
    parts: Mapping[str, PartUsage]
    commands_idle: float
    stored: float
    sent: float
    sent_for_each: float
    servers_cpu_per_request: Mapping[str, float]
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
            servers_cpu_per_request=found.servers_cpu_per_request,
        )

    def of_size(self, contents: int) -> "UnitCosts":
        """For roadmaps of so many contents: what they cost is in proportion, and so is what it costs to read their trees."""
        times = contents / self.contents
        return replace(
            self,
            contents=contents,
            parts={name: _times(part, times) for name, part in self.parts.items()},
            stored=self.stored * times,
            sent=self.sent * times,
            sent_for_each=self.sent_for_each * times,
            servers_cpu_per_request={
                name: each * times for name, each in self.servers_cpu_per_request.items()
            },
            commits=self.commits * times,
            ahead=self.ahead * times,
        )


def _times(part: PartUsage, times: float) -> PartUsage:
    """Its work so many times."""
    request = part.cpu_per_request
    more = {
        "cpu_per_roadmap": part.cpu_per_roadmap * times,
        "cpu_per_request": None if request is None else request * times,
    }
    return part.model_copy(update=more)


def unit_costs() -> UnitCosts:
    """What was measured for prices."""
    return UnitCosts.of(measured.load())


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
