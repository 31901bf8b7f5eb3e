"""The table of variables in docs/CONFIGURATION.md, made from the settings model.

`python scripts/settings_table.py` prints it; with `--write` it goes into the page, between the two marker comments.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a script, Python looks in this folder only
    sys.path.insert(0, str(ROOT))

from core.settings import Settings  # noqa: E402
from scripts.marked import Marked, row  # noqa: E402


def table() -> str:
    """A row for each variable, in the model's order."""
    fields = Settings.model_fields.items()
    rows = [
        (f"`{name.upper()}`", _default(field.default), field.description or "")
        for name, field in fields
    ]
    return "\n".join(
        row(cells)
        for cells in (("Variable", "Default", "What it does"), ("---", "---", "---"), *rows)
    )


def _default(value: Any) -> str:
    if value is None or value in ("", ()):
        return ""
    return f"`{value.value if isinstance(value, StrEnum) else value}`"


MARKED = Marked(
    "settings_table.py",
    ROOT / "docs" / "CONFIGURATION.md",
    "<!-- table of variables: python scripts/settings_table.py --write -->",
    "<!-- end of the table of variables -->",
    table,
)

if __name__ == "__main__":
    sys.exit(MARKED.run(sys.argv[1:]))
