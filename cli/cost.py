"""`cost`: what a month of running costs, from what was measured to a bill."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from cli.costs import measured, prices
from cli.costs.bill import MB_OF_A_GB, MONTH, Bill, Load, Use, bill_of, paid, reserved, use_of
from cli.costs.measured import Measured
from cli.costs.prices import Platform, Prices
from cli.telling import Failed, console, json_option, show, table

DAYS = MONTH / 86_400
CATALOGUE, MODEL = "three services", "three services, model"
ONE, PEER = "one instance", "FastAPI + Celery, prefork"
SERVERS = ("postgres", "redis")


@dataclass(frozen=True, slots=True)
class Layout:
    """A way to run it, with what it uses and what is paid for it in a month. `by_command`: with Redis at somebody's who bills
    commands, by that provider.
    """

    name: str
    use: Use
    bill: Bill
    paid: dict[str, float]
    by_command: dict[str, float]


@click.command("cost")
@click.option("--roadmaps", "a_day", type=click.FloatRange(0, 1e6), default=10, show_default=True, help="Made each day.")
@click.option("--reads", type=click.FloatRange(0, 1e4), default=50, show_default=True, help="How often each is opened in its life.")
@click.option("--months", type=click.IntRange(1, 120), default=12, show_default=True, help="For how long roadmaps have been kept.")
@click.option("--catalogue", is_flag=True, help="Without a model: the work of its client is left out.")
@click.option("--platform", default="Railway", show_default=True, help="Whose prices; of --prices, if that names others.")
@click.option("--large-memory", type=click.FloatRange(0.1, 1e3), default=8, show_default=True, help="GB of the large instance.")
@click.option("--large-cores", type=click.FloatRange(0.1, 1e3), default=2, show_default=True, help="vCPU of the large instance.")
@click.option(
    "--prices", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Other prices, in the form of these."
)
@json_option
def cost(
    a_day: float, reads: float, months: int, catalogue: bool, platform: str, large_memory: float, large_cores: float,
    file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Estimate a month's bill: three services, one instance, and the stack that this one replaces.

    It rests on measurements (`make bench-usage`) and on published prices; both are named with their dates. What a model asks for
    its answers is not in it: that is for MODEL_PRICES and budgets to say.
    """
    found, asked = measured.load(), _prices(file)
    if platform not in asked.platforms:
        raise Failed(f"there are no prices of {platform}; --platform can be {', '.join(asked.platforms)}.")
    load = Load(a_day * DAYS, reads, months)
    uses = {
        "three services": use_of(found.stacks[CATALOGUE if catalogue else MODEL], load),
        "one instance (SERVICE_TYPE=all)": use_of(found.stacks[ONE], load),
        "FastAPI + Celery + Flower": use_of(found.stacks[PEER], load),
        f"a large instance, {large_memory:g} GB and {large_cores:g} vCPU, reserved": reserved(large_memory * MB_OF_A_GB, large_cores),
    }
    layouts = [_layout(name, use, asked.platforms[platform], asked) for name, use in uses.items()]
    document = {"load": asdict(load), "layouts": [asdict(each) for each in layouts], "rests_on": _rests_on(found, asked, platform)}
    show(document, as_json, lambda: _tell(layouts, found, asked, platform))


def _prices(file: Path | None) -> Prices:
    try:
        return prices.load(file) if file else prices.load()
    except (OSError, ValidationError) as error:
        problem = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        where = ".".join(map(str, problem["loc"]))
        told = f"{where}: {problem['msg']}" if where else problem["msg"]
        raise Failed(f"{file} has no prices that can be read ({told}); cli/costs/prices.json shows the form.") from None


def _layout(name: str, use: Use, platform: Platform, asked: Prices) -> Layout:
    bill = bill_of(use, platform)
    elsewhere = {
        provider: bill_of(use, platform, redis).total
        for provider, redis in asked.redis.items()
        if redis.currency == platform.currency and use.commands
    }
    return Layout(name, use, bill, paid(bill, platform), elsewhere)


def _rests_on(found: Measured, asked: Prices, platform: str) -> dict[str, Any]:
    chosen = asked.platforms[platform]
    return {
        "measured": {"date": found.date, "command": found.command, "machine": found.machine},
        "prices": {
            name: {"seen": each.seen, "source": each.source} for name, each in {platform: chosen, **asked.redis}.items()
        },
        "notes": {name: stack.note for name, stack in found.stacks.items() if stack.note},
    }


def _tell(layouts: list[Layout], found: Measured, asked: Prices, platform: str) -> None:
    chosen = asked.platforms[platform]
    columns = ["", "memory MB", "vCPU", "stored GB", "sent GB", f"used {chosen.currency}"]
    columns += [f"{name} {chosen.currency}" for name in chosen.plans]
    columns += [f"Redis of {name} {chosen.currency}" for name in layouts[0].by_command]
    table(columns, [list(_row(each, chosen, layouts[0].by_command)) for each in layouts], breakable="")
    console.print(
        f"\nA month on {platform}: what is used, and what is paid by plan, which is its price or more. Redis of somebody else: what is "
        "used then, all in all; its commands count, and there are some when nothing happens.",
        soft_wrap=True,
    )
    dates = "; ".join(f"{name} {each.seen}, {each.source}" for name, each in {platform: chosen, **asked.redis}.items())
    console.print(f"Measured on {found.date} by {found.command}. Prices: {dates}.", soft_wrap=True, highlight=False, markup=False)


def _row(layout: Layout, platform: Platform, providers: dict[str, float]) -> Iterator[str]:
    use = layout.use
    yield layout.name
    yield f"{use.memory:,.0f}"
    yield f"{use.cores:.3f}"
    yield f"{use.storage:.2f}"
    yield f"{use.egress:.2f}"
    yield f"{layout.bill.total:,.2f}"
    yield from (f"{layout.paid[name]:,.2f}" for name in platform.plans)
    yield from (f"{layout.by_command[name]:,.2f}" if name in layout.by_command else "" for name in providers)
