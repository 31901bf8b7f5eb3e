"""Use of a deployment in a month, the bill for it, and layouts under the same load. Pure.

Missing measurements are derived from others: a model's client adds to one instance as much as to
three services, and the stack that this one replaces does the work of this one (its own tasks do
nearly none).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cli.costs.measured import PartUsage, StackUsage
from cli.costs.prices import Platform, Prices, RedisByCommand

DAYS = 30  # of a month
READS = 50  # of a roadmap, by default
MONTH = DAYS * 86_400  # seconds
MB_OF_A_GB = 1_000
BYTES_OF_A_GB = 1e9
COMMANDS_OF_A_PRICE = 100_000
REDIS = "redis"  # the part that a provider who bills commands replaces
CATALOGUE, MODEL = "three services", "three services, model"
ONE, BEFORE = "one instance", "FastAPI + Celery, prefork"
SERVERS = ("postgres", "redis")
WITHOUT_QUEUE = (16 * MB_OF_A_GB, 8)  # MB and cores of the single instance without a queue
WITHOUT_QUEUE_PRICE, WITHOUT_QUEUE_CURRENCY = 50.0, "USD"  # a month, whatever it does
COMMANDS = ("commands_per_roadmap", "commands_inside_scripts_per_roadmap")
WRITER, WRITER_BEFORE, TOGETHER = "huey_content", "worker content", "all"  # parts


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


def fixed_bill(use: Use, price: float, platform: Platform) -> Bill:
    """Return a fixed price, split over memory and cores as the platform would charge them."""
    memory = use.memory / MB_OF_A_GB * platform.memory
    cores = use.cores * platform.cores
    share = memory / (memory + cores) if memory + cores else 1.0
    return Bill(price * share, price * (1 - share), 0.0, 0.0, 0.0)


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


@dataclass(frozen=True, slots=True)
class DeploymentLayout:
    """Layout with its use and bill.

    `paid` is by plan of the platform; `by_command` is the bill by provider of a Redis that is
    billed by command.
    """

    name: str
    use: Use
    bill: Bill
    paid: dict[str, float]
    by_command: dict[str, float]


def layouts_of(
    stacks: Mapping[str, StackUsage],
    load: Load,
    asked: Prices,
    platform: Platform,
    *,
    is_by_model: bool,
    size: tuple[float, float] | None = None,
) -> list[DeploymentLayout]:
    """Return three services, one instance, and the two stacks that they replace.

    The single instance without a queue has its own price; another `size` (MB, cores) has the
    platform's.
    """
    catalogue, writes = stacks[CATALOGUE], stacks[MODEL if is_by_model else CATALOGUE]
    memory, cores = size or WITHOUT_QUEUE
    is_fixed = (memory, cores) == WITHOUT_QUEUE and platform.currency == WITHOUT_QUEUE_CURRENCY
    without_queue = f"instance without a queue: {memory / MB_OF_A_GB:g} GB, {cores:g} cores"
    uses = {
        "three services": use_of(writes, load),
        "one instance": use_of(in_one(stacks[ONE], catalogue, writes), load),
        "FastAPI + Celery + Flower": use_of(at_work(stacks[BEFORE], catalogue, writes), load),
        without_queue: reserved(memory, cores),
    }
    layouts = []
    for name, use in uses.items():
        bill = (
            fixed_bill(use, WITHOUT_QUEUE_PRICE, platform)
            if is_fixed and name == without_queue
            else bill_of(use, platform)
        )
        providers = asked.redis_of(platform).items() if use.commands else ()
        elsewhere = {each: bill_of(use, platform, redis).total for each, redis in providers}
        layouts.append(DeploymentLayout(name, use, bill, paid(bill, platform), elsewhere))
    return layouts


def in_one(together: StackUsage, catalogue: StackUsage, writes: StackUsage) -> StackUsage:
    """Return one instance with the writer of `writes`.

    It was measured with the catalogue's.
    """
    added = {  # MB, and CPU seconds a roadmap
        name: (
            part.memory_busy - catalogue.parts[name].memory_busy,
            part.cpu_per_roadmap - catalogue.parts[name].cpu_per_roadmap,
        )
        for name, part in writes.parts.items()
    }
    parts = {name: _plus(together.parts[name], added.pop(name)) for name in SERVERS}
    parts[TOGETHER] = _plus(together.parts[TOGETHER], *added.values())
    commands = {
        name: getattr(together, name) + getattr(writes, name) - getattr(catalogue, name)
        for name in COMMANDS
    }
    return _writing(together, parts, writes).model_copy(update=commands)


def at_work(before: StackUsage, catalogue: StackUsage, writes: StackUsage) -> StackUsage:
    """Return the replaced stack, whose worker and PostgreSQL do the work of `writes`."""
    writer, stores = writes.parts[WRITER], writes.parts["postgres"]
    memory = writer.memory_busy - catalogue.parts[WRITER].memory_busy
    more = {
        WRITER_BEFORE: _plus(before.parts[WRITER_BEFORE], (memory, writer.cpu_per_roadmap)),
        "postgres": _plus(before.parts["postgres"], (0.0, stores.cpu_per_roadmap)),
    }
    return _writing(before, more, writes)


def _writing(stack: StackUsage, parts: Mapping[str, PartUsage], writes: StackUsage) -> StackUsage:
    same = {
        name: getattr(writes, name)
        for name in ("stored_per_roadmap", "sent_per_roadmap", "sent_per_request")
    }
    return stack.model_copy(update={"parts": {**stack.parts, **parts}, **same})


def _plus(part: PartUsage, *more: tuple[float, float]) -> PartUsage:
    memory = part.memory_busy + sum(each for each, _ in more)
    cpu = part.cpu_per_roadmap + sum(each for _, each in more)
    return part.model_copy(update={"memory_busy": memory, "cpu_per_roadmap": max(cpu, 0.0)})
