"""Interruptions: the page goes on by itself, with every event once."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from testing.people import Person
from tests.browser.conftest import School, Visiting
from tests.browser.watching import (
    STAY,
    begin,
    expect_as_reloaded,
    expect_everything,
    listed_events,
    stayed,
)
from tests.browser.wire import wire_to

GOAL = "Bake bread"
# Complaints of a browser meanwhile.
AWAY = ["net::ERR_", "status of 503", "htmx:sse:error: ", "htmx:error: Failed to fetch"]
EVENTS = 18  # of a plan of four concepts, and of what comes before and after it


@pytest.fixture
def small(alone: School) -> School:
    alone.teacher.concepts = 2
    return alone


def in_the_middle(page: Page, school: School, url: str = "") -> str:
    """Begin a roadmap of which four parts of twelve are written; return the path of its page."""
    school.teacher.writes.clear()
    path = begin(page, url or school.url, GOAL)
    school.teacher.writes.let(4)
    expect(page.locator("#progress-bar")).to_have_attribute("value", "4")
    return path


def expect_the_rest(
    page: Page, school: School, path: str, headers: dict[str, str] | None = None
) -> None:
    school.teacher.writes.set()
    expect_everything(page, school.stack, path, headers)
    expect(page.locator("#plan li.m-ready")).to_have_count(4)
    expect(page.locator("#offline")).to_be_hidden()
    assert len(listed_events(page)) == EVENTS


def test_a_lost_connection_is_caught_up_with(visit: Visiting, small: School) -> None:
    """Going offline leaves open what is open: the wire ends that."""
    visitor = visit()
    visitor.expected += AWAY
    page = visitor.open()
    with wire_to(small.stack.port) as wire:
        path = in_the_middle(page, small, wire.url)
        visitor.context.set_offline(True)
        wire.pull()
        expect(page.locator("#offline")).to_be_visible()
        small.teacher.writes.let(4)
        visitor.context.set_offline(False)
        expect(page.locator("#offline")).to_be_hidden()
        expect(page.locator("#progress-bar")).to_have_attribute("value", "8")
        wire.cut()  # now it is the server that cannot be reached
        expect(page.locator("#offline")).to_be_visible()
        small.teacher.writes.let(2)
        wire.mend()
        expect(page.locator("#offline")).to_be_hidden()
        expect_the_rest(page, small, path)
        assert stayed(page)
        expect_as_reloaded(page)


def test_a_page_that_cannot_connect_at_first_connects_later(visit: Visiting, small: School) -> None:
    visitor = visit()
    visitor.expected += AWAY
    page = visitor.open()
    refused: list[str] = []

    def refuse(route: Route) -> None:
        """First as without a server, then as a proxy does."""
        refused.append(route.request.url)
        if len(refused) % 2:
            route.abort()
        else:
            route.fulfill(status=503, content_type="text/html")

    page.route("**/live?*", refuse)
    small.teacher.designs.clear()
    path = begin(page, small.url, GOAL)
    expect(page.locator("#offline")).to_be_visible()
    while len(refused) < 3:  # it tries again after either
        page.wait_for_event("request", lambda request: "/live?" in request.url)
    expect(page.locator("#offline")).to_be_visible()
    page.unroute("**/live?*")
    small.teacher.designs.set()
    expect_the_rest(page, small, path)
    assert stayed(page)


def test_a_page_reloaded_in_the_middle_has_everything_once(page: Page, small: School) -> None:
    path = in_the_middle(page, small)
    page.reload()
    expect(page.locator("#progress-bar")).to_have_attribute("value", "4")
    page.evaluate(STAY)
    small.teacher.writes.let(4)
    expect(page.locator("#progress-bar")).to_have_attribute("value", "8")
    page.go_back()
    page.go_forward()
    expect_the_rest(page, small, path)


def test_a_page_goes_on_when_the_api_starts_again(visit: Visiting, among_others: School) -> None:
    """After its orderly end, and after a crash."""
    among_others.teacher.concepts = 2
    stack, visitor = among_others.stack, visit()
    visitor.expected += AWAY
    person = Person(stack).register()
    person.enter(visitor.context)
    page = visitor.open()
    path = in_the_middle(page, among_others)
    for end in (stack.api.stop, stack.api.kill):
        end()
        expect(page.locator("#offline")).to_be_visible()
        among_others.teacher.writes.let(2)
        stack.start("api")
        expect(page.locator("#offline")).to_be_hidden()
    expect_the_rest(page, among_others, path, person.headers)
    assert stayed(page)


def test_the_page_becomes_ready_after_its_writer_was_killed(
    visit: Visiting, among_others: School
) -> None:
    among_others.teacher.concepts = 2
    stack, visitor = among_others.stack, visit()
    person = Person(stack).register()
    person.enter(visitor.context)
    page = visitor.open()
    path = in_the_middle(page, among_others)
    stack.content.kill()
    stack.start("huey_content")
    expect_the_rest(page, among_others, path, person.headers)
    assert stayed(page)
    expect_as_reloaded(page)


def test_the_end_of_the_login_leads_to_the_login(visit: Visiting, town: School) -> None:
    town.teacher.as_usual()
    visitor = visit()
    visitor.expected += [*AWAY, "status of 401"]
    person = Person(town.stack).register()
    person.enter(visitor.context)
    page = visitor.open()
    town.teacher.writes.clear()
    path = begin(page, town.url, GOAL)
    logins = town.stack.get("/api/v1/auth/sessions", headers=person.headers).json()["items"]
    for login in logins:
        if not login["current"]:
            town.stack.request(
                "DELETE", f"/api/v1/auth/sessions/{login['id']}", headers=person.headers
            )
    page.wait_for_url(re.compile(rf"/login\?next={re.escape(path.replace('/', '%2F'))}$"))
    town.teacher.writes.set()
