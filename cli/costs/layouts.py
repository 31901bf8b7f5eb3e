"""Deployment layouts, with the use and the bill of each under the same load. Pure.

Missing measurements are put together from others: a model's client in one instance uses what it
adds to three services, and the stack that this one replaces does the work of this one (its own
tasks do nearly none).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cli.costs.bill import MB_OF_A_GB, Bill, Load, Use, bill_of, paid, reserved, use_of
from cli.costs.measured import PartUsage, StackUsage
from cli.costs.prices import Platform, Prices

CATALOGUE, MODEL = "three services", "three services, model"
ONE, BEFORE = "one instance", "FastAPI + Celery, prefork"
SERVERS = ("postgres", "redis")
LARGE = (8 * MB_OF_A_GB, 2)  # MB and cores of an instance that is paid in any case
COMMANDS = ("commands_per_roadmap", "commands_inside_scripts_per_roadmap")
WRITER, WRITER_BEFORE, TOGETHER = "huey_content", "worker content", "all"  # parts


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
    large: tuple[float, float] = LARGE,
) -> list[DeploymentLayout]:
    catalogue, writes = stacks[CATALOGUE], stacks[MODEL if is_by_model else CATALOGUE]
    memory, cores = large
    uses = {
        "three services": use_of(writes, load),
        "one instance": use_of(in_one(stacks[ONE], catalogue, writes), load),
        "FastAPI + Celery + Flower": use_of(at_work(stacks[BEFORE], catalogue, writes), load),
        f"a large instance: {memory / MB_OF_A_GB:g} GB, {cores:g} vCPU": reserved(memory, cores),
    }
    layouts = []
    for name, use in uses.items():
        bill = bill_of(use, platform)
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
