"""A lesson: its code, notes, quiz and solution, with a mouse and with the keyboard alone."""

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from testing.waiting import wait_until
from tests.browser.checkers import barriers
from tests.browser.conftest import School, Visiting
from tests.browser.watching import STAY, begin, stayed

GOAL = "Bake bread"
RIGHT = (("Gluten",), ("Kneading", "Time"), ("Salt",), ("The gas",))  # answers of each quiz


@pytest.fixture(scope="module")
def lessons(home: School) -> list[str]:
    """The addresses of the concepts of a finished roadmap, in order."""
    home.teacher.as_usual()
    path = home.stack.create(GOAL)
    tree = home.stack.finished(path)
    address = home.url + path.removeprefix("/api/v1")
    return [
        f"{address}/concepts/{concept['id']}"
        for stage in tree["stages"]
        for module in stage["modules"]
        for concept in module["concepts"]
    ]


def press(page: Page, key: str, until: Locator, *, most: int = 60) -> None:
    """Press a key again and again, until what it moves to has the focus."""
    for _ in range(most):
        page.keyboard.press(key)
        if until.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{key} does not get to {until}")


def option(page: Page, text: str) -> Locator:
    return page.locator("#quiz fieldset:visible").get_by_label(text)


def test_code_is_coloured_and_copied(visit: Visiting, lessons: list[str]) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"]).open(lessons[0])
    code = page.locator(".prose pre.code").first
    colours = code.locator("span[class]").evaluate_all(
        "spans => [...new Set(spans.map(s => getComputedStyle(s).color))]"
    )
    assert len(colours) > 2
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == code.inner_text().strip()


def test_notes_are_saved_by_themselves(page: Page, lessons: list[str]) -> None:
    page.goto(lessons[0])
    page.evaluate(STAY)
    notes = page.get_by_label("Your notes")
    notes.press_sequentially("Wait for the dough.\n面团 <b>& patience</b>")
    expect(page.locator("#saved")).to_have_text("Saved")
    assert stayed(page)
    page.reload()
    expect(notes).to_have_value("Wait for the dough.\n面团 <b>& patience</b>")


def test_notes_of_who_leaves_are_kept(page: Page, lessons: list[str]) -> None:
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


def test_a_wrong_answer_is_shown_at_once(visit: Visiting, lessons: list[str]) -> None:
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
    offered = page.locator("#quiz .onward a").all_inner_texts()
    assert offered == ["Read again", "Try again", "Continue"]
    page.get_by_role("link", name="Try again").click()
    expect(page.locator("#quiz .result")).to_have_count(0)
    expect(page.locator("#quiz")).to_contain_text("Last time: 2 of 4 correct")
    expect(page.locator("#quiz")).to_contain_text("Read the lesson again before you retry its quiz")
    assert stayed(page)
    assert barriers(page) == []
    page.get_by_role("link", name="Read again").click()
    expect(page.locator("#tutorial h2").first).to_be_in_viewport()
    expect(page.locator("#quiz")).to_contain_text("Only what you missed is asked.")
    for number, texts in enumerate(RIGHT[:2]):
        expect(page.locator("#quiz fieldset:visible legend")).to_contain_text(f"{number + 1}/2")
        for text in texts:
            option(page, text).check()
        check.click()
        page.get_by_role("button", name=re.compile("Next question|Show the result")).click()
    expect(page.locator("#quiz .result")).to_have_text("4 of 4 correct")
    expect(page.locator("#quiz")).to_contain_text("write the exercise, or pass the quiz again on")
    expect(page.locator("#progress")).to_contain_text("You passed the quiz.")
    expect(page.locator("header .status")).to_have_text("done")
    page.get_by_label("Your attempt").fill("It rose.")
    page.get_by_role("button", name="Save and show the solution").click()
    expect(page.locator("header .status")).to_have_text("learned")


def test_answers_stay_and_blanks_are_asked_for(visit: Visiting, lessons: list[str]) -> None:
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
    expect(page.locator("#quiz")).not_to_contain_text("Nothing to revisit")
    page.get_by_role("link", name="Read again").click()
    expect(page.locator("#quiz fieldset:visible legend")).to_contain_text("1/3")  # what was missed
    expect(page.locator("#quiz input:checked")).to_have_count(0)


def test_a_failure_shows_where_one_clicked(visit: Visiting, lessons: list[str]) -> None:
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


def test_a_solution_opens_after_an_attempt(page: Page, lessons: list[str]) -> None:
    page.goto(lessons[5])
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
    expect(page.locator("#checked")).to_contain_text("Pass the quiz as well")
    expect(page.locator("header .status")).to_have_text("done")
    expect(page.get_by_label("Your attempt")).to_have_value("It held its shape.")


def test_time_is_that_of_the_clock_and_can_be_corrected(page: Page, lessons: list[str]) -> None:
    roadmap = lessons[0].partition("/concepts/")[0]
    page.goto(lessons[0])
    expect(page.locator("header .facts")).to_contain_text(
        re.compile(r"\d min to read, about \d+ (h|min) to practise")
    )
    for lesson in lessons[:2]:
        page.goto(lesson)
        page.locator("#progress").get_by_role("button", name="Done", exact=True).click()
    page.goto(lessons[0])
    time = page.locator("#progress")
    expect(time).to_contain_text(re.compile(r"You have spent [0-2] min on this concept"))
    time.get_by_text("Correct the time").click()
    time.get_by_label("I spent (minutes").fill("90")
    assert barriers(page) == []
    time.get_by_role("button", name="Save the time").click()
    expect(page.locator("#progress")).to_contain_text("You have spent 1 h 30 min")
    page.goto(roadmap)
    expect(page.locator("#now")).to_contain_text(re.compile(r"1 h 3\d min spent; \d+ of \d+ hours"))
    page.goto(f"{roadmap}/completion")
    expect(page.locator("main")).to_contain_text("Only marked as done")


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
    link = page.locator(".reread li a").first
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


def test_a_part_appears_while_one_reads(page: Page, alone: School) -> None:
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


def test_without_scripts_the_page_reloads_itself(visit: Visiting, alone: School) -> None:
    page = visit(java_script_enabled=False).open(alone.url)
    alone.teacher.writes.clear()
    page.get_by_label("What do you want to learn?").fill(GOAL)
    page.get_by_role("button", name="Create roadmap").click()
    expect(page.locator("#plan li.concept")).to_have_count(6)
    expect(page.locator("#picture a:visible")).to_have_count(6)
    expect(page.locator("#doing")).to_contain_text("0 of 18 texts written")
    alone.teacher.writes.set()
    expect(page.locator("#head .status")).to_have_text("Ready")
    expect(page.locator("meta[http-equiv=refresh]")).to_have_count(0)
