"""Reviews by the keyboard, and the bars of a plan's pace."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import School, Visiting
from tests.browser.test_learning import press

GOAL = "Bake bread again"


@pytest.fixture(scope="module")
def roadmap(home: School) -> str:
    """The path of a finished one in the API, of which one concept is done: four questions."""
    home.teacher.as_usual()
    path = home.stack.create(GOAL)
    concept = home.stack.finished(path)["stages"][0]["modules"][0]["concepts"][0]["id"]
    limits = {"reviews": 500, "new": 500}
    assert home.stack.request("PUT", "/api/v1/review-limits", json=limits).is_success
    done = {"progress": "done"}
    assert home.stack.request("PUT", f"{path}/concepts/{concept}/progress", json=done).is_success
    return path


def rating(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=re.compile(rf"^{name} in "))


def test_by_keys_with_the_focus_on_each_next_step(
    visit: Visiting, home: School, roadmap: str
) -> None:
    visitor = visit()
    visitor.expected.append("409")  # of an undo that comes too late
    page = visitor.open(f"{home.url}/review?roadmap={roadmap.rpartition('/')[2]}")
    main, asked = page.locator("main"), page.locator(".asked")
    expect(main).to_contain_text("4 questions left")
    expect(asked).to_be_focused()
    page.keyboard.press("2")
    expect(page.get_by_role("radio").nth(1)).to_be_checked()
    page.keyboard.press("Space")
    expect(page.locator(".explanation")).to_be_focused()
    expect(page.locator(".ratings button")).to_have_count(2)  # a wrong answer was not easy
    page.keyboard.press("4")
    page.keyboard.press("2")
    expect(main).to_contain_text("3 questions left")
    expect(asked).to_be_focused()
    page.keyboard.press("u")
    expect(main).to_contain_text("4 questions left")
    expect(asked).to_be_focused()
    expect(page.get_by_role("button", name="Undo the last rating")).to_have_count(0)
    page.keyboard.press("0")
    expect(page.locator(".explanation")).to_be_focused()
    expect(page.locator(".ratings button")).to_have_count(1)  # who does not know it forgot it
    page.keyboard.press("Enter")
    expect(main).to_contain_text("3 questions left")
    page.get_by_text("Daily limits").click()
    page.get_by_label("New questions a day").fill("15")
    page.keyboard.press("0")  # is typed
    expect(page.get_by_label("New questions a day")).to_have_value("150")
    expect(asked).to_be_visible()
    page.reload()
    undo = page.get_by_role("button", name="Undo the last rating")
    expect(undo).to_be_visible()
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="Undo the last rating").click()
    expect(other.get_by_role("button", name="Check", exact=True)).to_be_visible()
    other.close()
    undo.click()
    expect(page.get_by_role("alert")).to_contain_text("can no longer be undone")
    expect(page.locator(".asked")).to_be_focused()
    page.get_by_role("radio").or_(page.get_by_role("checkbox")).first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator(".explanation")).to_be_focused()  # it is read before it is rated
    press(page, "Tab", page.locator(".ratings button").last, most=4)
    page.keyboard.press("Enter")
    expect(main).to_contain_text("3 questions left")


def test_the_bars_of_a_pace_are_compared(page: Page, home: School, roadmap: str) -> None:
    page.goto(home.url + roadmap.removeprefix("/api/v1"))
    pace = page.locator("#pace")
    expect(pace.get_by_role("progressbar")).to_have_count(3)  # of all, and of each stage
    pace.get_by_text("Change hours and target date").click()
    pace.get_by_label("Hours a week").fill("1")
    pace.get_by_label("Target date").fill(str(datetime.now(UTC).date() + timedelta(days=8)))
    pace.get_by_role("button", name="Save").click()
    expect(pace).to_contain_text("after your target date")
    expect(pace).to_contain_text(
        re.compile(r"With \d+ hours a week you would finish by your target date.")
    )
    expect(page.locator("#head")).to_contain_text("weeks")
    for width in (1280, 560, 360):
        page.set_viewport_size({"width": width, "height": 800})
        boxes = [bar.bounding_box() for bar in pace.locator("li progress").all()]
        assert len({(box["x"], box["width"]) for box in boxes if box}) == 1
        assert boxes[0] is not None
        assert boxes[0]["width"] > 100


def test_a_stage_is_tested_and_what_was_missed_is_due(
    visit: Visiting, home: School, roadmap: str
) -> None:
    stage = home.stack.request("GET", roadmap).json()["stages"][1]
    concepts = [each["id"] for module in stage["modules"] for each in module["concepts"]]
    for concept in concepts:
        path = f"{roadmap}/concepts/{concept}/progress"
        assert home.stack.request("PUT", path, json={"progress": "done"}).is_success
    page = visit().open(f"{home.url}{roadmap.removeprefix('/api/v1')}/stages/2")
    page.get_by_role("link", name="Take the test").click()
    expect(page.locator("main")).to_contain_text("takes “learned” away from its concept")
    page.get_by_role("button", name="Begin the test").click()
    count = 2 * len(concepts)
    expect(page.locator("main fieldset.question")).to_have_count(count)
    page.get_by_role("button", name="Check my answers").click()  # it has to be finished first
    expect(page.locator(".result")).to_have_count(0)
    page.reload()
    expect(page.locator("main fieldset.question")).to_have_count(count)
    page.get_by_role("checkbox", name="I have finished").check()
    page.get_by_role("button", name="Check my answers").click()
    expect(page.locator(".result")).to_be_focused()
    expect(page.locator(".result")).to_contain_text(f"0 of {count} correct")
    expect(page.locator("main")).to_contain_text("no longer learned")
    page.get_by_role("link", name="Continue").click()
    expect(page.get_by_role("link", name="Take the test again")).to_be_visible()
