"""Python and SQL of lessons, run in the page by what `make run-code` brings."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from roadmap.generation.tutorial_lint import PARSER
from testing.stack import Stack
from tests.browser.checkers import barriers
from tests.browser.conftest import Visiting
from web.pages.runnable import mark
from web.pages.static_files import run_folder

brought = pytest.mark.skipif(
    not run_folder(), reason="NOT RUN: make run-code has not brought Pyodide and sql.js"
)
TRACKS = Path(__file__).parents[2] / "roadmap/generation/catalogue/tracks"
TO_START = 100_000  # milliseconds: Python takes some seconds on a machine at rest
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
    expect(runner.get_by_role("status")).to_have_text(text, timeout=TO_START)


@brought
def test_python_is_loaded_by_a_click_run_and_compared(visit: Visiting, lessons: Lessons) -> None:
    page = visit().open()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(lessons("Functions: parameters"))
    expect(page.locator(".runner").first).to_be_visible()
    assert not [url for url in asked if "/static/run/" in url]
    parts = runner(page, "counter += 1")  # ends with an error, of which the text has the last line
    press(parts, "Run")
    says(parts, "Same output as in the text.")
    assert {url.split("/static/")[0] for url in asked if "/static/" in url} == {
        page.url.split("/roadmaps/")[0]
    }
    press(parts, "Edit")
    editor = page.get_by_label("Code").and_(page.locator("textarea"))
    expect(editor).to_be_focused()
    editor.fill("counter = 41\nprint('made', counter + 1)\nprint(*open('/etc/passwd'))")
    press(parts, "Run")
    says(parts, "The output differs from the text.")
    expect(parts.locator("pre").first).to_contain_text("made 42")
    expect(parts.locator("pre").first).to_contain_text("No such file or directory: '/etc/passwd'")
    expect(parts.locator("del")).to_contain_text("UnboundLocalError")
    expect(parts.locator("ins").first).to_have_text(re.compile(r"\+ made 42"))
    press(parts, "Reset")
    expect(editor).to_have_count(0)
    press(parts, "Run")
    says(parts, "Same output as in the text.")


@brought
def test_blocks_know_what_the_blocks_above_make_each_time_anew(
    page: Page, lessons: Lessons
) -> None:
    page.goto(lessons("SQL: asking questions"))
    rows = runner(page, "LIMIT 2")
    for _ in range(2):  # tables that were there would be an error
        press(rows, "Run")
        says(rows, "Same output as in the text.")
    press(runner(page, "CREATE TABLE tool"), "Edit")
    tables = page.get_by_label("Code").and_(page.locator("textarea"))
    tables.fill(tables.input_value().replace("2026-03-12", "2026-03-13"))
    press(rows, "Run")
    says(rows, "The output differs from the text.")
    expect(rows.locator("ins")).to_have_text("+ 4   2        2026-03-13\n")
    tables.fill("SELEC 1")
    press(rows, "Run")
    expect(rows.locator("pre").first).to_contain_text("Error: no such table: loan")


@brought
def test_an_endless_loop_is_ended_and_its_output_is_bounded(page: Page, lessons: Lessons) -> None:
    page.goto(lessons("Functions: parameters"))
    parts = runner(page, "counter += 1")
    press(parts, "Edit")
    editor = page.get_by_label("Code").and_(page.locator("textarea"))
    editor.fill("while True:\n    print('again')")
    press(parts, "Run")
    says(parts, "Stopped after 10 seconds. Does a loop never end?")
    shown = parts.locator("pre").inner_text()
    assert 1_000 < shown.count("again") < 20_000 / len("again")
    press(parts, "Reset")
    press(parts, "Run")
    says(parts, "Same output as in the text.")


# What the code of a stranger's lesson might try; nothing of the page is within its reach.
ATTACKS = """
import js, pyodide_js
print([name for name in ("fetch", "caches", "indexedDB", "Worker", "eval") if hasattr(js, name)])
try:
    print(js.setTimeout.constructor("return self")())
except Exception as error:
    print(type(error).__name__, "unsafe-eval" in str(error))
"""


@brought
def test_code_reaches_neither_the_page_nor_a_network(visit: Visiting, lessons: Lessons) -> None:
    visitor = visit()
    visitor.expected.append("unsafe-eval|Content Security Policy")
    page = visitor.open(lessons("Functions: parameters"))
    parts = runner(page, "counter += 1")
    press(parts, "Edit")
    page.get_by_label("Code").and_(page.locator("textarea")).fill(ATTACKS)
    press(parts, "Run")
    says(parts, "The output differs from the text.")
    expect(parts.locator("pre").first).to_have_text("[]\nJsException True\n", use_inner_text=False)


@brought
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_outcome_has_no_barriers_and_fits_a_narrow_screen(
    visit: Visiting, lessons: Lessons, scheme: Any
) -> None:
    visitor = visit(color_scheme=scheme, viewport={"width": 320, "height": 640}, locale="zh-CN")
    page = visitor.open(lessons("SQL: asking questions"))
    rows = runner(page, "LIMIT 2")
    press(rows, "编辑")
    page.locator("textarea.code").fill(
        "SELECT 'a text that is wider than a narrow screen' AS text;"
    )
    press(rows, "运行")
    says(rows, "输出与正文不一致。")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert barriers(page) == []


@brought
def test_without_a_connection_it_says_so_and_runs_later(visit: Visiting, lessons: Lessons) -> None:
    visitor = visit()
    visitor.expected.append("ERR_INTERNET_DISCONNECTED|ERR_FAILED")
    page = visitor.open(lessons("SQL: asking questions"))
    rows = runner(page, "LIMIT 2")
    visitor.context.set_offline(True)
    press(rows, "Run")
    says(rows, "What runs the code could not be loaded. Try again.")
    visitor.context.set_offline(False)
    press(rows, "Run")
    says(rows, "Same output as in the text.")
    visitor.context.set_offline(True)  # all is there
    press(rows, "Run")
    says(rows, "Same output as in the text.")


@pytest.mark.skipif(bool(run_folder()), reason="NOT RUN: make run-code has brought all")
def test_without_the_files_nothing_of_it_is_on_the_page(page: Page, lessons: Lessons) -> None:
    page.goto(lessons("Functions: parameters"))
    expect(page.locator("h1")).to_be_visible()
    expect(page.get_by_role("button", name="Run", exact=True)).to_have_count(0)
    assert "run" not in page.content().split("<body>")[0].lower()
    expect(page.locator("[data-run]")).to_have_count(0)


# Runs the blocks of each lesson one after the other, as the page does; resolves to what each prints.
RUN = """async ([folder, lessons]) => {
  const names = {python: ["pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json"], sql: ["sql-wasm.wasm"]};
  const workers = {};
  const results = [];
  for (const [language, sources] of lessons) {
    const message = {language, sources};
    if (!workers[language]) {
      message.files = {};
      for (const name of names[language]) message.files[name] = await (await fetch(folder + name)).arrayBuffer();
      workers[language] = new Worker(folder + "worker.js", {type: "module"});
    }
    results.push(await new Promise(resolve => {
      let printed = "";
      let began = 0;
      workers[language].onmessage = ({data}) => {
        if (data.isReady) began = performance.now();
        if (data.text) printed += data.text;
        if (data.isDone || data.problem) resolve([data.problem ?? printed, performance.now() - began]);
      };
      workers[language].postMessage(message);
    }));
  }
  return results;
}"""


def runs() -> list[tuple[str, str, list[str], str | None]]:
    """Each block of the catalogue that runs: where, by what, with the blocks above it, what it prints."""
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
    page.set_default_timeout(600_000)
    results = page.evaluate(RUN, [folder, [[runner, sources] for _, runner, sources, _ in blocks]])
    wrong = []
    for (name, runner, sources, expected), (printed, took) in zip(blocks, results, strict=True):
        brief = re.sub(r"^Traceback .*\n(?: .*\n)+", "", printed, flags=re.MULTILINE)
        if took > 5_000:
            wrong.append(f"{name}: {took:.0f} ms")
        if expected is None:
            if "Traceback" in printed or "Error" in printed:
                wrong.append(f"{name}: {printed[-300:]}")
        elif normal(brief, runner) != normal(expected, runner):
            wrong.append(f"{name}: {json.dumps(sources[-1][:80])} {printed[-300:]}")
    assert not wrong, "\n".join(wrong)


def normal(text: str, runner: str) -> list[str]:
    """Lines without spaces at their ends; of tables the cells."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if runner == "python":
        return lines
    rows = [line for line in lines if not re.fullmatch(r"[-+| ]*|\(\d+ rows?\)", line)]
    return ["\t".join(filter(None, re.split(r"\s*\|\s*|\s{2,}", row.strip()))) for row in rows]
