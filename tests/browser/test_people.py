"""A login in a browser: what its end leaves on the page, and what is read offline."""

import pytest
from playwright.sync_api import Error, expect

from testing.people import Person
from testing.waiting import wait_until
from tests.browser.conftest import School, Visiting

GOAL = "Bake bread"
LESSONS_KEPT = """async () => {
  const names = await (await caches.open("lessons")).keys();
  const paths = names.map(each => new URL(each.url).pathname);
  return paths.filter(path => !path.startsWith("/static/"));
}"""
SCRIPT_IS_KEPT = "async () => !!await caches.match(document.querySelector('body script[src]').src)"


@pytest.fixture(scope="module")
def owner(town: School) -> Person:
    return Person(town.stack).register()


@pytest.fixture(scope="module")
def lesson(town: School, owner: Person) -> str:
    """The path of a concept of a finished roadmap of the owner."""
    town.teacher.as_usual()
    town.teacher.stages = town.teacher.concepts = 1
    sent = town.stack.post("/api/v1/roadmaps", json={"goal": GOAL}, headers=owner.headers)
    others, town.stack.headers = town.stack.headers, owner.headers
    tree = town.stack.finished(sent.headers["location"])
    town.stack.headers = others
    town.teacher.as_usual()
    concept = tree["stages"][0]["modules"][0]["concepts"][0]["id"]
    return f"/roadmaps/{tree['id']}/concepts/{concept}"


def test_going_back_after_the_logout_shows_nothing(
    visit: Visiting, town: School, owner: Person
) -> None:
    visitor = visit()
    owner.enter(visitor.context)
    page = visitor.open(f"{town.url}/account")
    expect(page.locator("main")).to_contain_text(owner.email)
    page.get_by_role("button", name="Log out", exact=True).first.click()
    expect(page).to_have_url(f"{town.url}/login")
    page.go_back()
    expect(page.get_by_label("Password")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text(owner.email)


def test_the_end_of_a_login_takes_no_words_with_it(
    visit: Visiting, town: School, owner: Person, lesson: str
) -> None:
    visitor = visit()
    visitor.expected += ["status of 401", "htmx"]
    owner.enter(visitor.context)
    page = visitor.open(town.url + lesson)
    chosen = page.locator("#quiz input[type=radio]").first
    chosen.check()
    visitor.context.clear_cookies()
    page.locator("#answers [name=check]").click()
    expect(page.locator("#answers .problems")).to_contain_text("Please log in")
    expect(chosen).to_be_checked()
    page.get_by_label("Your notes").fill("What I have typed stays.")
    expect(page.locator("#notes .problems")).to_contain_text("Please log in.")
    expect(page.get_by_label("Your notes")).to_have_value("What I have typed stays.")
    page.get_by_role("link", name="My roadmaps").click()
    expect(page).to_have_url(f"{town.url}/login?next=%2Froadmaps")


def test_an_opened_lesson_is_read_offline_until_its_reader_logs_out(
    visit: Visiting, town: School, owner: Person, lesson: str
) -> None:
    visitor = visit()
    visitor.expected += [r"ERR_INTERNET_DISCONNECTED", r"net::ERR_FAILED", r"Failed to fetch"]
    owner.enter(visitor.context)
    address = town.url + lesson
    page = visitor.open(f"{address}?seen=1")
    title = page.locator("h1").inner_text()
    wait_until(lambda: page.evaluate(SCRIPT_IS_KEPT))
    assert page.evaluate(LESSONS_KEPT) == [lesson]

    visitor.context.set_offline(True)
    page.goto(address)
    expect(page.locator("h1")).to_have_text(title)
    with pytest.raises(Error, match="ERR_"):
        page.goto(address.partition("/concepts/")[0])

    visitor.context.set_offline(False)
    page.goto(address)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    wait_until(lambda: page.evaluate(LESSONS_KEPT) == [])
    visitor.context.set_offline(True)
    with pytest.raises(Error, match="ERR_"):
        page.goto(address)
