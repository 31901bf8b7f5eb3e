"""Changed plans and rewritten parts, on a page that is open meanwhile."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import School, Visiting
from tests.browser.watching import STAY, begin, stayed

GOAL = "Bake bread"


@pytest.fixture(scope="module")
def ready(home: School) -> str:
    """The address of a finished roadmap."""
    home.teacher.as_usual()
    path = home.stack.create(GOAL)
    home.stack.finished(path)
    return home.url + path.removeprefix("/api/v1")


def of_tree(page: Page, title: str, mark: str) -> Locator:
    """Return the line of the comparison that is about this concept."""
    return page.locator(f"li.d-{mark}", has=page.locator("> div .what:not(.deep)", has_text=title))


def form_of(page: Page, title: str) -> Locator:
    """Open the form of a thing of the plan."""
    thing = page.locator("details", has=page.locator(f"> form[aria-label='{title}']"))
    if thing.get_attribute("open") is None:
        thing.locator("> summary").click()
    return thing.locator("> form")


def test_a_plan_is_reviewed_and_compared(page: Page, alone: School) -> None:
    path = alone.stack.create(GOAL, review=True)
    page.goto(alone.url + path.removeprefix("/api/v1"))
    expect(page.get_by_role("heading", name="Does this plan suit you?")).to_be_visible()
    expect(page.get_by_role("link", name="Changes from the previous plan")).to_have_count(0)
    alone.teacher.concepts = 2
    page.get_by_label("Or describe what should change").fill("Fewer, please.")
    page.get_by_role("button", name="Change the plan").click()
    expect(page.locator("#plan li.concept")).to_have_count(4)
    page.get_by_role("link", name="Changes from the previous plan").click()
    expect(page.locator("h1")).to_contain_text("Plan 2")
    expect(page.locator("blockquote")).to_have_text("Fewer, please.")
    gone = of_tree(page, "Kneading 3", "removed")
    expect(gone.locator("del").first).to_have_text("Kneading 3")
    expect(gone.locator(".sign").first).to_have_text("−")
    expect(gone).to_contain_text("removed")
    expect(gone.locator("del").first).to_have_css("text-decoration-line", "line-through")
    page.go_back()
    page.get_by_role("button", name="Approve and write the lessons").click()
    expect(page.locator("#head .status")).to_have_text("Ready")


def test_a_tutorial_is_rewritten_and_compared(page: Page, alone: School, ready: str) -> None:
    page.goto(ready)
    page.locator("#plan li.concept a").first.click()
    alone.teacher.writes.clear()
    page.locator("#tutorial").get_by_text("Rewrite …").click()
    page.locator("#tutorial").get_by_label("What should change").fill("More about salt.")
    page.locator("#tutorial").get_by_role("button", name="Rewrite").click()
    expect(page.locator("#tutorial-versions")).to_contain_text("A new version is being written.")
    expect(page.locator("#lesson-text")).to_be_visible()
    page.evaluate(STAY)
    alone.teacher.writes.set()
    page.get_by_role("link", name="A new version is ready: read it").click()
    expect(page.locator("#tutorial")).to_contain_text("More about salt.")
    assert not stayed(page)

    page.locator("#tutorial").get_by_role("link", name="Version history").click()
    page.get_by_role("link", name="Compare with the previous version: version 2").click()
    expect(page.locator(".diff-lines ins")).to_contain_text(["More about salt."])
    page.locator(".diff-lines summary").click()
    expect(page.locator(".diff-lines .d-same", has_text="Wait until the dough")).to_be_visible()


def test_the_trash_ends_what_others_watch(visit: Visiting, alone: School) -> None:
    alone.teacher.writes.clear()
    visitor = visit()
    visitor.expected.append("status of 404")
    watching, other = visitor.open(), visitor.open()
    path = begin(watching, alone.url, GOAL)
    expect(watching.locator("#plan li.concept")).to_have_count(6)
    other.goto(alone.url + path)
    other.locator("#more > summary").click()
    with watching.expect_response(
        lambda answer: "/live" in answer.url and answer.request.failure is None
    ) as again:
        other.get_by_role("button", name="Move to trash").click()
        expect(other.get_by_role("status")).to_have_text("The roadmap is in the trash.")
    assert again.value.status == 200
    alone.teacher.writes.set()
    watching.reload()
    expect(watching.locator("main")).to_contain_text("This roadmap is in the trash.")


@pytest.mark.usefixtures("alone")
def test_a_refused_move_says_why_beside_it(visit: Visiting, ready: str) -> None:
    visitor = visit(viewport={"width": 1280, "height": 500})
    visitor.expected += [r"status of 422"]
    page = visitor.open(f"{ready}/edit")
    form_of(page, "Baking 6").get_by_role("button", name="Move up").click()
    alert = page.locator("details[open]").get_by_role("alert")
    expect(alert).to_be_in_viewport()
    expect(page.locator("details[open] li").first).to_contain_text("Baking 6")

    form_of(page, "Flour and water 1").get_by_label("Title", exact=True).fill("Rye flour")
    form_of(page, "Flour and water 1").get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".done-note")).to_contain_text("Undone.")
    expect(page.locator("summary", has_text="Rye flour")).to_have_count(0)
    expect(page.locator("summary", has_text="Flour and water 1")).to_have_count(1)
