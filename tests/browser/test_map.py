"""The map, which lights up while a roadmap is made, and its panel."""

from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.checkers import barriers
from tests.browser.conftest import School, Visiting
from tests.browser.watching import STAY, begin, stayed

GOAL = "Bake bread"
SHIFTS = """window.shifted = 0;
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({type: "layout-shift", buffered: true})"""
SIZES: tuple[ViewportSize, ...] = ({"width": 1280, "height": 900}, {"width": 390, "height": 844})


def test_nothing_jumps_while_the_map_lights_up(visit: Visiting, alone: School) -> None:
    """Neither on a wide screen nor on a phone, which look at the same roadmap."""
    teacher = alone.teacher
    teacher.designs.clear()
    teacher.writes.clear()
    pages = [visit(viewport=size).open() for size in SIZES]
    for page in pages:
        page.add_init_script(SHIFTS)
    path = begin(pages[0], alone.url, GOAL)
    pages[1].goto(alone.url + path)
    pages[1].evaluate(STAY)
    for page in pages:
        expect(page.locator("#picture")).to_contain_text("Drafting your plan")
    teacher.designs.set()
    queued = "#picture a.p-queued:visible, #picture a.p-building:visible"
    for page in pages:
        expect(page.locator(queued)).to_have_count(6)
        expect(page.locator("#picture")).not_to_contain_text("Drafting your plan")
        expect(page.locator("#doing")).to_contain_text("0 of 18 texts written")
    teacher.writes.set()
    for page in pages:
        expect(page.locator("#picture a.p-ready:visible")).to_have_count(6)
        expect(page.locator("#head .status")).to_have_text("Ready")
        assert page.evaluate("window.shifted") < 0.05
        assert stayed(page)


def test_the_first_lesson_is_offered_to_who_only_watches(visit: Visiting, alone: School) -> None:
    alone.teacher.writes.clear()
    page, busy = visit().open(), visit().open()
    path = begin(page, alone.url, GOAL)
    busy.goto(alone.url + path)
    for each in (page, busy):
        expect(each.locator("#plan li.concept")).to_have_count(6)
    busy.keyboard.press("PageDown")
    alone.teacher.writes.set()
    for each in (page, busy):
        expect(each.locator("#head .status")).to_have_text("Ready")
        expect(each.locator("#now [data-first]")).to_have_count(1)
    first = page.locator("#now .onward span").inner_text()
    side = page.locator("#side")
    expect(side.get_by_role("heading", name=first)).to_be_visible()
    expect(side.get_by_role("link", name="Open the lesson")).to_be_visible()
    assert stayed(page)
    expect(busy.locator("#side")).to_be_hidden()


def test_a_panel_shows_and_changes_a_concept(page: Page, alone: School) -> None:
    """Beside the map, and over it on a phone."""
    path = alone.stack.create(GOAL)
    alone.stack.finished(path)
    address = alone.url + path.removeprefix("/api/v1")
    for done, size in enumerate(SIZES, 1):
        page.set_viewport_size(size)
        page.goto(address)
        node, side = page.locator("#picture a:visible").nth(done), page.locator("#side")
        href = node.get_attribute("href")
        title = page.locator("#plan .concept a").nth(done).inner_text()
        node.focus()
        page.keyboard.press("Enter")
        expect(side.get_by_role("heading", name=title)).to_be_focused()
        assert not barriers(page)
        page.keyboard.press("Escape")
        expect(side).to_be_hidden()
        expect(node).to_be_focused()

        node.locator("rect").click()
        side.get_by_role("button", name="Mark as done").click()
        expect(side.locator(".status")).to_have_text("done")
        expect(side.get_by_role("heading", name=title)).to_be_focused()
        expect(page.locator("#picture a.p-done:visible")).to_have_count(done)
        expect(page.locator("#plan li.m-done .p-done")).to_have_count(done)
        expect(page.locator("#now")).to_contain_text(f"{done} of 6 done")
        side.get_by_role("button", name="Close").click()
        expect(page.locator(f'#picture a[href="{href}"]:visible')).to_be_focused()
        assert page.url == address
        node.locator("rect").click()
        side.get_by_role("link", name="Open the lesson").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
