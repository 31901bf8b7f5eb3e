"""`cost`: estimate of a monthly bill from measurements and prices."""

from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from cli.costs import measured, prices
from cli.costs.bill import DAYS, MB_OF_A_GB, READS, Load
from cli.costs.layouts import DeploymentLayout, Large, layouts_of
from cli.costs.prices import Platform, Prices
from cli.output import CommandFailed, Number, console, json_option, show, table

SIZE = Number(0.1, 1_000)


def load_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add options for the load; the command gets it as `load`."""

    @click.option(
        "--roadmaps", type=Number(0, 1e6), default=10, show_default=True, help="Made each day."
    )
    @click.option(
        "--reads",
        type=Number(0, 1e4),
        default=READS,
        show_default=True,
        help="How often each is opened.",
    )
    @click.option(
        "--months",
        type=click.IntRange(1, 120),
        default=12,
        show_default=True,
        help="For how long they are kept.",
    )
    @wraps(command)
    def with_load(*, roadmaps: float, reads: float, months: int, **options: Any) -> None:
        command(load=Load(roadmaps * DAYS, reads, months), **options)

    return with_load


def large_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add options for the large instance; the command gets it as `large`."""

    @click.option(
        "--large-memory",
        "memory",
        type=SIZE,
        default=8,
        show_default=True,
        help="GB of the large instance.",
    )
    @click.option(
        "--large-cores",
        "cores",
        type=SIZE,
        default=2,
        show_default=True,
        help="vCPU of the large instance.",
    )
    @wraps(command)
    def with_large(*, memory: float, cores: float, **options: Any) -> None:
        command(large=Large(memory * MB_OF_A_GB, cores), **options)

    return with_large


@click.command("cost")
@load_options
@click.option(
    "--catalogue", is_flag=True, help="Without a model, and so without the work of its client."
)
@click.option(
    "--platform",
    default="Railway",
    show_default=True,
    help="Whose prices; of --prices, where that names others.",
)
@large_options
@click.option(
    "--prices",
    "file",
    type=click.Path(path_type=Path),
    help="Other prices, in the form of cli/costs/prices.json.",
)
@json_option
def cost(
    *, load: Load, catalogue: bool, platform: str, large: Large, file: Path | None, as_json: bool
) -> None:
    """Estimate a month's bill: three services, one instance, the stack that these replace, and a
    large instance.

    It rests on measurements (`make bench-usage`) and on published prices; both are named with their
    dates. What a model asks for its answers is not in it: MODEL_PRICES and budgets are for that.
    """
    found, asked = measured.load(), _prices(file)
    if platform not in asked.platforms:
        raise CommandFailed(
            f"there are no prices of {platform}; --platform can be {', '.join(asked.platforms)}."
        )
    chosen = asked.platforms[platform]
    layouts = layouts_of(found.stacks, load, asked, chosen, is_by_model=not catalogue, large=large)
    rests_on = asked.of(platform)

    def human() -> None:
        """Print the bills, and the dates of what they rest on."""
        providers = list(layouts[0].by_command)
        columns = ["", "memory, MB", "vCPU", "stored, GB", "sent, GB", f"used, {chosen.currency}"]
        columns += [f"paid, {name}" for name in chosen.plans]
        columns += [f"used, Redis of {name}" for name in providers]
        table(columns, [_row(each, chosen, providers) for each in layouts])
        note = f"A month on {platform}. A plan is paid as it stands or, if that is more, "
        note += "what was used."
        if providers:
            note += (
                f" Redis of {' or '.join(providers)} bills each command, "
                "and some are sent when nothing happens."
            )
        dates = "; ".join(
            f"{name}, read on {each.seen} at {each.source}" for name, each in rests_on.items()
        )
        measured_on = f"Measured on {found.date} by {found.command}. Prices: {dates}."
        for line in (note, measured_on):
            console.print(f"\n{line}", soft_wrap=True, highlight=False, markup=False)

    document = {
        "load": asdict(load),
        "layouts": [
            {
                **asdict(layout),
                "use": {
                    **asdict(layout.use),
                    "memory": layout.use.memory,
                    "cores": layout.use.cores,
                },
                "bill": {**asdict(layout.bill), "total": layout.bill.total},
            }
            for layout in layouts
        ],
        "rests_on": {
            "measured": {"date": found.date, "command": found.command, "machine": found.machine},
            "prices": {
                name: {"seen": each.seen, "source": each.source} for name, each in rests_on.items()
            },
            "notes": {name: stack.note for name, stack in found.stacks.items() if stack.note},
        },
    }
    show(document, as_json, human)


def _prices(file: Path | None) -> Prices:
    try:
        return prices.load(file) if file else prices.load()
    except OSError as error:
        wrong = error.strerror
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        wrong = ": ".join(part for part in (place, problem["msg"]) if part)
    raise CommandFailed(
        f"{file} has no prices that can be read ({wrong}); cli/costs/prices.json shows the form."
    )


def _row(layout: DeploymentLayout, platform: Platform, providers: list[str]) -> list[str]:
    use, by_command = layout.use, layout.by_command
    return [
        layout.name,
        f"{use.memory:,.0f}",
        f"{use.cores:.3f}",
        f"{use.storage:.2f}",
        f"{use.egress:.2f}",
        f"{layout.bill.total:,.2f}",
        *(f"{layout.paid[name]:,.2f}" for name in platform.plans),
        *(f"{by_command[name]:,.2f}" if by_command else "" for name in providers),
    ]
