"""From what is used to what is paid for it in a month. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from cli.costs.measured import StackUsage
from cli.costs.prices import Platform, RedisByCommand

DAYS = 30  # of a month
READS = 50  # of a roadmap, where nobody says how many
MONTH = DAYS * 86_400  # seconds
MB_OF_A_GB = 1_000
BYTES_OF_A_GB = 1e9
COMMANDS_OF_A_PRICE = 100_000
REDIS = "redis"  # the part that a provider which bills commands takes the place of


@dataclass(frozen=True, slots=True)
class Part:
    """Of a deployment: how many, and what each of them uses: MB (10^6 bytes) and cores, both on average."""

    name: str
    instances: int
    memory: float
    cores: float


@dataclass(frozen=True, slots=True)
class Use:
    """Of a month: the parts, commands that Redis is sent and those that scripts among them call, and GB (10^9 bytes) that are
    stored and that leave.
    """

    parts: tuple[Part, ...]
    commands: float
    inside_scripts: float
    storage: float
    egress: float

    @property
    def memory(self) -> float:
        """MB of all."""
        return sum(part.instances * part.memory for part in self.parts)

    @property
    def cores(self) -> float:
        return sum(part.instances * part.cores for part in self.parts)


@dataclass(frozen=True, slots=True)
class Bill:
    """Of a month, in the currency of the prices."""

    memory: float
    cores: float
    storage: float
    egress: float
    redis: float

    @property
    def total(self) -> float:
        return self.memory + self.cores + self.storage + self.egress + self.redis


@dataclass(frozen=True, slots=True)
class Load:
    """What people do: roadmaps that are made in a month, how often each is opened afterwards, and for how many months roadmaps
    have been kept.
    """

    roadmaps: float
    reads: float
    months: int


def use_of(stack: StackUsage, load: Load) -> Use:
    """Of a stack under this load, spread evenly over the month. Memory is that of the busiest moment that was measured."""
    read = load.roadmaps * load.reads

    def part(name: str) -> Part:
        used = stack.parts[name]
        seconds = load.roadmaps * used.cpu_per_roadmap + read * (
            used.cpu_per_request or stack.servers_cpu_per_request.get(name, 0)
        )
        return Part(name, 1, used.memory_busy, used.cpu_idle + seconds / MONTH)

    return Use(
        tuple(map(part, stack.parts)),
        stack.commands_idle * MONTH
        + load.roadmaps * stack.commands_per_roadmap
        + read * stack.commands_per_request,
        load.roadmaps * stack.commands_inside_scripts_per_roadmap,
        load.roadmaps * load.months * stack.stored_per_roadmap / BYTES_OF_A_GB,
        (load.roadmaps * stack.sent_per_roadmap + read * stack.sent_per_request) / BYTES_OF_A_GB,
    )


def reserved(memory: float, cores: float) -> Use:
    """An instance of this size (MB, cores) that is paid for whether it works or not."""
    return Use((Part("instance", 1, memory, cores),), 0, 0, 0, 0)


def bill_of(use: Use, platform: Platform, redis: RedisByCommand | None = None) -> Bill:
    """`redis`: it is not a part of the platform then, but somebody's who bills each command."""
    parts = [part for part in use.parts if redis is None or part.name != REDIS]
    commands = use.commands + (use.inside_scripts if redis and redis.inside_scripts else 0)
    return Bill(
        memory=_sum(part.instances * part.memory for part in parts) / MB_OF_A_GB * platform.memory,
        cores=_sum(part.instances * part.cores for part in parts) * platform.cores,
        storage=use.storage * platform.storage,
        egress=use.egress * platform.egress,
        redis=commands / COMMANDS_OF_A_PRICE * redis.commands if redis else 0.0,
    )


def paid(bill: Bill, platform: Platform) -> dict[str, float]:
    """By plan: what is paid at least, or what was used if that is more."""
    return {name: max(least, bill.total) for name, least in platform.plans.items()}


def _sum(values: Iterable[float]) -> float:
    return sum(values, 0.0)
