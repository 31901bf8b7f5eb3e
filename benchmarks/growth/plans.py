"""Statements that read a large table as a whole, by auto_explain in the log of PostgreSQL. Pure."""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

ENTRY = re.compile(r"duration: ([\d.]+) ms  plan:\n((?:\t.*\n?)+)")
VALUES = (  # of a statement, replaced by a question mark: with other values it is the same one
    (re.compile(r"'(?:[^']|'')*'"), "?"),
    (re.compile(r"\b\d+(?:\.\d+)?\b"), "?"),
    (re.compile(r"\s+"), " "),
    (
        re.compile(r'((?:SELECT|RETURNING) "\w+"\."\w+")(?:, "\w+"\."\w+"){3,}'),
        r"\1, ...",
    ),  # columns
    (re.compile(r"\(\?(?:(?:::\w+)?, ?\?)+(?:::\w+)?\)"), "(?, ...)"),
    (re.compile(r"(?:\(\?, \.\.\.\),? ?){2,}"), "(?, ...), ..."),
)
LONGEST = 1_500  # characters kept of a statement
MANY = 10_000  # rows that no statement of a hot path looks at, and from which on a table is large


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with its plan.

    `place`: what sent it. `scanned`: the large tables that it read as a whole. `rows`: what the
    busiest node of its plan looked at. `ms`: the longest that it took on the server, with its rows
    counted.
    """

    place: str
    x: float
    text: str
    times: int
    ms: float
    scanned: tuple[str, ...]
    rows: int

    @property
    def is_noteworthy(self) -> bool:
        return bool(self.scanned) or self.rows >= MANY


def statements(log: str, large: Collection[str], *, place: str, x: float) -> list[Statement]:
    """Of a part of the server's log, each once, the slowest first.

    `large` are names of tables and partitions.
    """
    found: dict[str, Statement] = {}
    for ms, plan in entries(log):
        text = shortened(plan["Query Text"])
        scanned = tuple(sorted(scanned_whole(plan["Plan"], large)))
        one = Statement(place, x, text, 1, ms, scanned, most_rows(plan["Plan"]))
        found[text] = joined(found[text], one) if text in found else one
    return sorted(found.values(), key=lambda each: -each.ms)


def entries(log: str) -> Iterator[tuple[float, Any]]:
    """Milliseconds, and what auto_explain tells as JSON. Raises ValueError for what is no JSON."""
    for ms, lines in ENTRY.findall(log):
        yield (
            float(ms),
            json.loads("\n".join(line.removeprefix("\t") for line in lines.splitlines())),
        )


def shortened(text: str) -> str:
    """The statement without its values."""
    for pattern, instead in VALUES:
        text = pattern.sub(instead, text)
    return text.strip()[:LONGEST]


def scanned_whole(plan: Any, large: Collection[str]) -> set[str]:
    """The large tables that are read from beginning to end, unless it was planned and not run."""
    return {
        node["Relation Name"]
        for node in nodes_of(plan)
        if node["Node Type"] == "Seq Scan"
        and node.get("Actual Loops", 1)
        and node["Relation Name"] in large
    }


def most_rows(plan: Any) -> int:
    """The rows that the busiest node has looked at, with those that it passed over."""
    return int(max(_looked_at(node) * node.get("Actual Loops", 1) for node in nodes_of(plan)))


def nodes_of(plan: Any) -> Iterator[Any]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes_of(below)


def joined(one: Statement, other: Statement) -> Statement:
    """The same statement, run more often."""
    scanned = tuple(sorted({*one.scanned, *other.scanned}))
    return replace(
        one,
        times=one.times + other.times,
        ms=max(one.ms, other.ms),
        scanned=scanned,
        rows=max(one.rows, other.rows),
    )


def complaints(found: Iterable[Statement]) -> list[str]:
    """Sentences for what no hot path may do."""
    return [
        f"{each.place}, at {each.x:,.0f}: reads {', '.join(each.scanned)} as a whole "
        f"in {each.ms:.0f} ms: {each.text}"
        for each in found
        if each.scanned
    ]


def _looked_at(node: Any) -> float:
    passed_over = (value for name, value in node.items() if name.startswith("Rows Removed by"))
    return float(node.get("Actual Rows", 0) + sum(passed_over))
