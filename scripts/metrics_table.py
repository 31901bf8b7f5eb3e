"""Table of metrics in docs/MONITORING.md, from core/metric_definitions.py.

`python -m scripts.metrics_table` prints it; `--write` puts it into the page, between two comments.
"""

import sys

from core.metric_definitions import METRICS
from scripts.marked import DOCS, Marked, markdown


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
    "metrics_table",
    DOCS / "MONITORING.md",
    "<!-- table of metrics: python -m scripts.metrics_table --write -->",
    "<!-- end of the table of metrics -->",
    table,
)

if __name__ == "__main__":
    sys.exit(MARKED.run(sys.argv[1:]))
