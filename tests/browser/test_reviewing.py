"""Coming back: what the first page says, questions one after the other, and a plan whose hours are changed."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import School, Visiting
from tests.browser.test_learning import press

GOAL = "Bake bread again"


@pytest.fixture(scope="module")
def written(home: School) -> str:
    """The path of a roadmap that is ready."""
    home.teacher.as_usual()
    path = home.stack.create(GOAL)
    home.stack.finished(path)
    return path.removeprefix("/api/v1")


@pytest.fixture
def lesson(home: School, written: str) -> str:
    """The path of a concept of it of which nothing is learned, and nothing to be reviewed."""
    home.stack.request("PUT", "/api/v1/review-limits", json={"reviews": 500, "new": 500})
    for item in home.stack.get("/api/v1/reviews?limit=50").json()["items"]:
        for count, easy in enumerate(("again", "easy")):
            rated = {"rating": easy, "reviews": item["reviews"] + count}
            home.stack.request("POST", f"/api/v1/reviews/{item['id']}", json=rated)
    tree = home.stack.get(f"/api/v1{written}").json()
    concepts = [
        c for stage in tree["stages"] for module in stage["modules"] for c in module["concepts"]
    ]
    todo = next(concept for concept in concepts if concept["progress"] == "todo")
    return f"{written}/concepts/{todo['id']}"


def due(home: School, written: str) -> int:
    return int(
        home.stack.get(f"/api/v1/reviews?roadmap_id={written.rpartition('/')[2]}").json()["due"]
    )


def rating(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=re.compile(rf"^{name} in "))


def review_all(page: Page, written: str, home: School) -> None:
    """Four questions: three are answered rightly, one is not."""
    page.goto(f"{home.url}/review?roadmap={written.rpartition('/')[2]}")
    expect(page.locator("main")).to_contain_text("4 questions left")
    page.get_by_label("Gluten").check()
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator(".explanation")).to_contain_text("Correct.")
    expect(rating(page, "Good")).to_have_attribute("aria-keyshortcuts", "3 Space Enter")
    rating(page, "Easy").click()
    expect(page.locator("main")).to_contain_text("3 questions left")
    expect(page.locator("progress")).to_have_attribute("value", "1")
    page.get_by_label("Luck").check()
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator(".explanation")).to_contain_text("Incorrect.")
    expect(page.locator(".is-right")).to_have_count(2)
    page.reload()  # which sends nothing once more
    expect(page.locator(".explanation")).to_contain_text("Incorrect.")
    rating(page, "Again").click()
    for text in ("Salt", "The gas"):
        page.get_by_label(text).check()
        page.get_by_role("button", name="Check", exact=True).click()
        rating(page, "Easy").click()
    expect(page.locator("main")).to_contain_text("All done: 4 questions reviewed.")
    expect(page.locator("main")).to_contain_text("The next review is due in")


def test_what_is_learned_is_reviewed_from_the_first_page(
    page: Page, home: School, written: str, lesson: str
) -> None:
    page.goto(home.url + lesson)
    page.locator("#progress").get_by_role("button", name="Done").click()
    page.goto(home.url)
    expect(page.get_by_role("link", name=re.compile(r"Review \d+ questions?"))).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Continue learning")
    expect(page.get_by_role("region", name="Today").locator("a[href*=concepts]")).to_be_visible()
    review_all(page, written, home)
    assert due(home, written) == 0


def test_it_goes_without_scripts(visit: Visiting, home: School, written: str, lesson: str) -> None:
    page = visit(java_script_enabled=False).open(home.url + lesson)
    page.locator("#progress").get_by_role("button", name="Done").click()
    review_all(page, written, home)


def test_by_the_keyboard_alone(page: Page, home: School, written: str, lesson: str) -> None:
    home.stack.request("PUT", f"/api/v1{lesson}/progress", json={"progress": "done"})
    page.goto(f"{home.url}/review?roadmap={written.rpartition('/')[2]}")
    page.get_by_role("radio").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator(".explanation")).to_be_visible()
    expect(page.locator(".explanation")).to_be_focused()  # it is read before it is rated
    press(page, "Tab", rating(page, "Easy"), most=4)
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("3 questions left")


def test_by_keys_with_the_focus_on_each_next_step(
    visit: Visiting, home: School, written: str, lesson: str
) -> None:
    home.stack.request("PUT", f"/api/v1{lesson}/progress", json={"progress": "done"})
    visitor = visit()
    visitor.expected.append("409")  # of an undo that comes too late
    page = visitor.open(f"{home.url}/review?roadmap={written.rpartition('/')[2]}")
    main, asked = page.locator("main"), page.locator(".asked")
    expect(main).to_contain_text("4 questions left")
    expect(asked).to_be_focused()
    page.keyboard.press("2")
    expect(page.get_by_role("radio").nth(1)).to_be_checked()
    page.keyboard.press("Space")
    expect(page.locator(".explanation")).to_be_focused()
    expect(page.locator(".ratings kbd").first).to_have_text("1")
    page.keyboard.press("4")
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


def test_questions_above_the_daily_limit_wait(
    visit: Visiting, home: School, written: str, lesson: str
) -> None:
    home.stack.request("PUT", f"/api/v1{lesson}/progress", json={"progress": "done"})
    page = visit(java_script_enabled=False).open(
        f"{home.url}/review?roadmap={written.rpartition('/')[2]}"
    )
    page.get_by_text("Daily limits").click()
    page.get_by_label("New questions a day").fill("0")
    page.get_by_role("button", name="Save").click()
    lead = page.locator(".lead")
    expect(lead).to_contain_text(re.compile(r"That is it for today: \d+ more questions wait."))
    expect(lead).to_be_focused()
    expect(page.get_by_role("img", name=re.compile("0 new"))).to_be_visible()
    page.get_by_role("link", name="Go on anyway").click()
    expect(page.locator("main")).to_contain_text("questions left")
    page.get_by_role("button", name="I don't know").click()
    rating(page, "Again").click()
    expect(page.locator("main")).to_contain_text("questions left")  # it still goes on


def test_hours_and_deadline_are_changed_on_the_page_of_the_roadmap(
    page: Page, home: School, written: str
) -> None:
    page.goto(home.url + written)
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
        assert (
            len({(box["x"], box["width"]) for box in boxes if box}) == 1
        )  # they are compared with each other
        assert boxes[0] is not None
        assert boxes[0]["width"] > 100


def test_a_plan_that_is_made_while_one_looks_brings_its_pace(page: Page, alone: School) -> None:
    alone.teacher.writes.clear()
    page.goto(alone.url)
    page.get_by_label("What do you want to learn?").fill(GOAL)
    page.get_by_role("button", name="Create roadmap").click()
    expect(page.locator("#pace")).to_contain_text("With the hours you have set, you will finish on")
    alone.teacher.writes.set()
    expect(page.locator("#head .status")).to_have_text("Ready")
