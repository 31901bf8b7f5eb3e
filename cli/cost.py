"""`cost`: estimate of a monthly bill from measurements and prices."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from cli.costs import measured, prices
from cli.costs.bill import (
    DAYS,
    MB_OF_A_GB,
    READS,
    WITHOUT_QUEUE,
    DeploymentLayout,
    Load,
    layouts_of,
)
from cli.output import CommandFailed, Number, console, json_option, show, table

SIZE = Number(0.1, 1_000)


@click.command("cost")
@click.option(
    "--roadmaps",
    type=Number(0, 1e6),
    default=10,
    show_default=True,
    help="Roadmaps created per day.",
)
@click.option(
    "--reads",
    type=Number(0, 1e4),
    default=READS,
    show_default=True,
    help="Number of times each roadmap is opened.",
)
@click.option(
    "--months",
    type=click.IntRange(1, 120),
    default=12,
    show_default=True,
    help="Months that roadmaps are kept.",
)
@click.option("--catalogue", is_flag=True, help="Use the catalogue instead of a model.")
@click.option(
    "--platform",
    default="Railway",
    show_default=True,
    help="Platform whose prices are used.",
)
@click.option(
    "--large-memory",
    type=SIZE,
    default=WITHOUT_QUEUE[0] // MB_OF_A_GB,
    show_default=True,
    help="GB of the instance without a queue.",
)
@click.option(
    "--large-cores",
    type=SIZE,
    default=WITHOUT_QUEUE[1],
    show_default=True,
    help="Cores of the instance without a queue.",
)
@click.option(
    "--prices",
    "file",
    type=click.Path(path_type=Path),
    help="Other prices, in the form of cli/costs/prices.json.",
)
@json_option
def cost(
    *,
    roadmaps: float,
    reads: float,
    months: int,
    catalogue: bool,
    platform: str,
    large_memory: float,
    large_cores: float,
    file: Path | None,
    as_json: bool,
) -> None:
    """Estimate a month's bill for four layouts under the same load.

    The layouts are three services, one instance, the replaced Celery stack, and the single instance
    without a queue before that. The last cost $50 a month with 16 GB and 8 cores; another size is
    priced by the platform at full use. The estimate is based on measurements (`make bench-usage`)
    and published prices. Model calls are not included: MODEL_PRICES and budgets cover them.
    """
    found, asked = measured.load(), _prices(file)
    if platform not in asked.platforms:
        raise CommandFailed(
            f"There are no prices for {platform}. --platform can be {', '.join(asked.platforms)}."
        )
    load, sources = Load(roadmaps * DAYS, reads, months), asked.of(platform)
    layouts = layouts_of(
        found.stacks,
        load,
        asked,
        asked.platforms[platform],
        is_by_model=not catalogue,
        size=(large_memory * MB_OF_A_GB, large_cores),
    )
    document = {
        "load": asdict(load),
        "layouts": [_document(layout) for layout in layouts],
        "rests_on": {
            "measured": {"date": found.date, "command": found.command, "machine": found.machine},
            "prices": {
                name: {"seen": each.seen, "source": each.source} for name, each in sources.items()
            },
            "notes": {name: stack.note for name, stack in found.stacks.items() if stack.note},
        },
    }
    show(document, as_json, lambda: _print_bills(layouts, platform, asked, found))


def _prices(file: Path | None) -> prices.Prices:
    try:
        return prices.load(file) if file else prices.load()
    except OSError as error:
        wrong = error.strerror
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        wrong = ": ".join(part for part in (place, problem["msg"]) if part)
    raise CommandFailed(
        f"{file} is not a valid price file ({wrong}). cli/costs/prices.json shows the form."
    )


def _document(layout: DeploymentLayout) -> dict[str, Any]:
    """Return a layout with the sums of its use and its bill."""
    use, bill = layout.use, layout.bill
    return {
        **asdict(layout),
        "use": {**asdict(use), "memory": use.memory, "cores": use.cores},
        "bill": {**asdict(bill), "total": bill.total},
    }


def _print_bills(
    layouts: list[DeploymentLayout], name: str, asked: prices.Prices, found: measured.MeasuredUsage
) -> None:
    """Print the bills, and the dates of measurements and prices."""
    platform, providers = asked.platforms[name], list(layouts[0].by_command)
    columns = ["", "memory, MB", "vCPU", "stored, GB", "sent, GB", f"used, {platform.currency}"]
    columns += [f"paid, {plan}" for plan in platform.plans]
    columns += [f"used, Redis of {provider}" for provider in providers]
    rows = [
        [
            each.name,
            f"{each.use.memory:,.0f}",
            f"{each.use.cores:.3f}",
            f"{each.use.storage:.2f}",
            f"{each.use.egress:.2f}",
            f"{each.bill.total:,.2f}",
            *(f"{each.paid[plan]:,.2f}" for plan in platform.plans),
            *(f"{each.by_command[it]:,.2f}" if each.by_command else "" for it in providers),
        ]
        for each in layouts
    ]
    table(columns, rows)
    note = f"A month on {name}. A plan costs its price or, if that is more, what was used."
    if providers:
        note += (
            f" Redis of {' or '.join(providers)} bills each command, also those of idle consumers."
        )
    dates = "; ".join(
        f"{each}, read on {source.seen} at {source.source}"
        for each, source in asked.of(name).items()
    )
    measured_on = f"Measured on {found.date} by {found.command}. Prices: {dates}."
    for line in (note, measured_on):
        console.print(f"\n{line}", soft_wrap=True, highlight=False, markup=False)
