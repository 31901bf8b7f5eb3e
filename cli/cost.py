"""`cost`: a month's bill, from what was measured once and from published prices."""

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import click
from pydantic import BaseModel, Field, ValidationError

from cli.output import CommandFailed, Number, json_option, show, table

FOLDER = Path(__file__).parent
PRICES = FOLDER / "prices.json"
# Parts have MB (10^6 bytes) and CPU seconds. Triples are of a second, a roadmap, a GET of its tree.
MEASURED: dict[str, Any] = json.loads((FOLDER / "measured_use.json").read_text("utf-8"))
DAYS, SECONDS = 30, 30 * 86_400  # of a month
WITHOUT_QUEUE, WITHOUT_QUEUE_PRICE = (16, 8), 50.0  # GB and cores; USD
SIZE = Number(0.1, 1_000)
Money = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class Provider(BaseModel, frozen=True, extra="forbid"):
    """Provider, whose prices were read at `source` on the day `seen`."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    seen: Annotated[date, Field(strict=True)]  # such as 2026-01-31, and no number of seconds
    source: Text


class Platform(Provider):
    """Prices of a GB of memory, a core, a GB stored, a GB sent; `plans` cost that at least."""

    memory: Money
    cores: Money
    storage: Money
    egress: Money
    plans: dict[Text, Money] = {}


class RedisByCommand(Provider):
    """Price of 100,000 commands; with `inside_scripts`, those that scripts call count too."""

    commands: Money
    inside_scripts: bool = False


class Prices(BaseModel, frozen=True, extra="forbid"):
    platforms: Annotated[dict[Text, Platform], Field(min_length=1, max_length=20)]
    redis: Annotated[dict[Text, RedisByCommand], Field(max_length=20)] = {}


def estimate(
    prices: Prices, name: str, load: dict[str, float], writer: str, size: tuple[float, float]
) -> dict[str, Any]:
    """Return the document of `roadmap cost --json`; `name` is that of the platform."""
    platform, layouts = prices.platforms[name], []
    redis = {each: it for each, it in prices.redis.items() if it.currency == platform.currency}

    def month(of: tuple[float, float, float]) -> float:
        return of[0] * SECONDS + load["roadmaps"] * (of[1] + load["reads"] * of[2])

    def bill(use: dict[str, Any], by_command: RedisByCommand | None = None) -> dict[str, float]:
        parts = [it for it in use["parts"] if by_command is None or it["name"] != "redis"]
        inside = use["inside_scripts"] if by_command and by_command.inside_scripts else 0
        amounts = {
            "memory": sum(it["memory"] for it in parts) / 1000 * platform.memory,
            "cores": sum(it["cores"] for it in parts) * platform.cores,
            "storage": use["storage"] * platform.storage,
            "egress": use["egress"] * platform.egress,
            "redis": (use["commands"] + inside) / 1e5 * by_command.commands if by_command else 0.0,
        }
        return {**amounts, "total": sum(amounts.values())}

    without_queue = f"instance without a queue: {size[0]:g} GB, {size[1]:g} cores"
    reserved: dict[str, Any] = {"parts": {"instance": (size[0] * 1000, (size[1], 0, 0))}}
    reserved |= dict.fromkeys(("commands", "inside_scripts", "stored", "sent"), (0, 0, 0))
    for layout, of in {**MEASURED["layouts"][writer], without_queue: reserved}.items():
        parts = [
            {"name": part, "instances": 1, "memory": memory, "cores": month(cpu) / SECONDS}
            for part, (memory, cpu) in of["parts"].items()
        ]
        use: dict[str, Any] = {"parts": parts, "egress": month(of["sent"]) / 1e9}
        use["storage"] = month(of["stored"]) * load["months"] / 1e9
        use |= {each: month(of[each]) for each in ("commands", "inside_scripts")}
        use |= {each: sum(part[each] for part in parts) for each in ("memory", "cores")}
        paid = bill(use)
        if layout == without_queue and size == WITHOUT_QUEUE and platform.currency == "USD":
            share = WITHOUT_QUEUE_PRICE / (paid["total"] or 1)
            paid = {each: it * share for each, it in paid.items()}
        plans = {plan: max(least, paid["total"]) for plan, least in platform.plans.items()}
        other = {each: bill(use, it)["total"] for each, it in redis.items() if use["commands"]}
        document = {"name": layout, "use": use, "bill": paid, "paid": plans}
        layouts.append({**document, "by_command": other})
    providers = {name: platform, **redis}
    dates = {each: {"seen": it.seen, "source": it.source} for each, it in providers.items()}
    measured = {each: MEASURED[each] for each in ("date", "command", "machine")}
    rests_on = {"measured": measured, "prices": dates, "notes": MEASURED["notes"]}
    return {"load": load, "layouts": layouts, "rests_on": rests_on}


@click.command("cost", context_settings={"show_default": True})
@click.option("--roadmaps", type=Number(0, 1e6), default=10, help="Roadmaps created per day.")
@click.option("--reads", type=Number(0, 1e4), default=50, help="Times each roadmap is opened.")
@click.option("--months", type=click.IntRange(1, 120), default=12, help="Months they are kept.")
@click.option("--catalogue", is_flag=True, help="Use the catalogue instead of a model.")
@click.option("--platform", default="Railway", help="Platform whose prices are used.")
@click.option("--large-memory", type=SIZE, default=16, help="GB of the instance without a queue.")
@click.option("--large-cores", type=SIZE, default=8, help="Cores of the instance without a queue.")
@click.option("--prices", type=click.File("rb"), help="Other prices, as in cli/prices.json.")
@json_option
def cost(
    *, platform: str, catalogue: bool, prices: BinaryIO | None, as_json: bool, **load: float
) -> None:
    """Estimate a month's bill for four layouts under the same load, without model calls.

    The instance without a queue cost $50 in one size; another has the platform's price.
    """
    try:
        asked = Prices.model_validate_json(prices.read() if prices else PRICES.read_bytes())
    except ValidationError as error:
        wrong = error.errors()[0]
        text = f"These prices are unusable: {'.'.join(map(str, wrong['loc']))} {wrong['msg']}."
        raise CommandFailed(f"{text} cli/prices.json shows their form.") from None
    if platform not in asked.platforms:
        raise CommandFailed(f"{platform} has no prices. There are {', '.join(asked.platforms)}.")
    size = load.pop("large_memory"), load.pop("large_cores")
    load["roadmaps"] *= DAYS
    document = estimate(asked, platform, load, "catalogue" if catalogue else "model", size)
    show(document, as_json, lambda: _print_bills(document, asked.platforms[platform].currency))


def _print_bills(document: dict[str, Any], currency: str) -> None:
    first, prices = document["layouts"][0], document["rests_on"]["prices"]
    columns = ["", "memory, MB", "vCPU", "stored, GB", "sent, GB", f"used, {currency}"]
    columns += [f"paid, {plan}" for plan in first["paid"]]
    columns += [f"used, Redis of {provider}" for provider in first["by_command"]]
    rows = []
    for each in document["layouts"]:
        use, plans, by_command = each["use"], each["paid"].values(), each["by_command"].values()
        row = [each["name"], f"{use['memory']:,.0f}", f"{use['cores']:.3f}"]
        used = use["storage"], use["egress"], each["bill"]["total"]
        row += [f"{it:,.2f}" for it in (*used, *plans, *by_command)]
        rows.append(row + [""] * (len(columns) - len(row)))
    table(columns, rows)
    click.echo("\nFor a month. A plan costs its price or, if that is more, what was used.")
    click.echo(f"Measured on {MEASURED['date']} by {MEASURED['command']}. Prices:")
    for name, of in prices.items():
        click.echo(f"{name}, read on {of['seen']} at {of['source']}")
