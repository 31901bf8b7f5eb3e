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

PAGE = ROOT / "docs" / "CONFIGURATION.md"
BEGIN = "<!-- table of variables: python scripts/settings_table.py --write -->"
END = "<!-- end of the table of variables -->"


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
    elif not arguments:
        print(table())
    else:
        print("usage: python scripts/settings_table.py [--write]", file=sys.stderr)
        return 2
    return 0


def table() -> str:
    """A row for each variable, in the model's order."""
    fields = Settings.model_fields.items()
    rows = [(f"`{name.upper()}`", _default(field.default), field.description or "") for name, field in fields]
    return "\n".join(_row(cells) for cells in (("Variable", "Default", "What it does"), ("---", "---", "---"), *rows))


def with_table(page: str) -> str:
    """The page with a new table between its markers. Raises ValueError when it has not exactly one pair of them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        raise ValueError(f"one pair of markers is needed: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def _row(cells: tuple[str, ...]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _default(value: Any) -> str:
    if value is None or value in ("", ()):
        return ""
    return f"`{value.value if isinstance(value, StrEnum) else value}`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
