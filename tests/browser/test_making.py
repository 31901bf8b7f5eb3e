"""The page of a roadmap in progress updates itself; failed parts can be retried."""

import re

from playwright.sync_api import Page, expect

from testing.stack import Stack
from tests.browser.conftest import School
from tests.browser.watching import begin, expect_as_reloaded, expect_everything, stayed

GOAL = "Bake bread"


def test_the_plan_and_its_parts_appear(page: Page, alone: School) -> None:
    teacher = alone.teacher
    teacher.designs.clear()
    teacher.writes.clear()
    path = begin(page, alone.url, GOAL)
    expect(page.locator("#doing strong")).to_have_text("Drafting the plan")
    expect(page.locator("#plan")).to_contain_text("The plan appears here as soon as it is ready.")
    expect(page.locator("#progress-bar")).not_to_have_attribute("value", re.compile(".*"))

    teacher.designs.set()
    expect(page.locator("#plan li.concept")).to_have_count(6)
    expect(page.locator("#head h1")).to_have_text("Bake bread that people ask for")
    expect(page.locator("#picture a:visible")).to_have_count(6)
    expect(page.locator("#pace")).to_contain_text("With the hours you have set, you will finish on")
    expect(page.locator("#progress-bar")).to_have_attribute("max", "18")
    expect(page.locator("#doing")).to_contain_text("0 of 18 texts written")
    doing = page.locator("#doing strong")
    expect(doing).to_have_text(
        re.compile("^(Writing the (tutorial|quiz)|Looking for resources) on “.+”$")
    )
    first = doing.inner_text()

    teacher.writes.let(6)
    expect(page.locator("#progress-bar")).to_have_attribute("value", "6")
    expect(page.locator("#doing")).to_contain_text("6 of 18 texts written")
    expect(doing).not_to_have_text(first)
    expect(page.locator("#plan li.m-queued")).not_to_have_count(6)
    expect(page.locator("#event-list li").first).to_have_text(re.compile("(is|are) ready$"))

    teacher.writes.set()
    expect(page.locator("#plan li.m-ready")).to_have_count(6)
    expect(page.locator("#doing")).to_have_count(0)
    expect(page.get_by_role("link", name="Continue", exact=True)).to_be_visible()
    expect_everything(page, alone.stack, path)
    expect(page.locator("#picture a.p-ready:visible")).to_have_count(6)
    assert stayed(page)
    expect_as_reloaded(page)


def test_a_part_that_failed_is_named_and_mended(page: Page, alone: School) -> None:
    alone.teacher.refused.add(("quiz", "Sourdough 2"))
    path = begin(page, alone.url, GOAL)
    expect(page.locator("#head .status")).to_have_text("Partly ready")
    failures = page.locator(".failures li")
    expect(failures).to_have_count(1)
    expect(failures).to_contain_text("The quiz on “Sourdough 2” failed")
    failures.get_by_text("Reason").click()
    expect(failures.locator("details p")).to_contain_text("The teacher does not want to.")
    expect(page.locator("#plan li.m-failed")).to_have_count(1)
    expect_everything(page, alone.stack, path)
    assert stayed(page)

    alone.teacher.refused.clear()
    page.get_by_role("button", name="Try again: Quiz, Sourdough 2").click()
    page.wait_for_url(alone.url + path)
    expect(page.locator("#head .status")).to_have_text("Ready")
    expect(page.locator(".failures li")).to_have_count(0)
    expect(page.locator("#plan li.m-ready")).to_have_count(6)


def test_it_is_stopped_and_goes_on(page: Page, alone: School) -> None:
    alone.teacher.writes.clear()
    begin(page, alone.url, GOAL)
    expect(page.locator("#plan li.concept")).to_have_count(6)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="This roadmap was cancelled")).to_be_visible()
    alone.teacher.writes.set()
    page.get_by_role("button", name="Retry all missing parts").click()
    expect(page.locator("#head .status")).to_have_text("Ready")


def test_enter_sends_a_goal(page: Page, service: Stack) -> None:
    page.goto(service.url)
    page.fill("#goal", "Become a")
    page.press("#goal", "Shift+Enter")
    page.locator("#goal").press_sequentially("DevOps engineer")
    expect(page.locator("#goal")).to_have_value("Become a\nDevOps engineer")
    page.get_by_role("radio", name="Advanced").check()
    page.press("#goal", "Enter")
    page.wait_for_url(re.compile(r"/roadmaps/[0-9a-f-]{36}$"))
    expect(page.locator("#head")).to_contain_text("Advanced")

    page.goto(service.url)
    expect(page.get_by_role("radio", name="Beginner")).to_be_checked()  # of another subject
    page.get_by_role("button", name="Database engineer").click()
    page.wait_for_url(re.compile(r"/roadmaps/[0-9a-f-]{36}$"))
    expect(page.locator("#head")).to_contain_text("Beginner")


def test_a_near_miss_is_a_question_before_anything_is_made(page: Page, service: Stack) -> None:
    begin(page, service.url, "Excel")
    asked = page.locator("#match")
    expect(asked).to_contain_text("You asked for Excel. 0 of 22 concepts")
    expect(asked).to_contain_text("9 teach what surrounds it.")
    expect(page.locator("#plan li.concept")).to_have_count(0)
    expect(asked.get_by_role("link", name="Another way")).to_be_visible()
    asked.get_by_text("Concepts", exact=True).click()
    expect(asked.locator("ol li")).to_have_count(12)
    asked.get_by_role("button", name="Only what fits").click()
    expect(page.locator("#plan li.m-ready")).to_have_count(12)
    expect(page.locator("#head")).to_contain_text("You asked for Excel.")


def test_one_subject_is_a_small_course_at_once(page: Page, service: Stack) -> None:
    begin(page, service.url, "learn git")
    expect(page.locator("#plan li.m-ready")).to_have_count(3)
    expect(page.locator("#head")).to_contain_text("Only what git needs: 3 concepts, 16 hours.")
