"""Tables of `make capacity`, and the two generated parts of docs/SCALING.md."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.capacity.check import Compared, table
from benchmarks.capacity.needs import (
    API,
    CONTENT,
    LOGS,
    MONTHS,
    PLATFORM,
    POSTGRES,
    REQUESTS,
    SHARES,
    Needs,
    again,
)  # fmt: skip
from benchmarks.capacity.workload import Workload
from benchmarks.figures import number
from benchmarks.report import filled
from cli.costs import prices
from scripts.marked import Marked, row

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE, KEPT = ROOT / "docs" / "SCALING.md", ROOT / "benchmarks" / "capacity.json"
LOADS = (1, 100, 1_000, 10_000, 100_000, 1_000_000)  # roadmaps a day
PRICE = 1.0  # per million tokens on the page: a round number, ask your provider
SOON = 0.5  # of a limit, from which on it is listed


def of_needs(found: Sequence[Needs], price: float) -> str:
    """`price`: of a million tokens of the model; 0: leave its bill out."""
    shares = sorted({*SHARES, *(each.workload.share for each in found)})
    times = f"ready, s: {' / '.join(f'{share * 100:.12g}' for share in shares)} %"
    speeds = _table(
        ("threads", times, "tokens a minute", "messages waiting, at most", "first limits"),
        found, _speed,
    )  # fmt: skip
    head = ("API/logs/content", "MB of memory", "cores", "PostgreSQL cores",
            "connections (with a pooler)", "Redis commands/s", "GB a month stored",
            f"USD a month on {PLATFORM}")  # fmt: skip
    of_model = (f"for the model, at {price:g} per million tokens",) if price else ()
    servers = _table((*head, *of_model), found, lambda each: _server(each, price))
    seen = prices.load().platforms[PLATFORM].seen
    source = f"Prices of {seen}, as in `roadmap cost`; roadmaps are kept for {MONTHS} months."
    return f"{speeds}\n\n{servers}\n\n{source}"


def _table(head: tuple[str, ...], found: Sequence[Needs], cells: Any) -> str:
    first = "roadmaps a day"
    rows = [row((f"{each.workload.a_day:,.12g}", *cells(each))) for each in found]
    return "\n".join([row((first, *head)), "|---" * (len(head) + 1) + "|", *rows])


def _speed(needs: Needs) -> tuple[str, ...]:
    speed, workload = needs.speed, needs.workload
    near = [f"{used:,.1f} times {name}" for name, used in needs.limits if used >= SOON][:2]
    name, used = needs.limits[0]
    first = near or [f"none yet; {name}: {used:.0%}"]
    return (
        f"{speed.threads:,}",
        " / ".join(f"{seconds:,.0f}" for seconds in speed.ready.values()),
        number(workload.rate * workload.tokens_of_roadmap * 60),
        f"{speed.waiting:,}",
        "; ".join([*([f"**{speed.why_not}**"] if speed.why_not else []), *first]),
    )


def _server(needs: Needs, price: float) -> tuple[str, ...]:
    pooled = f" ({needs.pooled:,})" if needs.pooled else ""
    cells = (
        "/".join(f"{needs.count(name):,}" for name in (API, LOGS, CONTENT)),
        f"{needs.use.memory:,.0f}",
        number(sum(needs.cores.values())),
        number(needs.cores[POSTGRES]),
        f"{needs.connections:,}{pooled}",
        number(needs.commands),
        number(needs.use.storage / MONTHS),
        f"{needs.bill:,.2f}",
    )
    return (*cells, f"{needs.bill_of_model(price):,.2f}") if price else cells


def assumptions(workload: Workload, each: int = 32) -> str:
    """Return the assumptions behind the figures, in one paragraph."""
    outline, content = workload.outline, workload.content
    limits = [f"{workload.requests:,.12g} requests a minute"] if workload.requests else []
    limits += [f"{workload.tokens / 1e6:,.12g} million tokens a minute"] if workload.tokens else []
    limits += [f"{workload.at_once:,.12g} calls at once"] if workload.at_once else []
    provider = (
        f"The provider allows {', '.join(limits)}." if limits else "The provider has no limits."
    )
    return (
        f"Assumptions: a roadmap has {workload.contents} contents and needs "
        f"{workload.outline_calls:g} calls for its outline. The busiest hour has "
        f"{workload.busiest:g} times the mean load. "
        f"A call for an outline takes {outline.median:g} s "
        f"(median; standard deviation of the logarithm {outline.spread:g}), a call for a content "
        f"{content.median:g} s ({content.spread:g}). "
        f"{provider} {workload.share * 100:.12g} % of the "
        f"roadmaps should be ready within {workload.within:,.12g} s. "
        f"A roadmap takes {REQUESTS} requests "
        f"to the API. A consumer has at most {each} threads."
    )


def kept() -> dict[str, Any]:
    """Return the results that were written last."""
    document: dict[str, Any] = json.loads(KEPT.read_text())
    return document


def keep(**more: Any) -> None:
    KEPT.write_text(json.dumps(kept() | more, indent=1) + "\n")


def section() -> Marked:
    def made() -> str:
        found = [again(each) for each in kept()["loads"]]
        return f"{filled(assumptions(Workload(1)))}\n\n{of_needs(found, PRICE)}"

    begin, end = "<!-- written by make capacity WRITE=1 -->", "<!-- until here: capacity -->"
    return Marked("capacity", PAGE, begin, end, made)


def checked_section() -> Marked:
    def made() -> str:
        return f"{kept()['where']}\n\n{table([Compared(**each) for each in kept()['check']])}"

    begin, end = "<!-- written by make capacity CHECK=1 WRITE=1 -->", "<!-- until here: check -->"
    return Marked("capacity", PAGE, begin, end, made)
