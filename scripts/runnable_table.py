"""The table in docs/CATALOGUE.md of the code of the catalogue that runs in the page.

`python -m scripts.runnable_table` prints it; `--write` puts it into the page.
"""

import sys
from collections import Counter

from roadmap.generation.catalogue.loader import TRACKS
from roadmap.generation.tutorial_lint import PARSER
from scripts.marked import DOCS, Marked, markdown
from web.pages import runnable

LANGUAGES = ("python", "sql")


def table() -> str:
    """Return the blocks that run, of all, for each track and language."""
    rows = []
    for folder in sorted(TRACKS.glob("*/**/concepts")):
        all_of, runs = Counter[str](), Counter[str]()
        for lesson in folder.glob("*.md"):
            tokens = PARSER.parse(lesson.read_text("utf-8"))
            runnable.mark(tokens)
            all_of.update(token.info.partition(" ")[0] for token in tokens)
            runs.update(token.meta.get("run", "") for token in tokens)
        counts = [f"{runs[n]} of {all_of[n]}" if all_of[n] else "" for n in LANGUAGES]
        if any(counts):
            rows.append((f"`{folder.parent.relative_to(TRACKS)}`", *counts))
    return markdown(("Track", "Python", "SQL"), rows, ("---", "---:", "---:"))


MARKED = Marked(
    "runnable_table",
    DOCS / "CATALOGUE.md",
    "<!-- table of code that runs: python -m scripts.runnable_table --write -->",
    "<!-- end of the table of code that runs -->",
    table,
)

if __name__ == "__main__":
    sys.exit(MARKED.run(sys.argv[1:]))
