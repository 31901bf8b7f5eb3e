"""What to learn today: parts, the week and the time zone, with scripts and without."""

import re

import pytest
from playwright.sync_api import Page, expect

from testing.stack import Stack
from testing.waiting import wait_until
from tests.browser.conftest import Visiting


@pytest.fixture(scope="module")
def roadmap(service: Stack) -> str:
    """The path of a roadmap of the catalogue, of which nothing is learned yet."""
    path = service.create("Become a backend engineer in Python")
    service.finished(path)
    return path


@pytest.fixture
def lesson(service: Stack, roadmap: str) -> str:
    """The path of its first concept in the API, which is not begun."""
    concept = service.get(roadmap).json()["stages"][0]["modules"][0]["concepts"][0]["id"]
    path = f"{roadmap}/concepts/{concept}"
    service.request("PUT", f"{path}/progress", json={"progress": "todo"})
    return path


def test_a_part_is_read_and_done_at_its_end_or_on_the_card(
    visit: Visiting, service: Stack, lesson: str
) -> None:
    page = visit(timezone_id="Pacific/Kiritimati").open(service.url)
    wait_until(
        lambda: service.get("/api/v1/profile").json().get("time_zone") == "Pacific/Kiritimati"
    )
    today = page.get_by_role("region", name="Today")
    today.get_by_role("link", name=re.compile("Part 1 of")).click()
    expect(page).to_have_url(re.compile(lesson.removeprefix("/api/v1")))
    page.get_by_role("button", name="Done with this part").first.click()
    expect(page).to_have_url(re.compile("#part-2$"))
    expect(page.locator(".part .s-ready")).to_have_text("done")
    page.goto(service.url)
    link = today.get_by_role("link", name=re.compile("Part 2 of"))
    expect(link).to_have_attribute("href", re.compile("#part-2$"))
    today.get_by_role("button", name="Done with this part").click()
    expect(today.get_by_role("link", name=re.compile("Part 3 of"))).to_be_visible()
    assert service.get(f"{lesson}/progress").json()["progress"] == "learning"
    studied = service.get(f"{lesson}/progress").json()["studied"]
    expect(today).to_contain_text(f"This week: {studied} min of 8 h")


def test_the_section_of_a_part_is_where_its_link_leads(
    page: Page, service: Stack, lesson: str
) -> None:
    service.request("PUT", f"{lesson}/part", json={"part": 1})
    section = service.get("/api/v1/today").json()["next"]["section"]
    page.goto(service.url)
    page.get_by_role("link", name=re.compile("Part 2 of")).click()
    heading = page.locator("#tutorial").get_by_role("heading", name=section, exact=True)
    expect(heading).to_be_in_viewport()


def test_the_goal_and_the_zone_are_set_without_scripts(
    visit: Visiting, service: Stack, lesson: str
) -> None:
    visitor = visit(java_script_enabled=False)
    visitor.expected.append("422")
    page = visitor.open(f"{service.url}/account")
    page.get_by_label("Goal of each week").fill("8")
    page.get_by_label("Unit").select_option("days")
    page.get_by_label("Time zone").fill("Nowhere/Land")
    form = page.locator("form[action='/account/learning']")
    form.get_by_role("button", name="Save").click()
    expect(form.locator(".error")).to_have_count(2)
    page.get_by_label("Goal of each week").fill("4")
    page.get_by_label("Time zone").fill("Etc/GMT-14")  # the day of Pacific/Kiritimati, above
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    assert service.get("/api/v1/today").json()["time_zone"] == "Etc/GMT-14"
    page.goto(service.url)
    today = page.get_by_role("region", name="Today")
    expect(today).to_contain_text("of 4 days")
    today.get_by_role("button", name="Done with this part").click()
    expect(today).to_contain_text("This week: 1 of 4 days")
    page.goto(f"{service.url}/roadmaps")
    expect(page.get_by_role("progressbar").first).to_be_visible()
    expect(page.locator(".card time").first).not_to_contain_text(":")
