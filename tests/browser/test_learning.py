"""Reading, marking, noting and answering: with a mouse, with the keyboard alone, and in a browser without scripts."""

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from testing.waiting import wait_until
from tests.browser.checkers import barriers
from tests.browser.conftest import School, Visiting
from tests.browser.watching import STAY, begin, stayed

GOAL = "Bake bread"
NEXT = "Next Sourdough 2"
RIGHT = (("Gluten",), ("Kneading", "Time"), ("Salt",), ("The gas",))  # answers of each quiz


@pytest.fixture(scope="module")
def written(home: School) -> str:
    """The path of a roadmap that is ready."""
    home.teacher.as_usual()
    path = home.stack.create(GOAL)
    home.stack.finished(path)
    return path.removeprefix("/api/v1")


@pytest.fixture
def lessons(home: School, written: str) -> list[str]:
    """The addresses of its concepts, in order; nothing is learned of them yet."""
    tree = home.stack.get(f"/api/v1{written}").json()
    concepts = [
        c for stage in tree["stages"] for module in stage["modules"] for c in module["concepts"]
    ]
    for concept in concepts:
        home.stack.request(
            "PUT", f"/api/v1{written}/concepts/{concept['id']}/progress", json={"progress": "todo"}
        )
    return [f"{home.url}{written}/concepts/{concept['id']}" for concept in concepts]


def press(page: Page, key: str, until: Locator, *, most: int = 60) -> None:
    """A key again and again, until what it moves to has the focus."""
    for _ in range(most):
        page.keyboard.press(key)
        if until.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{key} does not get to {until}")


def option(page: Page, text: str) -> Locator:
    return page.locator("#quiz fieldset:visible").get_by_label(text)


def test_a_tutorial_is_read_and_one_goes_on_by_the_link(page: Page, lessons: list[str]) -> None:
    page.goto(lessons[0])
    expect(page.locator("h1")).to_have_text("Flour and water 1")
    prose = page.locator("#tutorial .prose")
    expect(prose.locator("h3").first).to_have_text("Why it works")
    expect(prose.locator("td").first).to_have_text("bagel")
    expect(prose.locator("pre span[class]").first).to_be_visible()
    colours = prose.locator("pre span[class]").evaluate_all(
        "spans => [...new Set(spans.map(s => getComputedStyle(s).color))]"
    )
    assert len(colours) > 2
    expect(page.locator(".resources a").first).to_have_attribute("rel", re.compile("noopener"))
    page.get_by_role("link", name=NEXT).click()
    expect(page.locator("h1")).to_have_text("Sourdough 2")
    page.get_by_role("navigation", name="Previous and next").get_by_role("link").first.click()
    expect(page).to_have_url(lessons[0])


def test_one_may_go_on_by_a_key(page: Page, lessons: list[str]) -> None:
    """Which one goes with it is the browser's choice, and headless it has none."""
    page.goto(lessons[1])
    onward = page.get_by_role("navigation", name="Previous and next")
    expect(onward.get_by_role("link", name="Previous Flour and water 1")).to_have_attribute(
        "accesskey", "p"
    )
    expect(onward.get_by_role("link", name="Next Kneading 3")).to_have_attribute("accesskey", "n")
    expect(onward.get_by_role("button", name="Mark as done and continue")).to_have_attribute(
        "accesskey", "d"
    )


def test_notes_are_saved_by_themselves(page: Page, lessons: list[str]) -> None:
    page.goto(lessons[0])
    page.evaluate(STAY)
    notes = page.get_by_label("Your notes")
    notes.press_sequentially("Wait for the dough.\n面团 <b>& patience</b>")
    expect(page.locator("#saved")).to_have_text("Saved")
    assert stayed(page)
    page.reload()
    expect(notes).to_have_value("Wait for the dough.\n面团 <b>& patience</b>")


def test_notes_of_who_goes_on_at_once_are_kept(page: Page, lessons: list[str]) -> None:
    notes = page.get_by_label("Your notes")
    for typed, leave in (
        ("before a form", lambda: page.get_by_role("button", name="Learning", exact=True).click()),
        ("before a link", lambda: page.get_by_role("link", name="Roadmap", exact=True).click()),
        ("before the end of the page", lambda: page.goto("about:blank")),
    ):
        page.goto(lessons[1])
        notes.fill("saved")
        expect(page.locator("#saved")).to_have_text("Saved")
        notes.fill(typed)
        expect(page.locator("#saved")).to_have_text("")
        leave()
        page.wait_for_load_state()

        def is_kept(typed: str = typed) -> bool:
            page.goto(lessons[1])
            return notes.input_value() == typed

        wait_until(is_kept, reason=f"what was typed {typed} is there")


def test_how_far_one_is_stands_on_the_page_and_on_the_map(
    page: Page, lessons: list[str], home: School, written: str
) -> None:
    for name, mark in (
        ("Learning", "learning"),
        ("Done", "done"),
        ("Skipped", "skipped"),
        ("Not started", "ready"),
    ):
        page.goto(lessons[2])
        page.locator("#progress").get_by_role("button", name=name).click()
        expect(page.locator("#progress").get_by_role("button", name=name)).to_have_attribute(
            "aria-pressed", "true"
        )
        page.goto(home.url + written)
        concept = page.locator(f"#concept-{lessons[2].rpartition('/')[2]}")
        expect(concept).to_have_class(re.compile(rf"\bm-{mark}\b"))
        expect(page.locator(f"#picture a.p-{mark}:visible")).not_to_have_count(0)
    page.goto(lessons[0])
    for at in range(1, 6):
        page.get_by_role("button", name="Mark as done and continue").click()
        if at == 3:  # the end of a stage
            page.get_by_role("link", name="Continue").click()
        expect(page).to_have_url(lessons[at])
    page.get_by_role("button", name="Mark as done").click()
    page.goto(home.url + written)
    expect(page.locator("#plan li.m-done")).to_have_count(6)


def choose_by_keys(page: Page, *texts: str) -> None:
    """Choose these options of the question that is shown, from what has the focus on."""
    question = page.locator("#quiz fieldset:visible")
    if not question.get_by_role("radio").count():
        for box in question.get_by_role("checkbox").all():
            press(page, "Tab", box, most=4)
            if any(text in (box.locator("..").text_content() or "") for text in texts):
                page.keyboard.press("Space")
        return
    press(page, "Tab", question.get_by_role("radio").first, most=4)
    page.keyboard.press("Space")
    if not option(page, texts[0]).is_checked():
        press(page, "ArrowDown", option(page, texts[0]), most=3)


def test_the_quiz_is_answered_with_the_keyboard_alone(page: Page, lessons: list[str]) -> None:
    page.goto(lessons[1])
    page.evaluate(STAY)
    press(page, "Tab", page.locator("nav.parts a[href='#quiz']"))
    page.keyboard.press("Enter")
    for number, texts in enumerate(RIGHT):
        shown = page.locator("#quiz fieldset:visible")
        expect(shown.locator("legend")).to_contain_text(f"{number + 1}/4")
        choose_by_keys(page, *texts)
        press(page, "Tab", page.locator("#answers [name=check]"), most=4)
        page.keyboard.press("Enter")
        expect(shown.locator(".explanation")).to_be_focused()
        expect(shown.locator(".is-right")).to_have_count(len(texts))
        press(page, "Tab", page.get_by_role("button", name=re.compile("Next|result")), most=2)
        page.keyboard.press("Enter")
    expect(page.locator("#quiz .result")).to_have_text("4 of 4 correct")
    expect(page.locator("#quiz .result")).to_be_focused()
    expect(page.locator("#quiz")).to_contain_text(
        "Nothing to revisit: these questions come back in"
    )
    assert stayed(page)
    page.locator("#quiz").get_by_role("link", name="Continue").click()
    expect(page).to_have_url(lessons[2])


def test_what_was_wrong_is_shown_at_once_and_comes_back(
    visit: Visiting, lessons: list[str]
) -> None:
    visitor = visit()
    visitor.expected.append("status of 422")
    page = visitor.open(lessons[2])
    page.evaluate(STAY)
    check = page.locator("#answers [name=check]")
    check.click()
    expect(page.get_by_role("alert")).to_have_text("Answer this question, or skip it.")
    expect(page.get_by_role("alert")).to_be_focused()
    for number, texts in enumerate((("Luck",), ("Kneading",), ("Salt",), ("The gas",))):
        for text in texts:
            option(page, text).check()
        check.click()
        shown = page.locator("#quiz fieldset:visible")
        expect(shown).to_have_class(re.compile("wrong" if number < 2 else "right"))
        expect(shown.get_by_role("radio").or_(shown.get_by_role("checkbox")).first).to_be_disabled()
        page.get_by_role("button", name=re.compile("Next question|Show the result")).click()
    expect(page.locator("#quiz .result")).to_have_text("2 of 4 correct")
    expect(page.locator("#quiz")).to_contain_text("2 to revisit: they come back in less than")
    page.get_by_text("Questions and explanations").click()
    expect(page.locator("#quiz .is-wrong:visible")).to_have_count(1)
    page.get_by_role("link", name="Start over").click()
    expect(page.locator("#quiz .result")).to_have_count(0)
    expect(page.locator("#quiz")).to_contain_text("Last time: 2 of 4 correct")
    expect(page.locator("#quiz input:checked")).to_have_count(0)
    assert stayed(page)


def test_blanks_are_asked_for_and_answers_are_there_after_the_page_was_left(
    visit: Visiting, lessons: list[str]
) -> None:
    visitor = visit()
    visitor.expected.append("status of 422")
    page = visitor.open(lessons[4])
    option(page, "Gluten").check()
    page.locator("#answers [name=check]").click()
    expect(page.locator("#quiz .explanation")).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("button", name="Next question").click()
    option(page, "Time").check()
    page.get_by_role("link", name="My roadmaps").click()
    page.goto(lessons[4])
    expect(page.locator("#quiz progress")).to_have_attribute("value", "1")
    expect(page.locator("#quiz fieldset:visible legend")).to_contain_text("2/4")
    expect(option(page, "Time")).to_be_checked()
    option(page, "Time").uncheck()
    for _ in range(3):
        page.get_by_role("button", name="Skip", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("3 unanswered: check anyway?")
    expect(page.get_by_role("alert")).to_be_focused()
    assert barriers(page) == []
    page.get_by_role("button", name="Check anyway").click()
    expect(page.locator("#quiz .result")).to_have_text("1 of 1 correct · 3 unanswered")
    page.get_by_text("Questions and explanations").click()
    expect(page.locator("#quiz .explanation")).to_have_count(1)
    assert barriers(page) == []
    page.goto(lessons[4])  # a new attempt
    expect(page.locator("#quiz input:checked")).to_have_count(0)


def test_what_is_pending_or_failed_shows_where_one_clicked(
    visit: Visiting, lessons: list[str]
) -> None:
    visitor = visit()
    visitor.expected += ["net::ERR_", "status of 502", "htmx:error: Failed to fetch"]
    page = visitor.open(lessons[5])
    option(page, "Gluten").check()
    check = page.locator("#answers [name=check]")
    held: list[Route] = []
    page.route("**/quiz", lambda route: held.append(route))
    check.click()
    expect(check).to_have_attribute("aria-busy", "true")
    wait_until(lambda: held, reason="it is sent")
    held[0].fulfill(status=502, content_type="text/html", body="<h1>Bad gateway</h1>")
    expect(page.locator("#answers .problems")).to_contain_text("The service could not answer.")
    expect(check).not_to_have_attribute("aria-busy", "true")
    page.unroute("**/quiz")
    visitor.context.set_offline(True)
    check.click()
    expect(page.locator("#answers .problems")).to_contain_text("there is no connection")
    expect(option(page, "Gluten")).to_be_checked()
    page.get_by_label("Your notes").fill("Kept.")
    expect(page.locator("#notes .problems")).to_contain_text("there is no connection")
    page.locator("#progress").get_by_role("button", name="Learning").click()
    expect(page.locator("#progress .problems")).to_contain_text("there is no connection")
    assert barriers(page) == []
    visitor.context.set_offline(False)
    expect(page.locator("#saved")).to_have_text("Saved")  # by itself
    check.click()
    expect(page.locator("#quiz .explanation")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_solution_opens_after_an_attempt_and_a_checked_one_is_learned(
    visit: Visiting, lessons: list[str], home: School, written: str, scripts: bool
) -> None:
    lesson = lessons[4 + scripts]
    page = visit(java_script_enabled=scripts).open(lesson)
    solution = page.get_by_text("After the fourth fold it holds its shape")
    page.locator(".solution > summary").click()
    expect(solution).to_be_hidden()
    page.get_by_text("Show the solution without an attempt").click()
    expect(solution).to_be_visible()
    page.get_by_label("Your attempt").fill("It held its shape.")
    page.get_by_role("button", name="Save and show the solution").click()
    expect(page.get_by_text("without an attempt")).to_have_count(0)
    expect(solution).to_be_visible()
    page.get_by_role("button", name="I checked it: it works").click()
    expect(page.locator("#checked")).to_contain_text("Learned")
    expect(page.locator("header .status")).to_have_text("learned")
    expect(page.get_by_label("Your attempt")).to_have_value("It held its shape.")
    page.goto(home.url + written)
    expect(page.locator(f"#concept-{lesson.rpartition('/')[2]}")).to_have_class(
        re.compile(r"\bm-learned\b")
    )
    expect(page.locator("#picture a.p-learned:visible")).not_to_have_count(0)


def test_code_is_copied_by_a_button(visit: Visiting, lessons: list[str]) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"]).open(lessons[0])
    copy = page.get_by_role("button", name="Copy").first
    copy.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    code = page.locator(".prose pre.code").first.inner_text()
    assert page.evaluate("navigator.clipboard.readText()").strip() == code.strip()


def test_on_a_phone_the_parts_of_a_lesson_are_near(visit: Visiting, lessons: list[str]) -> None:
    page = visit(viewport={"width": 390, "height": 844}).open(lessons[3])
    parts = page.get_by_role("navigation", name="On this page")
    for name in ("Progress", "Quiz", "Notes", "Exercise"):
        parts.get_by_role("link", name=name).click()
        expect(page.locator(":target :is(h2, h3), h3:target").first).to_be_in_viewport()
        expect(parts.get_by_role("link", name="Progress")).to_be_in_viewport(ratio=1)
        assert page.url.rpartition("#")[2]


def test_who_fails_is_led_to_the_section_to_read_again(page: Page, lessons: list[str]) -> None:
    page.goto(lessons[3])
    for text in ("Luck", "Kneading", "Salt", "The gas"):
        option(page, text).check()
        page.locator("#answers [name=check]").click()
        page.get_by_role("button", name=re.compile("Next question|Show the result")).click()
    link = page.locator(".reread a").first
    title = link.inner_text()
    link.click()
    heading = page.locator("#tutorial").get_by_role("heading", name=title, exact=True)
    expect(heading).to_be_in_viewport()
    parts = page.get_by_role("navigation", name="On this page").bounding_box()
    where = heading.bounding_box()
    assert parts is not None
    assert where is not None
    assert where["y"] >= parts["y"] + parts["height"]  # not under the bar
    page.reload()
    expect(heading).to_be_in_viewport()


def test_a_part_that_is_written_while_one_reads_appears(page: Page, alone: School) -> None:
    alone.teacher.writes.clear()
    path = begin(page, alone.url, GOAL)
    page.locator("#plan li.concept a").first.click()
    expect(page.locator("#tutorial")).to_contain_text(re.compile("(Waiting to be|Being) written"))
    page.evaluate(STAY)
    alone.teacher.writes.set()
    expect(page.locator("#lesson-text")).to_be_visible()
    expect(page.locator("#quiz fieldset")).to_have_count(4)
    alone.stack.finished(f"/api/v1{path}")
    assert stayed(page)


class TestWithoutScripts:
    @pytest.fixture
    def page(self, visit: Visiting) -> Page:
        visitor = visit(java_script_enabled=False)
        visitor.expected.append("status of 422")
        return visitor.open()

    def test_a_roadmap_is_made_and_its_page_reloads_itself_until_it_is_ready(
        self, page: Page, alone: School
    ) -> None:
        alone.teacher.writes.clear()
        page.goto(alone.url)
        page.get_by_label("What do you want to learn?").fill(GOAL)
        page.get_by_role("button", name="Create roadmap").click()
        expect(page.locator("#plan li.concept")).to_have_count(6)
        expect(page.locator("#picture a:visible")).to_have_count(6)
        expect(page.locator("#doing")).to_contain_text("0 of 18 texts written")
        alone.teacher.writes.set()
        expect(page.locator("#head .status")).to_have_text("Ready")
        expect(page.locator("meta[http-equiv=refresh]")).to_have_count(0)

    def test_everything_is_learned_by_plain_forms(self, page: Page, lessons: list[str]) -> None:
        page.goto(lessons[3])
        option(page, "Gluten").check()
        option(page, "Kneading").check()
        page.get_by_role("button", name="Check my answers").click()
        expect(page.get_by_role("alert")).to_have_text("2 unanswered: check anyway?")
        expect(page.get_by_role("alert")).to_be_in_viewport()
        page.get_by_role("button", name="Check anyway").click()
        expect(page.locator("#quiz .result")).to_have_text("1 of 2 correct · 2 unanswered")
        expect(page.locator("#quiz .explanation:visible")).to_have_count(2)
        expect(option(page, "Kneading")).to_be_checked()
        page.get_by_label("Your notes").fill("By hand.")
        page.get_by_role("button", name="Save notes").click()
        expect(page.get_by_label("Your notes")).to_have_value("By hand.")
        page.locator("#progress").get_by_role("button", name="Learning").click()
        expect(page.locator("header .status")).to_have_text("learning")
        page.get_by_role("button", name="Mark as done and continue").click()
        expect(page).to_have_url(lessons[4])

    def test_a_plan_is_changed_and_approved_by_plain_forms(self, page: Page, alone: School) -> None:
        path = alone.stack.create(GOAL, review=True)
        page.goto(alone.url + path.removeprefix("/api/v1"))
        expect(page.get_by_role("button", name="Approve and write the lessons")).to_be_visible()
        expect(page.locator("meta[http-equiv=refresh]")).to_have_count(
            0
        )  # it would take away what one is typing
        page.get_by_label("Or describe what should change").fill("Fewer, please.")
        alone.teacher.concepts = 1
        page.get_by_role("button", name="Change the plan").click()
        expect(page.locator("#plan li.concept")).to_have_count(2)
        page.get_by_role("button", name="Approve and write the lessons").click()
        expect(page.locator("#head .status")).to_have_text("Ready")
