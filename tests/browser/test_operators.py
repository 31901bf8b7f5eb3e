"""What operators do in a browser: look at queues that move, pause one, retry what was put aside; with and without scripts."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from testing.operating import promote, put_aside
from testing.people import Person
from testing.waiting import wait_until
from tests.browser.checkers import barriers
from tests.browser.conftest import School, Visiting

QUEUE = "/admin/queues/content"
API = "/api/v1/admin/queues/content"


@pytest.fixture(scope="module")
def boss(town: School) -> Person:
    """An administrator, who logs in after becoming one."""
    person = Person(town.stack).register()
    promote(town.stack, person.email, "admin")
    return person


@pytest.fixture
def resumed(alone: School) -> Iterator[School]:
    """The service at home, whose queue goes on in any case."""
    yield alone
    assert alone.stack.post(f"{API}/resume", json={}).status_code == 204


def test_a_dead_letter_is_retried_and_moves_while_one_looks(
    visit: Visiting, town: School, boss: Person
) -> None:
    put_aside(town.stack, "draw_picture")
    visitor = visit()
    boss.enter(visitor.context)
    page = visitor.open(f"{town.url}{QUEUE}?state=dead&search=draw_picture")
    letter = page.locator("tbody tr").first.get_attribute("id")
    row = page.locator(f"#{letter}")
    before = row.locator("time").get_attribute("datetime")
    assert before is not None
    row.get_by_role("link", name="Retry").click()
    expect(page.locator("h1")).to_have_text("Retry this dead letter?")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("status").first).to_have_text(
        "The message is back in the queue content."
    )
    # Its task is unknown, so it becomes a dead letter again; the page updates itself.
    expect(row.locator("time")).to_have_count(1)
    expect(row.locator("time")).not_to_have_attribute("datetime", before)
    page.goto(f"{town.url}/admin/audit")
    expect(page.locator("tbody tr").first).to_contain_text("Retried a dead letter")
    expect(page.locator("tbody tr").first).to_contain_text(boss.email)


def test_a_queue_that_is_paused_stands_still_and_goes_on(visit: Visiting, resumed: School) -> None:
    watching = visit().open(f"{resumed.url}/admin")
    acting = visit().open(f"{resumed.url}/admin")
    acting.get_by_role("link", name="Pause content").click()
    expect(acting.locator("h1")).to_have_text("Pause the queue content?")
    acting.get_by_role("button", name="Pause").click()
    expect(acting.get_by_role("status").first).to_have_text("The queue content is paused.")
    expect(watching.locator(".queue", has_text="content").get_by_text("Paused")).to_be_visible()
    assert barriers(watching) == []

    roadmap = resumed.stack.create("Bake bread")
    expect(
        watching.locator(".queue", has_text="content").locator("li", has_text="ready to run")
    ).to_contain_text("1")
    assert resumed.stack.get(roadmap).json()["status"] == "queued"

    acting.get_by_role("link", name="Resume content").click()
    acting.get_by_role("button", name="Resume").click()
    expect(watching.locator(".queue", has_text="content").get_by_text("Paused")).to_have_count(0)
    assert resumed.stack.finished(roadmap)["status"] == "ready"
    expect(
        watching.locator(".queue", has_text="content").locator("li", has_text="ready to run")
    ).to_contain_text("0")


def test_what_has_the_focus_keeps_it_and_what_is_open_stays_open(
    visit: Visiting, home: School
) -> None:
    page = visit().open(f"{home.url}/admin")
    page.evaluate(
        "document.querySelector('#now').insertAdjacentHTML('beforeend', '<p id=\"stale\">stale</p>')"
    )
    link = page.get_by_role("link", name="Pause content")
    link.focus()
    expect(page.locator("#stale")).to_have_count(0)  # the part has been replaced
    expect(link).to_be_focused()


def test_the_charts_follow_the_queues(visit: Visiting, home: School) -> None:
    """Without the room that a roadmap's page keeps for its live part."""
    page = visit().open(f"{home.url}/admin")
    queues, charts = (page.locator(part).bounding_box() for part in ("#now .queues", "#measures"))
    assert queues is not None
    assert charts is not None
    assert charts["y"] - (queues["y"] + queues["height"]) < 40


def test_one_holds_it_still_and_the_address_says_so(visit: Visiting, home: School) -> None:
    page = visit().open(f"{home.url}/admin?span=day")
    expect(page.locator("#live")).to_have_count(1)
    page.get_by_role("link", name="Pause updates").click()
    expect(page).to_have_url(re.compile(r"span=day&live=off"))
    expect(page.locator("#live, #slow")).to_have_count(0)
    page.get_by_role("link", name="Follow live").click()
    expect(page.locator("#live")).to_have_count(1)


def test_a_hidden_page_sends_no_requests(visit: Visiting, home: School) -> None:
    page = visit().open(f"{home.url}/admin")
    asked: list[str] = []
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {configurable: true, get: () => window.away})"
    )
    page.evaluate("window.away = true")
    page.on("request", lambda request: asked.append(request.url.removeprefix(home.url)))
    page.evaluate("htmx.trigger('#live', 'again'); htmx.trigger('#slow', 'every')")
    page.evaluate("fetch('/health').then(answer => answer.text())")
    assert [path for path in asked if path.startswith("/admin")] == []
    with page.expect_request("**/admin"):
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")


def test_it_works_without_scripts(visit: Visiting, resumed: School) -> None:
    page = visit(java_script_enabled=False).open(f"{resumed.url}{QUEUE}?live=off")
    page.get_by_role("link", name="Pause", exact=True).click()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".done-note")).to_have_text("The queue content is paused.")
    page.get_by_role("link", name="Resume", exact=True).click()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".done-note")).to_have_text("The queue content is resumed.")


def test_on_a_phone_what_was_logged_stands_below_when_and_where(
    visit: Visiting, home: School
) -> None:
    service = home.stack
    home.teacher.as_usual()
    made = service.create()
    service.finished(made)
    wait_until(lambda: service.get(f"{made}/logs").json()["items"], reason="records of it")
    page = visit(viewport={"width": 360, "height": 800}).open(f"{home.url}/admin/logs")
    expect(page.locator(".logs .log-message").first).to_be_visible()
    for path in ("/admin/logs", made.replace("/api/v1", "/admin")):
        page.goto(f"{home.url}{path}")
        for cell in page.locator(".logs .log-message").all()[:5]:
            box = cell.bounding_box()
            assert box is not None
            assert 0 <= box["x"] < box["x"] + box["width"] <= 360
