"""Sharing, with two people and a stranger: a link is made and opened, what is private is not there, and it ends."""

import re
from typing import Any

import httpx2
from icalendar import Calendar
from playwright.sync_api import Page, expect

from testing.people import Person
from testing.waiting import wait_until
from tests.browser.conftest import School, Visiting

GOAL = "Bake bread for the birthday of a secret friend"
NOTE = "for my eyes only"


def shared_by(owner: Person) -> tuple[str, dict[str, Any]]:
    """The API path of a finished roadmap of theirs, of which something is learned, and its tree."""
    stack = owner.stack
    path = str(
        stack.request(
            "POST", "/api/v1/roadmaps", headers=owner.headers, json={"goal": GOAL}
        ).json()["links"]["self"]
    )

    def ready() -> bool:
        return bool(stack.request("GET", path, headers=owner.headers).json()["status"] == "ready")

    wait_until(ready, reason="the roadmap is ready")
    tree: dict[str, Any] = stack.request("GET", path, headers=owner.headers).json()
    concept = first_of(tree)
    stack.request(
        "PUT", f"{path}/concepts/{concept['id']}/notes", headers=owner.headers, json={"notes": NOTE}
    )
    stack.request(
        "PUT",
        f"{path}/concepts/{concept['id']}/progress",
        headers=owner.headers,
        json={"progress": "done"},
    )
    return path, tree


def first_of(tree: dict[str, Any]) -> dict[str, Any]:
    concept: dict[str, Any] = tree["stages"][0]["modules"][0]["concepts"][0]
    return concept


def link_of(page: Page, purpose: str) -> str:
    """Made on the page of links."""
    page.locator(f"#{purpose}").get_by_role("button", name="Create a").click()
    field = page.locator(f"#{purpose} input[readonly]").first
    expect(field).to_have_value(re.compile("^http"))
    return field.input_value()


def test_a_link_is_made_opened_by_a_stranger_and_revoked(town: School, visit: Visiting) -> None:
    town.teacher.as_usual()
    owner = Person(town.stack).register()
    path, tree = shared_by(owner)
    concept = first_of(tree)

    mine = visit()
    owner.enter(mine.context)
    page = mine.open(town.url + path.removeprefix("/api/v1"))
    page.get_by_role("link", name="Share").click()
    page.get_by_label("Expiry").select_option("30")
    link = link_of(page, "reading")
    mine.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#reading").get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#reading").get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link

    stranger = visit()
    stranger.expected.append(r"status of 410")
    read = stranger.open(link)
    expect(read.get_by_role("heading", level=1)).to_have_text(tree["title"])
    expect(read.locator(".p-done, .p-done-part")).to_have_count(
        0
    )  # a new reader has finished nothing
    assert GOAL not in read.content()
    read.locator("#plan").get_by_role("link", name=concept["title"], exact=True).click()
    expect(read.locator("#tutorial .prose").first).to_be_visible()
    assert NOTE not in read.content()
    read.get_by_role("navigation", name="Previous and next").get_by_role("link").last.click()
    expect(read.get_by_role("heading", level=1)).not_to_have_text(concept["title"])

    page.get_by_role("button", name="Revoke the link").first.click()
    expect(page.locator("#reading input[readonly]")).to_have_count(0)
    read.goto(link)
    expect(read.get_by_text("no longer works", exact=False)).to_be_visible()


def test_somebody_else_logs_in_makes_it_theirs_and_learns_from_it(
    town: School, visit: Visiting
) -> None:
    town.teacher.as_usual()
    owner, other = Person(town.stack).register(), Person(town.stack).register()
    path, tree = shared_by(owner)
    made = town.stack.request(
        "POST", f"{path}/links", headers=owner.headers, json={"purpose": "reading"}
    ).json()

    page = visit().open(made["url"])
    page.get_by_role("link", name="Log in to copy it").click()
    page.get_by_label("Email address").fill(other.email)
    page.get_by_label("Password").fill(other.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(made["url"])
    page.get_by_role("button", name="Copy to my roadmaps").click()
    page.wait_for_url(re.compile("/roadmaps/"))
    expect(page.locator("#head .s-ready")).to_be_visible()
    expect(page.locator("#now")).to_contain_text("0 of 6 done")
    page.get_by_role("link", name="Continue", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(first_of(tree)["title"])
    expect(page.locator("#own-notes")).to_have_value("")
    page.get_by_role("button", name="Mark as done and continue").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text(first_of(tree)["title"])
    theirs = town.stack.request("GET", path, headers=owner.headers).json()
    assert theirs["learned"]["done"] == 1


def test_a_calendar_follows_the_plan(town: School, visit: Visiting) -> None:
    town.teacher.as_usual()
    owner = Person(town.stack).register()
    path, tree = shared_by(owner)
    mine = visit()
    owner.enter(mine.context)
    page = mine.open(f"{town.url}{path.removeprefix('/api/v1')}/sharing")
    link = link_of(page, "calendar")
    before = Calendar.from_ical(httpx2.get(link).content).walk("VEVENT")
    assert len(before) == 5  # of six, one is done
    second = tree["stages"][0]["modules"][0]["concepts"][1]
    page.goto(f"{town.url}{path.removeprefix('/api/v1')}/concepts/{second['id']}")
    page.get_by_role("button", name="Mark as done and continue").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text(second["title"])
    after = Calendar.from_ical(httpx2.get(link).content).walk("VEVENT")
    assert {str(event["UID"]) for event in before} - {str(event["UID"]) for event in after} == {
        f"concept-{second['id']}@roadmap.invalid"
    }
    page.goto(f"{town.url}{path.removeprefix('/api/v1')}/sharing")
    page.locator("#calendar").get_by_role("button", name="Revoke the link").click()
    expect(page.locator("#calendar input[readonly]")).to_have_count(0)
    assert httpx2.get(link).status_code == 410
