"""A roadmap on paper, and a file that is too large for the page."""

from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, expect

from testing.stack import Stack
from tests.browser.conftest import School, Visiting

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
COLOURS = """() => {
  const {color, backgroundColor} = getComputedStyle(document.body);
  return [color, backgroundColor];
}"""


def test_a_file_of_50_mb_is_refused_on_the_page(
    visit: Visiting, home: School, tmp_path: Path
) -> None:
    """The answer comes before the file is read to its end."""
    visitor = visit()
    visitor.expected.append("status of 413")
    page = visitor.open(f"{home.url}/import")
    (tmp_path / "a.json").write_bytes(b" " * (50 * 1024 * 1024))
    page.get_by_label("File").set_input_files(tmp_path / "a.json")
    page.get_by_role("button", name="Import", exact=True).click()
    too_large = "This file is too large: a roadmap has at most 16 MiB."
    expect(page.get_by_role("alert")).to_contain_text(too_large)
    expect(page.get_by_label("File")).to_be_visible()


def test_on_paper_everything_is_black_on_white(page: Page, alone: School) -> None:
    path = alone.stack.create("Bake bread")
    alone.stack.finished(path)
    page.goto(f"{alone.url}{path.removeprefix('/api/v1')}/print")
    for scheme in SCHEMES:
        page.emulate_media(media="print", color_scheme=scheme)
        for hidden in (
            page.locator("header.top"),
            page.locator("footer.bottom"),
            page.get_by_text("This page is for printing."),
        ):
            expect(hidden).to_be_hidden()
        assert page.evaluate(COLOURS) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    link = page.locator(".resources a").first
    assert "https://" in link.evaluate("a => getComputedStyle(a, '::after').content")
    assert len(page.pdf()) > 20_000


def test_an_outline_by_hand_is_written_and_learned(page: Page, service: Stack) -> None:
    """Without a model: lines become a course, and its lesson is the person's own."""
    page.goto(f"{service.url}/import")
    outline = "Bread\nThe starter\n  Flour\n    Feed it (2 h)\n      - keep it alive\n"
    page.get_by_label("The chat's reply, or your outline").fill(outline)
    page.get_by_role("button", name="Create the roadmap").click()
    expect(page.locator("#plan li.concept")).to_contain_text("yours to write")
    page.get_by_role("link", name="Continue", exact=True).click()
    expect(page.locator("#mark")).to_have_text("yours to write")
    page.get_by_role("link", name="Write it yourself").click()
    page.get_by_label("Text", exact=True).fill("# Feeding\n\nTake **equal** parts.")
    first = page.get_by_role("group", name="Question 1")
    first.get_by_label("Question", exact=True).fill("How often?")
    first.get_by_label("Right answers").fill("Daily")
    first.get_by_label("Wrong answers").fill("Never\nOnce")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#mark")).to_have_text("ready to learn")
    page.get_by_label("Daily").check()
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_role("button", name="Show the result").click()
    expect(page.locator("#mark")).to_have_text("done")
