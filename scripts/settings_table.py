"""The table of variables in docs/CONFIGURATION.md, made from the settings model.

`python scripts/settings_table.py` prints it; `--write` puts it into the page, between two
comments.
"""

import sys
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a script, Python looks in this folder only
    sys.path.insert(0, str(ROOT))

from core.settings import Settings  # noqa: E402
from scripts.marked import Marked, markdown  # noqa: E402


def table() -> str:
    """Return a row for each variable, in the model's order."""
    rows = []
    for name, field in Settings.model_fields.items():
        value = field.default.value if isinstance(field.default, StrEnum) else field.default
        default = "" if value is None or value in ("", ()) else f"`{value}`"
        rows.append((f"`{name.upper()}`", default, field.description or ""))
    return markdown(("Variable", "Default", "What it does"), rows)


MARKED = Marked(
    "settings_table.py",
    ROOT / "docs" / "CONFIGURATION.md",
    "<!-- table of variables: python scripts/settings_table.py --write -->",
    "<!-- end of the table of variables -->",
    table,
)

if __name__ == "__main__":
    sys.exit(MARKED.run(sys.argv[1:]))
