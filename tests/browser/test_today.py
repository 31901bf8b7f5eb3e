"""The day's parts of lessons, one by one, in the time zone of the browser."""

import re

from playwright.sync_api import expect

from testing.stack import Stack
from testing.waiting import wait_until
from tests.browser.conftest import Visiting


def test_a_part_is_read_and_done(visit: Visiting, service: Stack) -> None:
    """At its end or on the card; the link to the next one leads to its section."""
    roadmap = service.create("Become a backend engineer in Python")
    module = service.finished(roadmap)["stages"][0]["modules"][0]
    first, second = (f"{roadmap}/concepts/{each['id']}" for each in module["concepts"][:2])
    page = visit(timezone_id="Pacific/Kiritimati").open(service.url)
    wait_until(
        lambda: service.get("/api/v1/profile").json().get("time_zone") == "Pacific/Kiritimati"
    )
    today = page.get_by_role("region", name="Today")
    today.get_by_role("link", name=re.compile("Part 1 of")).click()
    expect(page).to_have_url(re.compile(first.removeprefix("/api/v1")))
    page.goto(service.url)
    today.get_by_role("button", name="Done with this part").click()
    section = service.get("/api/v1/today").json()["next"]["section"]
    today.get_by_role("link", name=re.compile("Part 2 of")).click()
    expect(page).to_have_url(re.compile("#part-2$"))
    heading = page.locator("#tutorial").get_by_role("heading", name=section, exact=True)
    expect(heading).to_be_in_viewport()
    page.goto(service.url + second.removeprefix("/api/v1"))
    page.get_by_role("button", name="Done with this part").first.click()
    expect(page).to_have_url(re.compile("#part-2$"))
    expect(page.locator(".part .s-ready")).to_have_text("done")
    progress = [service.get(f"{each}/progress").json() for each in (first, second)]
    assert [each["progress"] for each in progress] == ["learning"] * 2
    page.goto(service.url)
    minutes = service.get("/api/v1/today").json()["minutes"]
    expect(today).to_contain_text(f"This week: {minutes} min of 8 h")
