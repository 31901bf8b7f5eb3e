"""The table of floors in docs/QUALITY.md, made from quality/floor.py.

`python scripts/quality_table.py` prints it; `--write` puts it into the page, between two comments.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a script, Python looks in this folder only
    sys.path.insert(0, str(ROOT))
os.environ.setdefault("SERVICE_TYPE", "all")  # before the settings are read: without servers

from quality.floor import FLOORS  # noqa: E402
from scripts.marked import Marked, markdown  # noqa: E402


def table() -> str:
    """Return a row for each floor, in the order of the code."""
    rows = [
        (floor.name, _bound(floor.least), _bound(floor.most), floor.unit.strip())
        for floor in FLOORS
    ]
    head, rule = ("Measure", "At least", "At most", "Unit"), ("---", "---:", "---:", "---")
    return markdown(head, rows, rule)


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:,g}"


MARKED = Marked(
    "quality_table.py",
    ROOT / "docs" / "QUALITY.md",
    "<!-- table of floors: python scripts/quality_table.py --write -->",
    "<!-- end of the table of floors -->",
    table,
)

if __name__ == "__main__":
    sys.exit(MARKED.run(sys.argv[1:]))
