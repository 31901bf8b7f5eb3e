"""Tables of documents about deployment.

They are bills from `cli/costs/`, and the comparison from benchmarks/results.json.

`python -m scripts.deployment_tables` prints them; `--write` puts them into the pages, between two
comments.
"""

import json
import sys
from pathlib import Path

from benchmarks.figures import number, spread, values_of
from benchmarks.report import results_of
from benchmarks.targets import FASTAPI, PREFORK, TARGETS
from cli.costs import measured, prices
from cli.costs.bill import DAYS, READS, DeploymentLayout, Load, layouts_of
from scripts.marked import Marked, markdown

ROOT = Path(__file__).resolve().parent.parent
PLATFORM = "Railway"
COSTS = ("<!-- costs: python -m scripts.deployment_tables --write -->", "<!-- end of the costs -->")
COMPARISON = (
    "<!-- comparison: python -m scripts.deployment_tables --write -->",
    "<!-- end of the comparison -->",
)
MONTHS = 12
ASSUMED = f"each opened {READS} times, kept for {MONTHS} months"
USUAL, LOADS = 10, (1, 10, 100, 1_000)  # roadmaps a day
REPLACED = (FASTAPI, PREFORK, "Celery, acks late")  # peers of the replaced stack


def of_one_load() -> str:
    """Return the use and the bills for the usual load."""
    asked = prices.load()
    chosen = asked.platforms[PLATFORM]
    providers = list(asked.redis_of(chosen))  # billed in the currency of the platform
    head = (
        "",
        "memory",
        "vCPU",
        "stored",
        "used",
        *(f"paid, {name}" for name in chosen.plans),
        *(f"used, Redis of {name}" for name in providers),
    )
    rows = (
        (
            each.name,
            f"{each.use.memory:,.0f} MB",
            f"{each.use.cores:.3f}",
            f"{each.use.storage:.2f} GB",
            f"${each.bill.total:,.2f}",
            *(f"${each.paid[name]:,.2f}" for name in chosen.plans),
            *(f"${each.by_command[name]:,.2f}" if each.by_command else "" for name in providers),
        )
        for each in _layouts(USUAL)
    )
    load = f"{USUAL} roadmaps a day by a model, {ASSUMED}."
    return f"{markdown(head, rows)}\n\n{_rests_on()}\n\n{load}"


def of_loads() -> str:
    """Return the bills at several loads."""
    rows = (
        (same[0].name, *(f"${each.bill.total:,.2f}" for each in same))
        for same in zip(*map(_layouts, LOADS), strict=True)
    )
    bills = markdown(("roadmaps a day", *(f"{load:,}" for load in LOADS)), rows)
    return f"{bills}\n\nWhat is used in a month on {PLATFORM}, {ASSUMED}. {_rests_on()}"


def _layouts(a_day: float) -> list[DeploymentLayout]:
    asked, load = prices.load(), Load(a_day * DAYS, READS, MONTHS)
    return layouts_of(
        measured.load().stacks, load, asked, asked.platforms[PLATFORM], is_by_model=True
    )


def _rests_on() -> str:
    found, every = measured.load(), prices.load().of(PLATFORM)
    sources = "; ".join(
        f"[{name}]({each.source}), read on {each.seen}" for name, each in every.items()
    )
    return f"Measured on {found.date} by `{found.command}`; prices: {sources}."


def of_what_it_replaces() -> str:
    """Return each figure that can be compared with one of the replaced stack."""
    results = results_of(json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8")))
    rows = []
    for target in TARGETS:
        found = target.found(results.samples)
        if target.peer in REPLACED and found is not None:
            both = (
                values_of(results.samples, target.subject, target.measure, each)
                for each in (target.contender, target.peer)
            )
            medians = (spread(list(each.values())).median for each in both)
            figures = map(number, (*medians, found.median))
            rows.append((target.title, target.measure, *figures))
    figures_of_both = markdown(("", "of", "this service", "FastAPI + Celery", "ratio"), rows)
    source = "[PERFORMANCE.md](PERFORMANCE.md#against-what-it-replaces) has all of it."
    return f"{figures_of_both}\n\nMeasured on {results.date}; {source}"


MARKED = [
    Marked("deployment_tables.py", ROOT / "docs" / page, *marks, made)
    for page, marks, made in (
        ("RAILWAY_DEPLOYMENT.md", COSTS, of_one_load),
        ("RAILWAY_DEPLOYMENT.zh-CN.md", COSTS, of_one_load),
        ("DEPLOYMENT_COMPARISON.md", COSTS, of_loads),
        ("DEPLOYMENT_COMPARISON.zh-CN.md", COSTS, of_loads),
        ("ARCHITECTURE_COMPARISON.md", COMPARISON, of_what_it_replaces),
        ("ARCHITECTURE_COMPARISON.zh-CN.md", COMPARISON, of_what_it_replaces),
    )
]

if __name__ == "__main__":
    sys.exit(max(each.run(sys.argv[1:]) for each in MARKED))
