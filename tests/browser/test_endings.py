"""The map with its panel, and the ends of stages and of a roadmap."""

import re

import pytest
from playwright.sync_api import Page, expect

from testing.waiting import wait_until
from tests.browser.checkers import barriers
from tests.browser.conftest import School, Visiting
from tests.browser.watching import begin, stayed

GOAL = "Bake bread"
SHIFTS = """window.shifted = 0;
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({type: "layout-shift", buffered: true})"""
SIZES = [(1280, 900), (390, 844)]


@pytest.fixture
def written(page: Page, alone: School) -> str:
    """The path of a roadmap that is ready; its page is open."""
    path = begin(page, alone.url, GOAL)
    expect(page.locator("#head .status")).to_have_text("Ready")
    page.goto(alone.url + path)
    return path


@pytest.mark.parametrize("size", SIZES, ids=["wide", "phone"])
def test_nothing_jumps_while_the_map_lights_up(
    visit: Visiting, alone: School, size: tuple[int, int]
) -> None:
    page = visit(viewport={"width": size[0], "height": size[1]}).open()
    page.add_init_script(SHIFTS)
    teacher = alone.teacher
    teacher.designs.clear()
    teacher.writes.clear()
    begin(page, alone.url, GOAL)
    expect(page.locator("#picture")).to_contain_text("Drafting your plan")
    teacher.designs.set()
    expect(
        page.locator("#picture a.p-queued:visible, #picture a.p-building:visible")
    ).to_have_count(6)
    expect(page.locator("#picture")).not_to_contain_text("Drafting your plan")
    expect(page.locator("#doing")).to_contain_text("0 of 18 texts written")
    for count in (6, 6, 6):
        teacher.writes.let(count)
    expect(page.locator("#picture a.p-ready:visible")).to_have_count(6)
    expect(page.locator("#head .status")).to_have_text("Ready")
    assert page.evaluate("window.shifted") < 0.05
    assert stayed(page)


def test_the_first_lesson_is_offered_to_who_only_watches(visit: Visiting, alone: School) -> None:
    for is_busy in (False, True):
        page = visit().open()
        alone.teacher.writes.clear()
        begin(page, alone.url, GOAL)
        expect(page.locator("#plan li.concept")).to_have_count(6)
        if is_busy:
            page.keyboard.press("PageDown")
        alone.teacher.writes.set()
        expect(page.locator("#head .status")).to_have_text("Ready")
        expect(page.locator("#now [data-first]")).to_have_count(1)
        side = page.locator("#side")
        if is_busy:
            expect(side).to_be_hidden()
        else:
            first = page.locator("#now .onward span").inner_text()
            expect(side.get_by_role("heading", name=first)).to_be_visible()
            expect(side.get_by_role("link", name="Open the lesson")).to_be_visible()
        assert stayed(page)


@pytest.mark.parametrize("size", SIZES, ids=["wide", "phone"])
def test_a_panel_beside_the_map_shows_and_changes_a_concept(
    page: Page, alone: School, written: str, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    node, side = page.locator("#picture a:visible").nth(1), page.locator("#side")
    href = node.get_attribute("href")
    title = page.locator("#plan .concept a").nth(1).inner_text()
    node.focus()
    page.keyboard.press("Enter")
    expect(side.get_by_role("heading", name=title)).to_be_focused()
    assert not barriers(page, None)
    page.keyboard.press("Escape")
    expect(side).to_be_hidden()
    expect(node).to_be_focused()

    node.locator("rect").click()
    side.get_by_role("button", name="Mark as done").click()
    expect(side.locator(".status")).to_have_text("done")
    expect(side.get_by_role("heading", name=title)).to_be_focused()
    expect(page.locator("#picture a.p-done:visible")).to_have_count(1)
    expect(page.locator("#plan li.m-done .p-done")).to_have_count(1)
    expect(page.locator("#now")).to_contain_text("1 of 6 done")
    side.get_by_role("button", name="Close").click()
    expect(page.locator(f'#picture a[href="{href}"]:visible')).to_be_focused()
    assert page.url == alone.url + written
    node.locator("rect").click()
    side.get_by_role("link", name="Open the lesson").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def test_a_stage_and_the_roadmap_end_and_the_end_is_shared(
    page: Page, visit: Visiting, alone: School, written: str
) -> None:
    lessons = page.locator("#plan .concept a").evaluate_all("links => links.map(link => link.href)")
    for lesson in lessons[:3]:
        page.goto(lesson)
        page.get_by_role("button", name="Mark as done and continue").click()
    expect(page).to_have_url(f"{alone.url}{written}/stages/1")
    expect(page.locator("main")).to_contain_text("Stage 1 of 2 completed")
    expect(page.locator(".outcomes li")).to_have_count(6)
    expect(page.locator(".plain li")).to_have_count(3)  # whose questions were never answered
    page.get_by_role("link", name="Continue").click()
    expect(page).to_have_url(lessons[3])

    page.get_by_role("button", name="Skipped").click()
    expect(page).to_have_url(re.compile("#progress$"))
    page.goto(lessons[5])
    page.get_by_role("button", name="Mark as done").click()
    expect(page).to_have_url(re.compile("#progress$"))
    page.goto(lessons[4])
    page.get_by_role("button", name="Mark as done and continue").click()
    expect(page).to_have_url(f"{alone.url}{written}/completion")
    expect(page.locator("main")).to_contain_text("5 of 6 concepts done")
    page.emulate_media(media="print")
    expect(page.locator(".outcomes")).to_have_count(2)
    expect(page.locator("main a:visible, main button:visible")).to_have_count(0)
    page.emulate_media(media="screen")

    page.goto(alone.url + written)
    page.get_by_role("link", name="See what you completed").click()
    page.get_by_role("link", name="Share").click()
    page.get_by_label("When I complete it").check()
    page.get_by_role("button", name="Create a link").click()
    other = visit().open(page.locator("input[readonly]").input_value())
    expect(other.locator(".completed")).to_contain_text("1 skipped")
    page.get_by_role("button", name="Create a link").click()
    plain = page.locator("input[readonly]")
    wait_until(lambda: plain.input_value() != other.url, reason="the second link is there")
    other.goto(plain.input_value())
    expect(other.locator("#plan")).to_be_visible()
    expect(other.locator(".completed")).to_have_count(0)
