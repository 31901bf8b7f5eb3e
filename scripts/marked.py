"""Parts of documents that are made from the code, between two marker comments."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Marked:
    """`script` prints what `made` returns, or with --write puts it between the two comments of the page."""

    script: str
    page: Path
    begin: str
    end: str
    made: Callable[[], str]

    def within(self, page: str) -> str:
        """The page with the part made anew. Raises ValueError when it has not exactly one pair of markers."""
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
            print(f"usage: python scripts/{self.script} [--write]", file=sys.stderr)
            return 2
        return 0


def row(cells: tuple[str, ...]) -> str:
    """Of a table in Markdown."""
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
