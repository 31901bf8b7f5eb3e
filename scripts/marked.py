"""Parts of documents and other files that are made from the code, between two comments."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Marked:
    """Part of a file below a comment `<name>: <its command>` and above one `end of <name>`."""

    file: Path
    name: str
    made: Callable[[], str]

    def within(self, text: str) -> str:
        """Return the text of the file with a new part.

        Raises ValueError unless it has one pair of markers.
        """
        around = re.split(rf"(?m)^(\S+ {self.name}: .*|\S+ end of {self.name}\b.*)$", text)
        if len(around) != 5:
            raise ValueError(f"{self.file.name} needs one pair of markers for {self.name}")
        around[2] = f"\n\n{self.made()}\n\n"
        return "".join(around)


def row(cells: Row) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def markdown(head: Row, rows: Iterable[Row], rule: Row = ()) -> str:
    """Return a table; `rule` is the line below its head where numbers are in columns."""
    return "\n".join(map(row, (head, rule or ("---",) * len(head), *rows)))
