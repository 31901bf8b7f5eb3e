"""Use of a deployment in a month, and the bill for it. Pure."""

from dataclasses import dataclass

from cli.costs.measured import StackUsage
from cli.costs.prices import Platform, RedisByCommand

DAYS = 30  # of a month
READS = 50  # of a roadmap, by default
MONTH = DAYS * 86_400  # seconds
MB_OF_A_GB = 1_000
BYTES_OF_A_GB = 1e9
COMMANDS_OF_A_PRICE = 100_000
REDIS = "redis"  # the part that a provider who bills commands replaces


@dataclass(frozen=True, slots=True)
class Part:
    """Part of a deployment; MB (10^6 bytes) and cores are averages of each instance."""

    name: str
    instances: int
    memory: float
    cores: float


@dataclass(frozen=True, slots=True)
class Use:
    """Use of a month.

    Commands are those that Redis is sent, and those that scripts among them call; `storage` and
    `egress` are GB (10^9 bytes).
    """

    parts: tuple[Part, ...]
    commands: float
    inside_scripts: float
    storage: float
    egress: float

    @property
    def memory(self) -> float:
        """Sum of MB."""
        return sum(part.instances * part.memory for part in self.parts)

    @property
    def cores(self) -> float:
        return sum(part.instances * part.cores for part in self.parts)


@dataclass(frozen=True, slots=True)
class Bill:
    """Bill of a month, in the currency of the prices."""

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
    """Roadmaps of a month, reads of each, and months for which they have been kept."""

    roadmaps: float
    reads: float
    months: int


def use_of(stack: StackUsage, load: Load) -> Use:
    """Return the use of a stack under a load that is spread evenly over the month.

    Memory is that of the busiest moment that was measured.
    """
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
    """Return the use of an instance that is paid by its size (MB, cores)."""
    return Use((Part("instance", 1, memory, cores),), 0, 0, 0, 0)


def bill_of(use: Use, platform: Platform, redis: RedisByCommand | None = None) -> Bill:
    """Return the bill.

    `redis` is a provider who bills commands, and replaces the platform's.
    """
    parts = [part for part in use.parts if redis is None or part.name != REDIS]
    commands = use.commands + (use.inside_scripts if redis and redis.inside_scripts else 0)
    return Bill(
        memory=sum((part.instances * part.memory for part in parts), 0.0)
        / MB_OF_A_GB
        * platform.memory,
        cores=sum((part.instances * part.cores for part in parts), 0.0) * platform.cores,
        storage=use.storage * platform.storage,
        egress=use.egress * platform.egress,
        redis=commands / COMMANDS_OF_A_PRICE * redis.commands if redis else 0.0,
    )


def paid(bill: Bill, platform: Platform) -> dict[str, float]:
    """Return the price of each plan, or of the use if that is more."""
    return {name: max(least, bill.total) for name, least in platform.plans.items()}
