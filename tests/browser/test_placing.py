"""What somebody knows already: questions one after the other, and lessons that are skipped once it is confirmed."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import School, Visiting

GOAL = "Bake bread that one can bake already"
RIGHT = {"Gluten", "Kneading", "Time", "Salt", "The gas"}


@pytest.fixture
def written(home: School) -> str:
    """The path of a roadmap that is ready, with six concepts."""
    home.teacher.as_usual()
    path = home.stack.create(GOAL)
    home.stack.finished(path)
    return path.removeprefix("/api/v1")


def answer_rightly(page: Page) -> None:
    for label in page.locator(".question label").all():
        if label.inner_text().strip() in RIGHT:
            label.locator("input").check()
    page.get_by_role("button", name="Next question").click()


def answer_all(page: Page) -> int:
    """Rightly, until there are no more questions; how many there were."""
    count = 0
    asked = page.get_by_role("button", name="Next question")
    while asked.is_visible():
        count += 1
        expect(page.locator("main")).to_contain_text(f"Question {count} of at most")
        answer_rightly(page)
        expect(page).to_have_url(re.compile(rf"results=([0-9]+r\.?){{{count}}}(&|$)"))
    return count


@pytest.mark.parametrize("scripts", [True, False])
def test_what_is_known_is_skipped_but_for_what_one_wants_to_learn(
    visit: Visiting, home: School, written: str, scripts: bool
) -> None:
    page = visit(java_script_enabled=scripts).open(home.url + written)
    page.get_by_role("link", name="What do you know already?").click()
    expect(page.get_by_text("Answer at most 6 questions.")).to_be_visible()
    count = answer_all(page)
    expect(page.get_by_text(f"{count} of {count} correct")).to_be_visible()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(6)
    page.get_by_label("Sourdough 2").uncheck()
    page.get_by_role("button", name="Skip these concepts").click()
    expect(page).to_have_url(home.url + written)
    expect(page.locator("#plan li.m-skipped")).to_have_count(5)
    expect(page.locator("#plan li.m-ready")).to_contain_text("Sourdough 2")


def test_one_leaves_and_comes_back_by_the_address(
    visit: Visiting, home: School, written: str
) -> None:
    visitor = visit()
    visitor.expected.append("status of 422")
    page = visitor.open(f"{home.url}{written}/placement")
    page.get_by_role("button", name="Next question").click()
    expect(page.get_by_role("alert")).to_have_text("Choose an answer, or “I don't know”.")
    page.get_by_role("button", name="I don't know").click()
    expect(page.locator("progress")).to_have_attribute("value", "1")
    question, address = page.locator(".question").inner_text(), page.url
    again = visit().open(address)
    expect(again.locator(".question")).to_have_text(question, use_inner_text=True)
    answer_rightly(again)
    again.get_by_role("link", name="Finish now").click()
    expect(
        again.get_by_text("1 of 2 correct").or_(again.get_by_text("nothing to skip"))
    ).to_be_visible()
    again.get_by_role("link", name="Begin again").click()
    expect(again.locator("progress")).to_have_attribute("value", "0")
    expect(page.locator("li.m-skipped")).to_have_count(0)


def test_one_tests_out_of_a_module(page: Page, home: School, written: str) -> None:
    page.goto(home.url + written)
    module = page.locator("section.module").first
    title = module.locator("h4").inner_text()
    module.get_by_role("link", name=f"Test out: {title}").click()
    expect(page.get_by_role("navigation", name="Breadcrumb")).to_contain_text(title)
    assert answer_all(page) == 6  # two of each concept
    page.get_by_role("button", name="Mark as done").click()
    expect(module.locator("li.m-done")).to_have_count(3)
    expect(module.get_by_role("link", name="Test out")).to_have_count(0)


def test_a_plan_that_has_changed_is_begun_again(
    visit: Visiting, home: School, written: str
) -> None:
    visitor = visit()
    visitor.expected.append("status of 409")
    page = visitor.open(f"{home.url}{written}/placement")
    page.get_by_role("button", name="I don't know").click()
    stage = {"op": "add_stage", "title": "More"}
    more = {"op": "add_module", "stage": "more", "title": "Yet more", "key": "yet-more"}
    concept = {"op": "add_concept", "module": "yet-more", "title": "Rye", "hours": 1}
    operations = [{**stage, "key": "more"}, more, {**concept, "difficulty": 1}]
    edited = home.stack.request("POST", f"/api/v1{written}/edits", json={"operations": operations})
    assert edited.status_code == 202, edited.text
    page.get_by_role("button", name="I don't know").click()
    expect(page.get_by_role("alert")).to_contain_text("has changed in the meantime")
    page.get_by_role("link", name="Begin again").click()
    expect(page.locator("progress")).to_have_attribute("value", "0")
