"""Pages of operators, which follow the queues by themselves."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from testing.operating import make_dead_letters
from testing.waiting import wait_until
from tests.browser.checkers import barriers
from tests.browser.conftest import School, Visiting

QUEUE = "/admin/queues/content"
API = "/api/v1/admin/queues/content"
ADD_STALE = """document.querySelector('#now')
  .insertAdjacentHTML('beforeend', '<p id="stale">stale</p>')"""
MAY_HIDE = """Object.defineProperty(document, 'hidden', {
  configurable: true, get: () => window.away,
})"""
COME_BACK = "window.away = false; document.dispatchEvent(new Event('visibilitychange'))"


@pytest.fixture
def resumed(alone: School) -> Iterator[School]:
    """The service at home, whose queue goes on in any case."""
    yield alone
    assert alone.stack.post(f"{API}/resume", json={}).status_code == 204


def test_a_retried_dead_letter_moves_on_the_page(page: Page, alone: School) -> None:
    make_dead_letters(alone.stack, "draw_picture")
    page.goto(f"{alone.url}{QUEUE}?state=dead&search=draw_picture")
    row = page.locator("tbody tr", has_text="draw_picture")
    before = row.locator("time").get_attribute("datetime")
    assert before is not None
    row.get_by_role("link", name="Retry").click()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("status").first).to_contain_text("The message is back in the queue")
    # Its task is unknown, so it becomes a dead letter again; the page updates itself.
    expect(row.locator("time")).to_have_count(1)
    expect(row.locator("time")).not_to_have_attribute("datetime", before)


def test_a_paused_queue_stands_still(visit: Visiting, resumed: School) -> None:
    page = visit().open(f"{resumed.url}/admin")
    queue = page.locator(".queue", has_text="content")
    assert resumed.stack.post(f"{API}/pause", json={}).status_code == 204
    expect(queue.get_by_text("Paused")).to_be_visible()
    assert barriers(page) == []

    roadmap = resumed.stack.create("Bake bread")
    expect(queue.locator("li", has_text="ready to run")).to_contain_text("1")
    assert resumed.stack.get(roadmap).json()["status"] == "queued"

    assert resumed.stack.post(f"{API}/resume", json={}).status_code == 204
    expect(queue.get_by_text("Paused")).to_have_count(0)
    assert resumed.stack.finished(roadmap)["status"] == "ready"
    expect(queue.locator("li", has_text="ready to run")).to_contain_text("0")


def test_an_update_keeps_the_focus_and_the_tables_follow(visit: Visiting, home: School) -> None:
    page = visit().open(f"{home.url}/admin")
    page.evaluate(ADD_STALE)
    link = page.get_by_role("link", name="Pause content")
    link.focus()
    expect(page.locator("#stale")).to_have_count(0)  # the part has been replaced
    expect(link).to_be_focused()
    # Without the room that a roadmap's page keeps for its live part.
    queues, tables = (page.locator(part).bounding_box() for part in ("#now .queues", "#measures"))
    assert queues is not None
    assert tables is not None
    assert tables["y"] - (queues["y"] + queues["height"]) < 40


def test_a_hidden_page_sends_no_requests(visit: Visiting, home: School) -> None:
    page = visit().open(f"{home.url}/admin")
    asked: list[str] = []
    page.evaluate(MAY_HIDE)
    page.evaluate("window.away = true")
    page.on("request", lambda request: asked.append(request.url.removeprefix(home.url)))
    page.evaluate("htmx.trigger('#live', 'again'); htmx.trigger('#slow', 'every')")
    page.evaluate("fetch('/health').then(answer => answer.text())")
    assert [path for path in asked if path.startswith("/admin")] == []
    with page.expect_request("**/admin"):
        page.evaluate(COME_BACK)


def test_on_a_phone_log_messages_fit(visit: Visiting, alone: School) -> None:
    made = alone.stack.create()
    alone.stack.finished(made)
    wait_until(lambda: alone.stack.get(f"{made}/logs").json()["items"], reason="records of it")
    page = visit(viewport={"width": 360, "height": 800}).open()
    for path in ("/admin/logs", made.replace("/api/v1", "/admin")):
        page.goto(f"{alone.url}{path}")
        expect(page.locator(".logs .log-message").first).to_be_visible()
        for cell in page.locator(".logs .log-message").all()[:5]:
            box = cell.bounding_box()
            assert box is not None
            assert 0 <= box["x"] < box["x"] + box["width"] <= 360
