"""The table of floors in docs/QUALITY.md, made from quality/floor.py.

`python -m scripts.quality_table` prints it; `--write` puts it into the page, between two comments.
"""

import os
import sys

os.environ.setdefault("SERVICE_TYPE", "all")  # before the settings are read: without servers

from quality.floor import FLOORS, TRACK_FLOORS
from scripts.marked import DOCS, Marked, markdown


def table() -> str:
    """Return a row for each floor, in the order of the code."""
    rows = [
        (floor.name, _bound(floor.least), _bound(floor.most), floor.unit.strip())
        for floor in (*FLOORS, *TRACK_FLOORS)
    ]
    head, rule = ("Measure", "At least", "At most", "Unit"), ("---", "---:", "---:", "---")
    return markdown(head, rows, rule)


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:,g}"


MARKED = Marked(
    "quality_table",
    DOCS / "QUALITY.md",
    "<!-- table of floors: python -m scripts.quality_table --write -->",
    "<!-- end of the table of floors -->",
    table,
)

if __name__ == "__main__":
    sys.exit(MARKED.run(sys.argv[1:]))
