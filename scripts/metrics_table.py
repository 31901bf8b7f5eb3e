"""The table of metrics in docs/MONITORING.md, made from core/metrics.py.

`python scripts/metrics_table.py` prints it; with `--write` it goes into the page, between the two marker comments.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a script, Python looks in this folder only
    sys.path.insert(0, str(ROOT))

from core.metrics import METRICS  # noqa: E402

PAGE = ROOT / "docs" / "MONITORING.md"
BEGIN = "<!-- table of metrics: python scripts/metrics_table.py --write -->"
END = "<!-- end of the table of metrics -->"


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
    elif not arguments:
        print(table())
    else:
        print("usage: python scripts/metrics_table.py [--write]", file=sys.stderr)
        return 2
    return 0


def table() -> str:
    """A row for each metric, in the order of the code."""
    rows = [
        (f"`{metric.name}`", metric.kind.value, ", ".join(f"`{label}`" for label in metric.labels), metric.help)
        for metric in METRICS.values()
    ]
    head = [("Metric", "Type", "Labels", "What it is"), ("---", "---", "---", "---")]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (*head, *rows))


def with_table(page: str) -> str:
    """The page with a new table between its markers. Raises ValueError when it has not exactly one pair of them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        raise ValueError(f"one pair of markers is needed: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
