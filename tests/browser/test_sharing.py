"""Sharing, with two people and a stranger: a link is made and opened, what is private is not there, and it ends."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import School, Visiting
from tests.browser.people import Person
from tests.waiting import wait_until

GOAL = "Bake bread for the birthday of a secret friend"
NOTE = "for nobody else"


def test_a_link_is_made_opened_by_a_stranger_and_revoked(town: School, visit: Visiting) -> None:
    town.teacher.as_usual()
    owner = Person(town.stack).register()
    made = town.stack.request("POST", "/api/v1/roadmaps", headers=owner.headers, json={"goal": GOAL}).json()["links"]
    path = made["self"]

    def ready() -> bool:
        return bool(town.stack.request("GET", path, headers=owner.headers).json()["status"] == "ready")

    wait_until(ready, timeout=60, reason="the roadmap is ready")
    tree = town.stack.request("GET", path, headers=owner.headers).json()
    concept = tree["stages"][0]["modules"][0]["concepts"][0]
    town.stack.request("PUT", f"{path}/concepts/{concept['id']}/notes", headers=owner.headers, json={"notes": NOTE})
    town.stack.request("PUT", f"{path}/concepts/{concept['id']}/progress", headers=owner.headers, json={"status": "done"})

    mine = visit()
    owner.enter(mine.context)
    page = mine.open(town.url + made["page"])
    page.get_by_role("link", name="Share it").click()
    page.get_by_label("For how long?").select_option("30")
    page.get_by_role("button", name="Make a link").click()
    field = page.locator("#reading input[readonly]")
    expect(field).to_have_value(re.compile("/shared/"))
    link = field.input_value()

    stranger = visit()
    stranger.expected.append(r"status of 410")
    read = stranger.open(link)
    expect(read.get_by_role("heading", level=1)).to_have_text(tree["title"])
    expect(read.locator(".p-done, .p-done-part")).to_have_count(0)  # nothing is done for whoever begins
    assert GOAL not in read.content()
    read.locator("#plan").get_by_role("link", name=concept["title"], exact=True).click()
    expect(read.locator("#tutorial .prose")).to_be_visible()
    assert NOTE not in read.content()
    read.get_by_role("navigation", name="Previous and next").get_by_role("link").last.click()
    expect(read.get_by_role("heading", level=1)).not_to_have_text(concept["title"])

    page.get_by_role("button", name="Revoke the link").first.click()
    expect(page.locator("#reading input[readonly]")).to_have_count(0)
    read.goto(link)
    expect(read.get_by_text("of no use any more", exact=False)).to_be_visible()
