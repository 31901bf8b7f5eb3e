"""Blocks of a tutorial that the browser can run, and those of the catalogue in SQLite."""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadmap.generation.tutorial_lint import PARSER
from scripts.marked import DOCS, Marked, markdown
from tests.cases import try_each
from web.pages.runnable import mark

TRACKS = Path(__file__).parents[4] / "roadmap/generation/catalogue/tracks"
LESSONS = sorted(TRACKS.glob("*/**/concepts/*.md"))


def runs(markdown: str) -> list[str]:
    """Return the runner of each block."""
    tokens = PARSER.parse(markdown)
    mark(tokens)
    return [token.meta.get("run", "") for token in tokens if token.type == "fence"]


def block(code: str, info: str = "python") -> str:
    return f"```{info}\n{code}\n```\n\n"


@try_each(
    ("code", "runs_here"),
    [
        ("import json\nprint(json.dumps([n for n in range(3)]))", True),
        ("from collections.abc import Mapping\n\n\nclass A(Mapping): ...", True),
        ("match [1]:\n    case [first, *rest]:\n        print(first, rest)", True),
        ("try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    print(error)", True),
        ("import numpy as np", False),
        ("from urllib.request import urlopen", False),
        ("import urllib.request", False),
        ("from urllib.parse import quote", True),
        ("from . import shop", False),
        ("from shop import stock", False),
        ("import threading", False),
        ("name = input()", False),
        ("print(total)", False),
        ("print('never closed'", False),
        ("print('" + "x" * 6000 + "')", False),
    ],
)
def test_python_needs_what_the_browser_has(code: str, runs_here: bool) -> None:
    assert runs(block(code)) == ["python" if runs_here else ""]


def test_a_block_may_use_what_the_blocks_above_it_make() -> None:
    text = block("total = 1") + block("print(total)") + block("import numpy as np")
    text += block("print(np)") + block("print(total)", "python no-run") + block("total = 2", "text")
    text += block("print(total)", "python needs root") + block("print(total)", "python other words")
    assert runs(text) == ["python", "python", "", "", "", "", "", "python"]
    table = block("CREATE TABLE IF NOT EXISTS tool (id INTEGER);", "sql")
    assert runs(table + block("SELECT * FROM Tool;", "sqlite")) == ["sql", "sql"]
    assert runs(block("SELECT * FROM tool;", "sql") + table) == ["", "sql"]


@try_each(
    ("code", "runs_here"),
    [
        ("WITH a AS (SELECT 1), b(n) AS (SELECT 2) SELECT * FROM a JOIN b; -- from nowhere", True),
        ("SELECT 'from nowhere; set x', 1;", True),
        ("CREATE TABLE a (role TEXT); UPDATE a SET role = 'b';", True),
        ("SET timezone = 'Europe/Berlin';", False),
        ("SELECT 1::text;", False),
        ("SELECT jsonb_typeof('1');", False),
        ("SELECT to_tsvector('a') @@ to_tsquery('a');", False),
        ("CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY);", False),
    ],
)
def test_sql_is_that_of_sqlite(code: str, runs_here: bool) -> None:
    assert runs(block(code, "sql")) == ["sql" if runs_here else ""]


def cells(output: str) -> list[list[str]]:
    """The rows of a table as sqlite3 or psql draws it, with its head."""
    lines = [
        line for line in output.splitlines() if not re.fullmatch(r"[-+| ]*|\(\d+ rows?\)", line)
    ]
    return [
        [cell.strip() for cell in re.split(r"\||\s{2,}", line) if cell.strip()] for line in lines
    ]


def statements(sql: str) -> Iterator[str]:
    text = ""
    for piece in re.split("(?<=;)", sql):
        text += piece
        if sqlite3.complete_statement(text):
            yield text
            text = ""


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: str(path.relative_to(TRACKS)))
def test_the_sql_of_the_catalogue_prints_in_sqlite_what_the_text_says(lesson: Path) -> None:
    tokens = PARSER.parse(lesson.read_text("utf-8").split("+++", 2)[2])
    mark(tokens)
    database = sqlite3.connect(":memory:", isolation_level=None)
    for place, token in enumerate(tokens):
        if "sql" not in token.meta.values():
            continue
        printed: list[list[str]] = []
        for statement in statements(token.content):
            found = database.execute(statement)
            rows = [[str(cell) for cell in row if cell is not None] for row in found]
            if rows:
                printed += [[column[0] for column in found.description], *rows]
        following = tokens[place + 1 : place + 2]
        if following and following[0].info == "text":
            assert printed == cells(following[0].content), token.content
    database.close()


def table() -> str:
    """Return the blocks that run, of all, for each track and language."""
    rows = []
    for folder in sorted(TRACKS.glob("*/**/concepts")):
        all_of, runs = Counter[str](), Counter[str]()
        for lesson in folder.glob("*.md"):
            tokens = PARSER.parse(lesson.read_text("utf-8"))
            mark(tokens)
            all_of.update(token.info.partition(" ")[0] for token in tokens)
            runs.update(token.meta.get("run", "") for token in tokens)
        counts = [f"{runs[n]} of {all_of[n]}" if all_of[n] else "" for n in ("python", "sql")]
        if any(counts):
            rows.append((f"`{folder.parent.relative_to(TRACKS)}`", *counts))
    return markdown(("Track", "Python", "SQL"), rows, ("---", "---:", "---:"))


MARKED = Marked(DOCS / "CATALOGUE.md", "code that runs", table)


def test_the_table_of_the_catalogue_is_that_of_the_code() -> None:
    page = MARKED.file.read_text("utf-8")
    assert MARKED.within(page) == page, "run: python -m tests.unit.web.pages.test_runnable"


if __name__ == "__main__":
    MARKED.file.write_text(MARKED.within(MARKED.file.read_text("utf-8")), "utf-8")
