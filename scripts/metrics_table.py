"""Table of metrics in docs/MONITORING.md, from core/metric_definitions.py.

`python scripts/metrics_table.py` prints it; `--write` puts it into the page, between two comments.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a script, Python looks in this folder only
    sys.path.insert(0, str(ROOT))

from core.metric_definitions import METRICS  # noqa: E402
from scripts.marked import Marked, markdown  # noqa: E402


def table() -> str:
    """Return a row for each metric, in the order of the code."""
    rows = [
        (
            f"`{metric.name}`",
            metric.kind.value,
            ", ".join(f"`{label}`" for label in metric.labels),
            metric.help,
        )
        for metric in METRICS.values()
    ]
    return markdown(("Metric", "Type", "Labels", "What it is"), rows)


MARKED = Marked(
    "metrics_table.py",
    ROOT / "docs" / "MONITORING.md",
    "<!-- table of metrics: python scripts/metrics_table.py --write -->",
    "<!-- end of the table of metrics -->",
    table,
)

if __name__ == "__main__":
    sys.exit(MARKED.run(sys.argv[1:]))
