"""Questions before a plan, a quiz of all kinds, a lesson that grows, and one's own chat."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from testing.stack import Stack
from tests.browser.conftest import School, Visiting
from tests.browser.watching import STAY, begin, stayed

GOAL = "Bake bread"
QUESTIONS = (
    ("For whom do you bake?", ("For my family", "For guests")),
    ("Which oven do you have?", ("A small one", "A large one")),
)
# Where a text is on the screen, and how much of the lesson there is, in each frame.
WATCH = """text => {
  const headings = () => [...document.querySelectorAll("#tutorial h3")];
  window.seen = [];
  const look = () => {
    const heading = headings().find(each => each.textContent === text);
    const top = heading?.getBoundingClientRect().top ?? null;
    if (window.seen.at(-1) !== top) window.seen.push(top);
    requestAnimationFrame(look);
  };
  look();
}"""


def test_questions_are_answered_before_the_plan(page: Page, alone: School) -> None:
    alone.teacher.questions = QUESTIONS
    page.goto(alone.url)
    page.get_by_label("What do you want to learn?").fill(GOAL)
    page.get_by_role("button", name="Create roadmap").click()
    expect(page.get_by_role("heading", name="A few questions before the plan")).to_be_visible()
    expect(page.locator("meta[http-equiv=refresh]")).to_have_count(0)
    page.get_by_label("For guests").check()
    oven = page.get_by_role("group", name="Which oven do you have?")
    oven.get_by_label("Or in your own words").fill("None <b>yet</b>")
    page.get_by_role("button", name="Send the answers").click()
    expect(page.locator("#head .status")).to_have_text("Ready")
    assert [each["answer"] for each in alone.teacher.answers] == ["For guests", "None <b>yet</b>"]


def of_many_kinds(page: Page, school: School) -> tuple[Locator, Locator]:
    """Open a lesson whose quiz ends with these two: a typed answer, and lines to order."""
    school.teacher.many_kinds = True
    school.teacher.stages = school.teacher.concepts = 1
    path = school.stack.create(GOAL)
    tree = school.stack.finished(path)
    concept = tree["stages"][0]["modules"][0]["concepts"][0]["id"]
    page.goto(f"{school.url}{path.removeprefix('/api/v1')}/concepts/{concept}")
    return (
        page.get_by_role("group", name=re.compile("Which grain")),
        page.get_by_role("group", name=re.compile("In which order")),
    )


def test_a_typed_answer_and_an_order_are_checked_one_at_a_time(
    visit: Visiting, alone: School
) -> None:
    visitor = visit()
    visitor.expected.append("status of 422")
    page = visitor.open()
    typed, order = of_many_kinds(page, alone)
    for _ in range(4):
        page.get_by_role("button", name="Skip", exact=True).click()
    typed.get_by_label("Your answer").fill(" rye ")
    page.keyboard.press("Enter")
    expect(typed.locator(".explanation")).to_contain_text("Correct.")
    expect(typed.get_by_label("Your answer")).to_be_disabled()
    page.get_by_role("button", name="Next question").click()
    for line, key in (("Fold the dough", "1"), ("Bake", "3"), ("Mix flour and water", "2")):
        order.get_by_label(f"Position of “{line}”").press(key)
    order.get_by_label("Position of “Mix flour and water”").press("ArrowUp")
    expect(order.get_by_label("Position of “Fold the dough”")).to_have_value("2")  # makes way
    page.locator("#answers [name=check]").click()
    expect(order.locator(".is-right")).to_have_count(3)
    page.get_by_role("button", name="Show the result").click()
    expect(page.get_by_role("alert")).to_have_text("4 unanswered: check anyway?")
    expect(page.locator("#quiz fieldset:visible legend")).to_contain_text("1/6")
    page.get_by_role("button", name="Check anyway").click()
    expect(page.locator("#quiz .result")).to_have_text("2 of 2 correct · 4 unanswered")


def test_a_lesson_grows_without_a_jump(page: Page, alone: School) -> None:
    teacher = alone.teacher
    teacher.grows = True
    teacher.writes.clear()
    teacher.paragraphs.clear()
    begin(page, alone.url, GOAL)
    expect(page.locator("#plan li.concept")).to_have_count(6)
    teacher.writes.let(1)
    teacher.paragraphs.let(2)
    page.locator("#plan li.concept a").first.click()
    draft = page.locator("#lesson-text")
    expect(draft).to_contain_text("Gluten is a net of proteins.")
    expect(draft).to_have_attribute("aria-busy", "true")
    page.evaluate(STAY)

    notes = page.get_by_label("Your notes")
    notes.focus()
    page.evaluate("scrollTo(0, document.getElementById('notes').offsetTop - 100)")
    place = place_of(page, "#notes")
    teacher.paragraphs.let(4)
    expect(draft.locator("td").first).to_have_text("bagel")
    assert place_of(page, "#notes") == pytest.approx(place, abs=2)

    page.evaluate("document.querySelector('#lesson-text h3').scrollIntoView()")
    page.evaluate(WATCH, "Why it works")
    teacher.paragraphs.let(4)
    expect(draft).to_contain_text("How the net grows")
    with page.expect_response(re.compile(r"/concepts/[0-9a-f-]{36}$")):  # as from time to time
        page.evaluate("htmx.trigger(document.getElementById('draft'), 'written')")
    teacher.paragraphs.let(1)
    expect(draft).to_contain_text("Salt comes last.")
    teacher.paragraphs.set()
    expect(page.locator("#draft")).to_have_count(0)
    expect(draft).not_to_have_attribute("aria-busy", "true")
    expect(page.locator("#tutorial")).to_contain_text("After the fourth fold it holds its shape")
    seen: list[Any] = page.evaluate("window.seen")
    assert None not in seen
    assert max(seen) - min(seen) <= 2, seen
    expect(notes).to_be_focused()
    assert stayed(page)


def place_of(page: Page, selector: str) -> float:
    return float(
        page.evaluate("s => document.querySelector(s).getBoundingClientRect().top", selector)
    )


def test_the_prompt_for_ones_own_chat_is_copied(visit: Visiting, service: Stack) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    visitor.expected.append("status of 422")
    page = visitor.open(service.url)
    page.get_by_label("What do you want to learn?").fill("Carve spoons")
    page.get_by_role("button", name="Create roadmap").click()
    expect(page.get_by_role("heading", name="Use your own chat")).to_be_visible()
    page.get_by_role("button", name="Copy the prompt").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.get_by_label("Prompt").input_value()
    assert "Carve spoons" in copied
