"""The tables of `make capacity`, and the two parts of docs/SCALING.md that are made of them."""

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
from cli.costs import prices
from cli.costs.bill import DAYS
from scripts.marked import Marked, row

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE, KEPT = ROOT / "docs" / "SCALING.md", ROOT / "benchmarks" / "capacity.json"
LOADS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)  # roadmaps a day
PRICE = 1.0  # of a million tokens of the model on the page, a round number: ask your provider
SOON = 0.5  # of a limit, from which on it is named


def of_needs(found: Sequence[Needs], price: float) -> str:
    """`price`: of a million tokens of the model; 0: leave its bill out."""
    shares = sorted({*SHARES, *(each.workload.share for each in found)})
    times = f"ready, s: {' / '.join(f'{share * 100:.12g}' for share in shares)} %"
    speeds = _table(
        ("threads", "consumers", times, "planning begins, s: 90 %", "calls a minute",
         "tokens a minute", "waiting messages, most", "what comes first"),
        found, _speed,
    )  # fmt: skip
    servers = _table(
        ("API", "logs", "content", "memory, MB", "cores, busiest hour", "of these PostgreSQL",
         "connections, direct", "through a pooler", "Redis commands/s", "a month", "Redis, MB",
         "GB a month, stored", "sent"),
        found, _server,
    )  # fmt: skip
    head = (f"a month on {PLATFORM}, USD", "of a roadmap, USD")
    of_model = (f"the model, USD, at {price:g} a million tokens",) if price else ()
    bills = _table((*head, *of_model), found, lambda each: _bill(each, price))
    seen = prices.load().platforms[PLATFORM].seen
    source = f"At the prices of {seen}, as `roadmap cost` has them"
    source += f", roadmaps being kept for {MONTHS} months."
    return f"{speeds}\n\n{servers}\n\n{bills}\n\n{source}"


def _table(head: tuple[str, ...], found: Sequence[Needs], cells: Any) -> str:
    first = "roadmaps a day"
    rows = [row((f"{each.workload.a_day:,.12g}", *cells(each))) for each in found]
    return "\n".join([row((first, *head)), "|---" * (len(head) + 1) + "|", *rows])


def _speed(needs: Needs) -> tuple[str, ...]:
    speed, workload = needs.speed, needs.workload
    near = [f"{used:,.1f} times {name}" for name, used in needs.limits if used >= SOON][:3]
    name, used = needs.limits[0]
    first = near or [f"nothing yet; at first {name} ({used:.0%} used)"]
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
    return (
        f"{workload.contents} contents and {workload.outline_calls:g} calls for the outline of a "
        f"roadmap; in the busiest hour {workload.busiest:g} times as many as in the mean. A call "
        f"for an outline takes {outline.median:g} s (median; deviation of the logarithm "
        f"{outline.spread:g}), for a content {content.median:g} s ({content.spread:g}); the model's "
        f"provider allows {', '.join(limits) or 'as many as come'}. {workload.share * 100:.12g}% "
        f"are to be ready within {workload.within:,.12g} s. At most {each} threads a consumer "
        f"(CONTENT_WORKERS, MODEL_CONCURRENCY), {REQUESTS} requests of the API for a roadmap; one "
        f"PostgreSQL with {CONNECTIONS} connections."
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
        return f"{assumptions(Workload(1))}\n\n{of_needs(found, PRICE)}"

    begin, end = "<!-- written by make capacity WRITE=1 -->", "<!-- until here: capacity -->"
    return Marked("capacity", PAGE, begin, end, made)


def checked_section() -> Marked:
    def made() -> str:
        return f"{kept()['where']}\n\n{table([Compared(**each) for each in kept()['check']])}"

    begin, end = "<!-- written by make capacity CHECK=1 WRITE=1 -->", "<!-- until here: check -->"
    return Marked("capacity", PAGE, begin, end, made)
