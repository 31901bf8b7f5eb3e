"""The table of variables in docs/CONFIGURATION.md, made from the settings model.

`python -m scripts.settings_table` prints it; `--write` puts it into the page, between two
comments.
"""

import sys
from enum import StrEnum

from core.settings import Settings
from scripts.marked import DOCS, Marked, markdown


def table() -> str:
    """Return a row for each variable, in the model's order."""
    rows = []
    for name, field in Settings.model_fields.items():
        value = field.default.value if isinstance(field.default, StrEnum) else field.default
        default = "" if value is None or value in ("", ()) else f"`{value}`"
        rows.append((f"`{name.upper()}`", default, field.description or ""))
    return markdown(("Variable", "Default", "What it does"), rows)


MARKED = Marked(
    "settings_table",
    DOCS / "CONFIGURATION.md",
    "<!-- table of variables: python -m scripts.settings_table --write -->",
    "<!-- end of the table of variables -->",
    table,
)

if __name__ == "__main__":
    sys.exit(MARKED.run(sys.argv[1:]))
