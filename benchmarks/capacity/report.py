"""Tables of `make capacity`, and the two generated parts of docs/SCALING.md."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.capacity.check import Compared, table
from benchmarks.capacity.needs import (
    API,
    CONNECTIONS,
    CONTENT,
    LOGS,
    MONTHS,
    PLATFORM,
    POSTGRES,
    REDIS,
    REQUESTS,
    SHARES,
    Needs,
    again,
)  # fmt: skip
from benchmarks.capacity.workload import Workload
from benchmarks.figures import number
from benchmarks.report import filled
from cli.costs import prices
from cli.costs.bill import DAYS
from scripts.marked import Marked, row

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE, KEPT = ROOT / "docs" / "SCALING.md", ROOT / "benchmarks" / "capacity.json"
LOADS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)  # roadmaps a day
PRICE = 1.0  # per million tokens on the page: a round number, ask your provider
SOON = 0.5  # of a limit, from which on it is listed


def of_needs(found: Sequence[Needs], price: float) -> str:
    """`price`: of a million tokens of the model; 0: leave its bill out."""
    shares = sorted({*SHARES, *(each.workload.share for each in found)})
    times = f"ready, s: {' / '.join(f'{share * 100:.12g}' for share in shares)} %"
    speeds = _table(
        ("threads", "consumers", times, "planning begins, s: 90 %", "calls a minute",
         "tokens a minute", "messages waiting, at most", "first limits"),
        found, _speed,
    )  # fmt: skip
    servers = _table(
        ("API", "logs", "content", "MB of memory", "cores", "PostgreSQL cores", "connections",
         "with a pooler", "Redis commands/s", "a month", "Redis MB", "GB a month stored", "sent"),
        found, _server,
    )  # fmt: skip
    head = (f"USD a month on {PLATFORM}", "USD a roadmap")
    of_model = (f"USD a month for the model, at {price:g} per million tokens",) if price else ()
    bills = _table((*head, *of_model), found, lambda each: _bill(each, price))
    seen = prices.load().platforms[PLATFORM].seen
    source = f"Prices of {seen}, as in `roadmap cost`; roadmaps are kept for {MONTHS} months."
    return f"{speeds}\n\n{servers}\n\n{bills}\n\n{source}"


def _table(head: tuple[str, ...], found: Sequence[Needs], cells: Any) -> str:
    first = "roadmaps a day"
    rows = [row((f"{each.workload.a_day:,.12g}", *cells(each))) for each in found]
    return "\n".join([row((first, *head)), "|---" * (len(head) + 1) + "|", *rows])


def _speed(needs: Needs) -> tuple[str, ...]:
    speed, workload = needs.speed, needs.workload
    near = [f"{used:,.1f} times {name}" for name, used in needs.limits if used >= SOON][:3]
    name, used = needs.limits[0]
    first = near or [f"none yet; {name}: {used:.0%}"]
    return (
        f"{speed.threads:,}",
        f"{needs.count(CONTENT):,}",
        " / ".join(f"{seconds:,.0f}" for seconds in speed.ready.values()),
        f"{speed.planning:.1f}",
        number(workload.rate * workload.calls * 60),
        number(workload.rate * workload.tokens_of_roadmap * 60),
        f"{speed.waiting:,}",
        "; ".join([*([f"**{speed.why_not}**"] if speed.why_not else []), *first]),
    )


def _server(needs: Needs) -> tuple[str, ...]:
    return (
        *(f"{needs.count(name):,}" for name in (API, LOGS, CONTENT)),
        f"{needs.use.memory:,.0f}",
        number(sum(needs.cores.values())),
        number(needs.cores[POSTGRES]),
        f"{needs.connections:,}",
        f"{needs.pooled:,}" if needs.pooled else "none needed",
        number(needs.commands),
        f"{number(needs.use.commands / 1e6)} million",
        number(next(part.memory for part in needs.parts if part.name == REDIS)),
        number(needs.use.storage / MONTHS),
        number(needs.use.egress),
    )


def _bill(needs: Needs, price: float) -> tuple[str, ...]:
    of_roadmap = needs.bill / needs.workload.a_day / DAYS
    cells = (f"{needs.bill:,.2f}", f"{of_roadmap:,.4f}")
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
        f"{workload.busiest:g} times the mean load. A call for an outline takes {outline.median:g} s "
        f"(median; standard deviation of the logarithm {outline.spread:g}), a call for a content "
        f"{content.median:g} s ({content.spread:g}). {provider} {workload.share * 100:.12g} % of the "
        f"roadmaps should be ready within {workload.within:,.12g} s. A consumer has at most {each} "
        f"threads (`CONTENT_WORKERS`, `MODEL_CONCURRENCY`), a roadmap takes {REQUESTS} requests to the "
        f"API, and PostgreSQL has {CONNECTIONS} connections."
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
