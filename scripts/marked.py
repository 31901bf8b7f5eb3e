"""Parts of documents that are made from the code, between two marker comments."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Marked:
    """Part of a page between two comments: `script` prints or writes `made()`."""

    script: str
    page: Path
    begin: str
    end: str
    made: Callable[[], str]

    def within(self, page: str) -> str:
        """Return the page with a new part.

        Raises ValueError unless it has one pair of markers.
        """
        before, begin, rest = page.partition(self.begin)
        _, end, after = rest.partition(self.end)
        if not (begin and end) or self.begin in rest or self.end in after:
            raise ValueError(f"one pair of markers is needed: {self.begin} and {self.end}")
        return f"{before}{self.begin}\n\n{self.made()}\n\n{self.end}{after}"

    def run(self, arguments: list[str]) -> int:
        if arguments == ["--write"]:
            self.page.write_text(self.within(self.page.read_text("utf-8")), "utf-8")
        elif not arguments:
            print(self.made())
        else:
            print(f"usage: python -m scripts.{self.script} [--write]", file=sys.stderr)
            return 2
        return 0


def row(cells: Row) -> str:
    """Return a row of a table in Markdown."""
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def markdown(head: Row, rows: Iterable[Row], rule: Row = ()) -> str:
    """Return a table; `rule` is the line below its head where numbers are in columns."""
    return "\n".join(map(row, (head, rule or ("---",) * len(head), *rows)))
