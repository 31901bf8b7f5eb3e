"""Python and SQL of lessons, run in the page by what `make run-code` brings."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from roadmap.generation.tutorial_lint import PARSER
from testing.stack import Stack
from testing.waiting import wait_until
from tests.browser.checkers import barriers
from tests.browser.conftest import Visiting, visits
from web.pages.runnable import mark
from web.pages.static_files import run_folder

brought = pytest.mark.skipif(
    not run_folder(), reason="NOT RUN: make run-code has not brought Pyodide and sql.js"
)
TRACKS = Path(__file__).parents[2] / "roadmap/generation/catalogue/tracks"
LIMIT = 10_000  # milliseconds of the page's own that a block may run
LONGEST = 20_000  # characters of its output
SAME, DIFFERS = "Same output as in the text.", "The output differs from the text."
BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
# What the code of a stranger's lesson might try; nothing of the page is within its reach.
ATTACKS = """
import js, pyodide_js
print([name for name in ("fetch", "caches", "indexedDB", "Worker", "eval") if hasattr(js, name)])
try:
    print(js.setTimeout.constructor("return self")())
except Exception as error:
    print(type(error).__name__, "unsafe-eval" in str(error))
"""
Lessons = Callable[[str], str]


@pytest.fixture(scope="module")
def lessons(service: Stack) -> Lessons:
    """The address of a lesson about backends by a part of its title."""
    path = service.create("Become a backend engineer in Python")
    tree = service.finished(path)
    concepts = [
        c for stage in tree["stages"] for module in stage["modules"] for c in module["concepts"]
    ]
    page = f"{service.url}{path.removeprefix('/api/v1')}/concepts/"
    return lambda title: page + next(c["id"] for c in concepts if title in c["title"])


@pytest.fixture(scope="module")
def python(browser: Browser, lessons: Lessons) -> Iterator[Page]:
    """The page of a lesson with Python, which brings nothing that runs it before a click."""
    asked: list[str] = []
    with visits(browser) as visit:
        visitor = visit()
        visitor.expected.append("unsafe-eval|Content Security Policy")  # of an attack
        page = visitor.open()
        page.on("request", lambda request: asked.append(request.url))
        go(page, lessons("Functions: parameters"))
        expect(page.locator(".runner").first).to_be_visible()
        assert not [url for url in asked if "/static/run/" in url]
        yield page
        own = page.url.partition("/roadmaps/")[0]
        assert {url.split("/static/")[0] for url in asked if "/static/" in url} == {own}


def go(page: Page, address: str) -> None:
    """Open a lesson whose clock stands still: no limit ends what runs on a busy machine."""
    page.clock.install(time=BEGIN)
    page.goto(address)
    page.clock.pause_at(BEGIN + timedelta(hours=1))


def runner(page: Page, code: str) -> Locator:
    """The buttons and the outcome of the block that has this code."""
    block = page.locator("[data-run]", has_text=code)
    place = page.locator("[data-run]").evaluate_all(
        "(all, one) => all.indexOf(one)", block.element_handle()
    )
    return page.locator(".runner").nth(place)


def press(runner: Locator, name: str) -> None:
    runner.get_by_role("button", name=name, exact=True).click()


def says(runner: Locator, text: str) -> None:
    expect(runner.get_by_role("status")).to_have_text(text)


def editor_of(page: Page) -> Locator:
    return page.get_by_label("Code").and_(page.locator("textarea"))


@brought
def test_an_attempt_is_checked_by_the_tests_of_its_exercise(python: Page) -> None:
    bar = python.locator("#attempt-2 + .checker")
    attempt = python.locator("#own-exercise-2")
    press(bar, "Check")
    says(bar, "Write your attempt first.")
    body = (
        "    if nights < 1: raise ValueError\n    return 9000 * nights + 1200 * breakfast * nights"
    )
    attempt.fill(f"print('mine')\ndef book(room, nights, *, guests=1, breakfast=False):\n{body}")
    press(bar, "Check")
    says(bar, "Ended with an error.")
    expect(bar.locator("pre")).to_contain_text("breakfast is for each guest and night")
    attempt.fill("def book(:")
    press(bar, "Check")
    expect(bar.locator("pre")).to_contain_text("SyntaxError")
    solution = python.locator("details.solution").nth(1).locator("[data-run]").text_content()
    attempt.fill(solution or "")
    press(bar, "Check")
    says(bar, "All tests pass.")
    expect(bar.locator("pre")).to_have_count(0)
    attempt.fill("")


@brought
def test_python_is_run_and_compared(python: Page) -> None:
    parts = runner(python, "counter += 1")  # ends with an error, whose last line the text has
    press(parts, "Run")
    says(parts, SAME)
    press(parts, "Edit")
    expect(editor_of(python)).to_be_focused()
    editor_of(python).fill("counter = 41\nprint('made', counter + 1)\nprint(*open('/etc/passwd'))")
    press(parts, "Run")
    says(parts, DIFFERS)
    expect(parts.locator("pre").first).to_contain_text("made 42")
    expect(parts.locator("pre").first).to_contain_text("No such file or directory: '/etc/passwd'")
    expect(parts.locator("del")).to_contain_text("UnboundLocalError")
    expect(parts.locator("ins").first).to_have_text(re.compile(r"\+ made 42"))
    press(parts, "Reset")
    expect(editor_of(python)).to_have_count(0)


@brought
def test_code_reaches_neither_the_page_nor_a_network(python: Page) -> None:
    parts = runner(python, "counter += 1")
    press(parts, "Edit")
    editor_of(python).fill(ATTACKS)
    press(parts, "Run")
    says(parts, DIFFERS)
    expect(parts.locator("pre").first).to_have_text("[]\nJsException True\n", use_inner_text=False)
    press(parts, "Reset")


@brought
def test_an_endless_loop_is_ended(python: Page) -> None:
    """Its output is bounded, and the next run begins empty."""
    parts = runner(python, "counter += 1")
    press(parts, "Edit")
    editor_of(python).fill("while True:\n    print('again')")
    press(parts, "Run")
    shown = parts.locator("pre code")
    wait_until(
        lambda: shown.count() and len(shown.text_content() or "") == LONGEST,
        reason="as much is shown as may be",
    )
    python.clock.fast_forward(LIMIT)
    says(parts, "Stopped after 10 seconds. Does a loop never end?")
    assert len(shown.text_content() or "") == LONGEST
    press(parts, "Reset")
    press(parts, "Run")
    says(parts, SAME)


@brought
def test_blocks_know_what_the_blocks_above_make(page: Page, lessons: Lessons) -> None:
    go(page, lessons("SQL: asking questions"))
    rows = runner(page, "LIMIT 2")
    for _ in range(2):  # tables that were there would be an error
        press(rows, "Run")
        says(rows, SAME)
    press(runner(page, "CREATE TABLE tool"), "Edit")
    tables = editor_of(page)
    tables.fill(tables.input_value().replace("2026-03-12", "2026-03-13"))
    press(rows, "Run")
    says(rows, DIFFERS)
    expect(rows.locator("ins")).to_have_text("+ 4   2        2026-03-13\n")
    tables.fill("SELEC 1")
    press(rows, "Run")
    expect(rows.locator("pre").first).to_contain_text("Error: no such table: loan")


@brought
def test_the_outcome_has_no_barriers_on_a_narrow_screen(visit: Visiting, lessons: Lessons) -> None:
    page = visit(viewport={"width": 320, "height": 640}, locale="zh-CN").open()
    go(page, lessons("SQL: asking questions"))
    rows = runner(page, "LIMIT 2")
    press(rows, "编辑")
    page.locator("textarea.code").fill(
        "SELECT 'a text that is wider than a narrow screen' AS text;"
    )
    press(rows, "运行")
    says(rows, "输出与正文不一致。")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.clock.resume()
    assert barriers(page) == []
    page.emulate_media(color_scheme="dark")
    assert barriers(page) == []


@brought
def test_without_a_connection_it_says_so_and_runs_later(visit: Visiting, lessons: Lessons) -> None:
    visitor = visit()
    visitor.expected.append("ERR_INTERNET_DISCONNECTED|ERR_FAILED")
    page = visitor.open()
    go(page, lessons("SQL: asking questions"))
    rows = runner(page, "LIMIT 2")
    visitor.context.set_offline(True)
    press(rows, "Run")
    says(rows, "What runs the code could not be loaded. Try again.")
    visitor.context.set_offline(False)
    press(rows, "Run")
    says(rows, SAME)
    visitor.context.set_offline(True)  # all is there
    press(rows, "Run")
    says(rows, SAME)


# Runs the blocks of each lesson one after the other, as the page does; resolves to their output.
RUN = """async ([folder, lessons]) => {
  const names = {
    python: ["pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json"],
    sql: ["sql-wasm.wasm"],
  };
  const workers = {};
  const results = [];
  const bring = async name => (await fetch(folder + name)).arrayBuffer();
  for (const [language, sources] of lessons) {
    const message = {language, sources};
    if (!workers[language]) {
      message.files = {};
      for (const name of names[language]) message.files[name] = await bring(name);
      workers[language] = new Worker(folder + "worker.js", {type: "module"});
    }
    results.push(await new Promise(resolve => {
      let printed = "";
      workers[language].onmessage = ({data}) => {
        if (data.text) printed += data.text;
        if (data.isDone || data.problem) resolve(data.problem ?? printed);
      };
      workers[language].postMessage(message);
    }));
  }
  return results;
}"""


def runs() -> list[tuple[str, str, list[str], str | None]]:
    """Return each block of the catalogue that runs.

    They are its lesson, its language, its source below those above it, and what it prints.
    """
    found: list[tuple[str, str, list[str], str | None]] = []
    for lesson in sorted(TRACKS.glob("*/concepts/*.md")):
        tokens = PARSER.parse(lesson.read_text("utf-8").split("+++", 2)[2])
        mark(tokens)
        above: dict[str, list[str]] = {"python": [], "sql": []}
        for place, token in enumerate(tokens):
            if runner := token.meta.get("run"):
                above[runner].append(token.content)
                after: Any = next(iter(tokens[place + 1 : place + 2]), None)
                output = after.content if after is not None and after.info == "text" else None
                found.append((lesson.stem, runner, [*above[runner]], output))
    return found


@brought
@pytest.mark.long
def test_the_code_of_the_catalogue_prints_what_the_text_says(service: Stack, page: Page) -> None:
    page.goto(service.url)
    folder = run_folder()
    blocks = runs()
    assert len(blocks) > 200
    results = page.evaluate(RUN, [folder, [[runner, sources] for _, runner, sources, _ in blocks]])
    wrong = []
    for (name, runner, sources, expected), printed in zip(blocks, results, strict=True):
        brief = re.sub(r"^Traceback .*\n(?: .*\n)+", "", printed, flags=re.MULTILINE)
        if expected is None:
            if "Traceback" in printed or "Error" in printed:
                wrong.append(f"{name}: {printed[-300:]}")
        elif normal(brief, runner) != normal(expected, runner):
            wrong.append(f"{name}: {json.dumps(sources[-1][:80])} {printed[-300:]}")
    assert not wrong, "\n".join(wrong)


def normal(text: str, runner: str) -> list[str]:
    """Return the lines without spaces at their ends; of tables the cells."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if runner == "python":
        return lines
    rows = [line for line in lines if not re.fullmatch(r"[-+| ]*|\(\d+ rows?\)", line)]
    return ["\t".join(filter(None, re.split(r"\s*\|\s*|\s{2,}", row.strip()))) for row in rows]
