"""What people read of it: tables in Markdown, and the two parts of docs/SCALING.md that are written by the program."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

from benchmarks.capacity.check import Compared, table
from benchmarks.capacity.money import MONTHS, PLATFORM, of_model, of_platform
from benchmarks.capacity.needs import API, LOGS, POSTGRES, Needs, Terms, sized
from benchmarks.capacity.threads import SHARES, Speed, percent
from benchmarks.capacity.unit_costs import CONTENT, UnitCosts
from benchmarks.capacity.workload import Limits, Workload
from benchmarks.figures import number
from cli.costs import prices
from cli.costs.bill import DAYS
from scripts.marked import Marked, row

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE, KEPT = ROOT / "docs" / "SCALING.md", ROOT / "benchmarks" / "capacity.json"
BEGIN, CHECKED = (
    "<!-- written by make capacity WRITE=1 -->",
    "<!-- written by make capacity CHECK=1 WRITE=1 -->",
)
END, END_CHECKED = "<!-- until here: capacity -->", "<!-- until here: check -->"
LOADS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)  # roadmaps a day
PRICE = 1.0  # of a million tokens of the model on the page, a round number: ask your provider
SOON = 0.5  # of a limit, from which on it is told


def of_needs(found: Sequence[Needs], price: float) -> str:
    """`price`: of a million tokens of the model; 0: nobody knows."""
    return f"{_speeds(found)}\n\n{_servers(found)}\n\n{_bills(found, price)}"


def _speeds(found: Sequence[Needs]) -> str:
    shares = " / ".join(
        percent(share).removesuffix("%")
        for share in sorted({*SHARES, *(each.share for each in found)})
    )
    head: tuple[str, ...] = (
        "roadmaps a day",
        "threads",
        "consumers",
        f"ready, s: {shares} %",
        "planning begins, s: 90 %",
    )
    head += ("calls a minute", "tokens a minute", "waiting messages, most", "what comes first")
    return _table(head, [_speed(each) for each in found])


def _speed(needs: Needs) -> tuple[str, ...]:
    speed, content = needs.speed, needs.part(CONTENT)
    times = dict(zip(SHARES, speed.ready, strict=True)) | {needs.share: speed.at_share}
    ready = " / ".join(
        f"{times[share]:,.0f}" if isfinite(times[share]) else "never" for share in sorted(times)
    )
    planning = f"{speed.planning:.1f}" if speed.planning >= 0.05 else "0"
    figures: tuple[str, ...] = (f"{speed.threads:,}", f"{content.instances:,}", ready, planning)
    figures += (number(needs.calls_a_minute), number(needs.tokens_a_minute), f"{speed.waiting:,}")
    return (f"{needs.a_day:,.12g}", *figures, first(needs))


def first(needs: Needs) -> str:
    """What is impossible, and which limits of one of everything are passed or near, the first of them in front."""
    near = [f"{used:,.1f} times {name}" for name, used in needs.limits if used >= SOON][:3]
    name, used = needs.limits[0]
    told = near or [f"nothing yet; at first {name} ({used:.0%} used)"]
    return "; ".join([*([f"**{needs.why_not}**"] if needs.why_not else []), *told])


def _servers(found: Sequence[Needs]) -> str:
    head: tuple[str, ...] = (
        "roadmaps a day",
        "API",
        "logs",
        "content",
        "memory, MB",
        "cores, busiest hour",
        "of these PostgreSQL",
    )
    head += (
        "connections, direct",
        "through a pooler",
        "commits/s",
        "Redis commands/s",
        "a month",
        "Redis, MB",
    )
    head += ("GB a month, stored", "of these log", "written ahead", "sent")
    return _table(head, [_server(each) for each in found])


def _server(needs: Needs) -> tuple[str, ...]:
    counts = [f"{needs.part(name).instances:,}" for name in (API, LOGS, CONTENT)]
    cores = [number(needs.cores_busiest), number(needs.part(POSTGRES).cores_busiest)]
    connections = [
        f"{needs.connections:,}",
        f"{needs.connections_pooled:,}" if needs.connections_pooled else "none needed",
    ]
    rates = [
        number(needs.commits_a_second),
        number(needs.commands_a_second),
        _millions(needs.commands_a_month),
    ]
    bytes_ = [
        number(each)
        for each in (
            needs.redis_mb,
            needs.storage_gb,
            needs.log_gb,
            needs.ahead_gb,
            needs.egress_gb,
        )
    ]
    return (
        f"{needs.a_day:,.12g}",
        *counts,
        f"{needs.memory:,.0f}",
        *cores,
        *connections,
        *rates,
        *bytes_,
    )


def _bills(found: Sequence[Needs], price: float) -> str:
    """A line for each load: what the platform asks, and what the model's provider does."""
    head: tuple[str, ...] = ("roadmaps a day", f"a month on {PLATFORM}, USD", "of a roadmap, USD")
    head += (f"the model, USD, at {price:g} a million tokens",) if price else ()
    rows = []
    for needs in found:
        platform = of_platform(needs)
        cells = (
            f"{needs.a_day:,.12g}",
            f"{platform:,.2f}",
            f"{platform / needs.a_day / DAYS:,.4f}",
        )
        rows.append((*cells, f"{of_model(needs, price):,.2f}") if price else cells)
    seen = prices.load().platforms[PLATFORM].seen
    told = f"At the prices of {seen}, as `roadmap cost` has them, roadmaps being kept for {MONTHS} months."
    return f"{_table(head, rows)}\n\n{told}"


def _millions(count: float) -> str:
    return f"{number(count / 1e6)} million"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join([row(head), "|---" * len(head) + "|", *(row(each) for each in rows)])


def told_of(workload: Workload, terms: Terms) -> str:
    """What the figures stand for, in one paragraph."""
    outline, content = workload.outline, workload.content
    return (
        f"{workload.contents} contents and {workload.outline_calls:g} calls for the outline of a roadmap; in the busiest hour "
        f"{workload.busiest:g} times as many as in the mean. A call for an outline takes {outline.median:g} s (median; "
        f"deviation of the logarithm {outline.spread:g}), for a content {content.median:g} s ({content.spread:g}); the model's "
        f"provider {allowed(workload.limits)}. {percent(workload.share)} are to be ready within {workload.within:,.12g} s. "
        f"At most {terms.each} threads a consumer (CONTENT_WORKERS, MODEL_CONCURRENCY), {terms.requests:g} requests of the API "
        f"for a roadmap; one PostgreSQL with {terms.postgres_connections} connections."
    )


def allowed(limits: Limits) -> str:
    """What the model's provider does, as the end of a sentence."""
    a_minute = [_counted(limits.requests, "request")] if limits.requests else []
    a_minute += [f"{limits.tokens / 1e6:,.12g} million tokens"] if limits.tokens else []
    told = [f"{' and '.join(a_minute)} a minute"] if a_minute else []
    told += [f"{_counted(limits.at_once, 'call')} at once"] if limits.at_once else []
    return f"allows {', and '.join(told)}" if told else "has no limits"


def _counted(count: float, what: str) -> str:
    return f"{count:,.12g} {what}{'' if count == 1 else 's'}"


def kept() -> dict[str, Any]:
    """What was written last; empty before that."""
    document: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return document


def keep(**more: Any) -> None:
    KEPT.write_text(json.dumps(kept() | more, indent=1) + "\n")


def found_again(workload: Workload, costs: UnitCosts, terms: Terms) -> list[Needs]:
    """Of what was simulated when the page was written, with what things cost now."""
    return [_again(each, workload, costs, terms) for each in kept()["loads"]]


def _again(load: dict[str, Any], workload: Workload, costs: UnitCosts, terms: Terms) -> Needs:
    fields = {name: getattr(workload, name) for name in Workload.__dataclass_fields__} | {
        "a_day": load["a_day"]
    }
    speed = Speed(**{**load["speed"], "ready": tuple(load["speed"]["ready"])})
    return sized(Workload(**fields), costs, terms, speed, load["why_not"])


def as_kept(found: Sequence[Needs]) -> list[dict[str, Any]]:
    return [
        {"a_day": each.a_day, "speed": asdict(each.speed), "why_not": each.why_not}
        for each in found
    ]


def section(workload: Workload, costs: UnitCosts, terms: Terms, price: float = PRICE) -> Marked:
    def made() -> str:
        return (
            f"{told_of(workload, terms)}\n\n{of_needs(found_again(workload, costs, terms), price)}"
        )

    return Marked("capacity", PAGE, BEGIN, END, made)


def checked_section() -> Marked:
    def made() -> str:
        return f"{kept()['where']}\n\n{table([Compared(**each) for each in kept()['check']])}"

    return Marked("capacity", PAGE, CHECKED, END_CHECKED, made)
