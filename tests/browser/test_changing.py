"""Review, change and restore plans; rewrite and compare parts; trash and restore."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import School, Visiting
from tests.browser.watching import STAY, begin, stayed

GOAL = "Bake bread"


@pytest.fixture
def ready(page: Page, alone: School) -> str:
    """The address of a finished roadmap, which is open."""
    path = alone.stack.create(GOAL)
    alone.stack.finished(path)
    address = alone.url + path.removeprefix("/api/v1")
    page.goto(address)
    return address


def of_tree(page: Page, title: str, mark: str) -> Locator:
    """The line of the comparison that is about a concept of which this has become."""
    return page.locator(f"li.d-{mark}", has=page.locator("> div .what:not(.deep)", has_text=title))


def form_of(page: Page, title: str) -> Locator:
    """The form of a thing of the plan, once it is open."""
    thing = page.locator("details", has=page.locator(f"> form[aria-label='{title}']"))
    if thing.get_attribute("open") is None:
        thing.locator("> summary").click()
    return thing.locator("> form")


def test_a_plan_is_reviewed_compared_with_the_one_before_and_approved(
    page: Page, alone: School
) -> None:
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


def test_a_finished_one_is_changed_in_words_and_what_was_learned_is_kept(
    page: Page, alone: School, ready: str
) -> None:
    page.locator("#plan li.concept a").first.click()
    page.get_by_label("Your notes").fill("Salt is late.")
    page.get_by_role("button", name="Save notes").click()
    page.get_by_role("button", name="Mark as done").or_(
        page.get_by_role("button", name="Mark as done and continue")
    ).click()
    page.goto(ready)
    alone.teacher.concepts = 4
    page.locator("#change > summary").click()
    page.get_by_label("What should change?").fill("More, please.")
    page.get_by_role("button", name="Change by prompt").click()
    expect(page.locator("#plan li.concept")).to_have_count(8)
    expect(page.locator("#head .status")).to_have_text("Ready")
    expect(page.locator("#plan li.m-done")).to_have_count(1)
    page.locator("#plan li.concept a").first.click()
    expect(page.get_by_label("Your notes")).to_have_value("Salt is late.")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_plan_is_changed_by_hand_compared_and_restored(
    visit: Visiting, alone: School, scripts: bool
) -> None:
    visitor = visit(java_script_enabled=scripts)
    visitor.expected.append("status of 422")
    page = visitor.open()
    path = alone.stack.create(GOAL)
    alone.stack.finished(path)
    ready = alone.url + path.removeprefix("/api/v1")
    page.goto(f"{ready}/edit")
    form = form_of(page, "Sourdough 2")
    form.get_by_label("Title", exact=True).fill("Rye sourdough")
    form.get_by_label("Hours").fill("7")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")

    form = form_of(page, "Rye sourdough")
    form.get_by_label("Title", exact=True).fill("Kneading 3")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("That would break the order of the plan")
    typed = page.locator("details[open] form[aria-label='Rye sourdough']").get_by_label(
        "Title", exact=True
    )
    expect(typed).to_have_value("Kneading 3")

    page.goto(f"{ready}/edit")
    form_of(page, "Baking 6").get_by_role("button", name="Remove").click()
    expect(page.locator(".done-note")).to_contain_text("Removed.")
    page.get_by_text("Add a concept").first.click()
    adding = page.get_by_role("form", name="Add a concept").first
    adding.get_by_label("Title", exact=True).fill("Salt")
    adding.get_by_role("button", name="Add").click()
    expect(page.locator(".done-note")).to_contain_text("Added.")
    form_of(page, "Salt").get_by_role("button", name="Move up").click()
    expect(page.locator(".done-note")).to_contain_text("Moved.")
    alone.stack.finished(path)

    page.goto(f"{ready}/revisions/5?before=1")
    expect(of_tree(page, "Salt", "added")).to_contain_text("added")
    changed = of_tree(page, "sourdough", "changed")
    expect(changed.locator("ins").first).to_contain_text("Rye")
    expect(changed).to_contain_text(re.compile(r"Hours\s*3 → 7"))
    expect(of_tree(page, "Baking 6", "removed")).to_contain_text("removed")

    page.goto(f"{ready}/revisions")
    page.get_by_role("button", name="Restore plan 1").click()
    alone.stack.finished(path)
    page.goto(ready)
    expect(page.locator("#plan li.concept a")).to_have_text(
        [
            "Flour and water 1",
            "Sourdough 2",
            "Kneading 3",
            "Shaping a loaf 4",
            re.compile("^Donau"),
            "Baking 6",
        ]
    )
    expect(page.locator("#plan li.m-ready")).to_have_count(
        6
    )  # all that was written for it is there again


def test_who_was_overtaken_keeps_what_was_typed(visit: Visiting, alone: School) -> None:
    visitor = visit()
    visitor.expected.append("status of 409")
    path = alone.stack.create(GOAL)
    alone.stack.finished(path)
    mine, other = visitor.open(), visitor.open()
    for page in (mine, other):
        page.goto(alone.url + path.removeprefix("/api/v1") + "/edit")
    other_form = form_of(other, "Kneading 3")
    other_form.get_by_label("Hours").fill("9")
    other_form.get_by_role("button", name="Save").click()
    expect(other.locator(".done-note")).to_be_visible()
    form = form_of(mine, "Sourdough 2")
    form.get_by_label("Title", exact=True).fill("Rye sourdough")
    form.get_by_role("button", name="Save").click()
    expect(mine.get_by_role("alert")).to_contain_text("The plan has changed in the meantime.")
    form = mine.locator("form[aria-label='Sourdough 2']")
    expect(form.get_by_label("Title", exact=True)).to_have_value("Rye sourdough")
    form.get_by_role("button", name="Save").click()
    expect(mine.locator(".done-note")).to_be_visible()
    expect(mine.locator("summary", has_text="Kneading 3")).to_contain_text("9 hours")


def test_a_tutorial_is_rewritten_compared_and_restored(
    page: Page, alone: School, ready: str
) -> None:
    page.locator("#plan li.concept a").first.click()
    lesson = page.url
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
    page.get_by_role("button", name="Restore version 1").click()
    expect(page).to_have_url(re.compile(re.escape(lesson) + ".*#tutorial$"))
    expect(page.locator("#tutorial")).not_to_contain_text("More about salt.")


def test_a_roadmap_is_thrown_away_by_mistake_and_restored(page: Page, alone: School) -> None:
    alone.teacher.writes.clear()
    path = begin(page, alone.url, "Bake a cake")
    expect(page.locator("#plan li.concept")).to_have_count(6)
    expect(page.get_by_role("button", name="Move to trash")).to_be_hidden()
    page.locator("#more > summary").click()
    page.get_by_role("button", name="Move to trash").click()
    expect(page.get_by_role("status")).to_have_text("The roadmap is in the trash.")
    alone.teacher.writes.set()
    card = page.locator(".card", has_text="Bake a cake")
    card.get_by_role("button", name="Restore").click()
    expect(page).to_have_url(alone.url + path)
    expect(page.locator("#head .status")).to_have_text("Cancelled")
    page.get_by_role("button", name="Retry all missing parts").click()
    expect(page.locator("#head .status")).to_have_text("Ready")

    page.locator("#more > summary").click()
    page.get_by_role("button", name="Move to trash").click()
    card.get_by_text("Delete permanently …").click()
    card.get_by_role("button", name="Yes, delete permanently").click()
    expect(page.get_by_role("status")).to_have_text("The roadmap was permanently deleted.")
    expect(card).to_have_count(0)
    page.goto(alone.url + "/roadmaps")
    page.get_by_role("link", name="Trash").click()
    expect(page.locator(".card", has_text="Bake a cake")).to_have_count(0)


def test_another_window_that_watches_it_is_at_rest(visit: Visiting, alone: School) -> None:
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


def test_a_refused_move_says_why_where_it_was_clicked_and_an_edit_is_undone(
    visit: Visiting, alone: School, ready: str
) -> None:
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
