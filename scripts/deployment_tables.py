"""The tables of documents about deployment that are made from figures: bills from `cli/costs/`, the comparison from
benchmarks/results.json.

`python -m scripts.deployment_tables` prints them; with `--write` they go into the pages, between the marker comments.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.figures import Sample, number, spread, values_of
from benchmarks.report import results_of
from benchmarks.targets import FASTAPI, PREFORK, TARGETS
from cli.costs import measured, prices
from cli.costs.bill import DAYS, READS, Load
from cli.costs.layouts import DeploymentLayout, Large, layouts_of
from scripts.marked import Marked, row

ROOT = Path(__file__).resolve().parent.parent
PLATFORM = "Railway"
COSTS = ("<!-- costs: python -m scripts.deployment_tables --write -->", "<!-- end of the costs -->")
COMPARISON = (
    "<!-- comparison: python -m scripts.deployment_tables --write -->",
    "<!-- end of the comparison -->",
)
MONTHS = 12
USUAL, LOADS = 10, (1, 10, 100, 1_000)  # roadmaps a day
REPLACED = (FASTAPI, PREFORK, "Celery, acks late")  # what is one of the stack that was there before


def of_one_load() -> str:
    """What is used and paid for the usual load."""
    chosen = prices.load().platforms[PLATFORM]
    head = (
        "",
        "memory",
        "vCPU",
        "stored",
        "used",
        *(f"paid, {name}" for name in chosen.plans),
        *_redis(),
    )
    lines = [row(head), row(("---",) * len(head))]
    for each in _layouts(USUAL):
        cells = (
            each.name,
            f"{each.use.memory:,.0f} MB",
            f"{each.use.cores:.3f}",
            f"{each.use.storage:.2f} GB",
            f"${each.bill.total:,.2f}",
            *(f"${each.paid[name]:,.2f}" for name in chosen.plans),
            *(f"${each.by_command[name]:,.2f}" if each.by_command else "" for name in _providers()),
        )
        lines.append(row(cells))
    return "\n".join(
        [*lines, "", _rests_on(), "", f"{USUAL} roadmaps a day by a model, {_assumed()}."]
    )


def of_loads() -> str:
    """What is used at several loads."""
    lines = [
        row(("roadmaps a day", *(f"{load:,}" for load in LOADS))),
        row(("---",) * (1 + len(LOADS))),
    ]
    by_load = [_layouts(load) for load in LOADS]
    lines += [
        row((same[0].name, *(f"${each.bill.total:,.2f}" for each in same)))
        for same in zip(*by_load, strict=True)
    ]
    return "\n".join(
        [*lines, "", f"What is used in a month on {PLATFORM}, {_assumed()}. {_rests_on()}"]
    )


def _redis() -> tuple[str, ...]:
    return tuple(f"used, Redis of {name}" for name in _providers())


def _providers() -> list[str]:
    """Of Redis, whose bills are in the currency of the platform."""
    asked = prices.load()
    return list(asked.redis_of(asked.platforms[PLATFORM]))


def _layouts(a_day: float) -> list[DeploymentLayout]:
    asked, load = prices.load(), Load(a_day * DAYS, READS, MONTHS)
    return layouts_of(
        measured.load().stacks,
        load,
        asked,
        asked.platforms[PLATFORM],
        is_by_model=True,
        large=Large(),
    )


def _assumed() -> str:
    return f"each opened {READS} times, kept for {MONTHS} months"


def _rests_on() -> str:
    found, every = measured.load(), prices.load().of(PLATFORM)
    told = "; ".join(
        f"[{name}]({each.source}), read on {each.seen}" for name, each in every.items()
    )
    return f"Measured on {found.date} by `{found.command}`; prices: {told}."


def of_what_it_replaces() -> str:
    """Each figure that has one of the stack before beside it."""
    results = results_of(json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8")))
    head = ("", "of", "this service", "FastAPI + Celery", "ratio")
    lines = [row(head), row(("---",) * len(head)), *_compared(results.samples)]
    return "\n".join(
        [
            *lines,
            "",
            f"Measured on {results.date}; [PERFORMANCE.md](PERFORMANCE.md#against-what-it-replaces) has all of it.",
        ]
    )


def _compared(samples: Sequence[Sample]) -> Iterator[str]:
    for target in TARGETS:
        found = target.found(samples)
        if target.peer not in REPLACED or found is None:
            continue
        both = [
            values_of(samples, target.subject, target.measure, each)
            for each in (target.contender, target.peer)
        ]
        medians = [spread(list(each.values())).median for each in both]
        yield row(
            (
                target.title,
                target.measure,
                *(number(each) for each in medians),
                number(found.median),
            )
        )


MARKED = [
    Marked("deployment_tables.py", ROOT / "docs" / page, *marks, made)
    for page, marks, made in (
        ("RAILWAY_DEPLOYMENT.md", COSTS, of_one_load),
        ("RAILWAY_DEPLOYMENT.zh-CN.md", COSTS, of_one_load),
        ("DEPLOYMENT_COMPARISON.md", COSTS, of_loads),
        ("ARCHITECTURE_COMPARISON.md", COMPARISON, of_what_it_replaces),
    )
]

if __name__ == "__main__":
    sys.exit(max(each.run(sys.argv[1:]) for each in MARKED))
