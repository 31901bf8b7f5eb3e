"""Two people in server mode: coming in, going out, and seeing nothing of each other."""

import re
import uuid

import pytest
from playwright.sync_api import Error, Page, expect

from testing.people import Person
from testing.stack import PASSWORD
from testing.waiting import wait_until
from tests.browser.conftest import School, Visiting
from web.routes import PAGES

GOAL = "Bake bread"
FORM = {"progress": "done", "notes": "mine", "feedback": "Something else."}
REFUSED = [
    r"status of (401|403|404|409|422)"
]  # Chromium notes it of every page that is answered so

LESSONS_KEPT = """async () => {
    const names = await (await caches.open("lessons")).keys();
    return names.map(each => new URL(each.url).pathname).filter(path => !path.startsWith("/static/"));
}"""


@pytest.fixture(scope="module")
def owner(town: School) -> Person:
    return Person(town.stack).register()


@pytest.fixture(scope="module")
def written(town: School, owner: Person) -> dict[str, str]:
    """The places of a finished roadmap of the owner, by their names in routes."""
    town.teacher.as_usual()
    town.teacher.concepts = 1
    made = town.stack.post("/api/v1/roadmaps", json={"goal": GOAL}, headers=owner.headers)
    path = made.headers["location"]
    person_of = {**town.stack.headers}
    town.stack.headers = owner.headers
    tree = town.stack.finished(path)
    town.stack.headers = person_of
    town.teacher.as_usual()
    links = town.stack.request(
        "POST", f"{path}/links", json={"purpose": "reading"}, headers=owner.headers
    ).json()
    concept = tree["stages"][0]["modules"][0]["concepts"][0]["id"]
    return {
        "roadmap_id": tree["id"],
        "stage_id": tree["stages"][0]["id"],
        "concept_id": concept,
        "kind": "quiz",
        "number": "1",
        "link_id": links["id"],
    }


def sign_in(page: Page, person: Person, password: str = "") -> None:
    page.get_by_label("Email address").fill(person.email)
    page.get_by_label("Password").fill(password or person.password)
    page.get_by_role("button", name="Log in").click()


def test_one_registers_and_comes_back_to_the_page_that_was_asked_for(
    page: Page, town: School
) -> None:
    page.goto(f"{town.url}/account?saved=nothing")
    expect(page).to_have_url(re.compile(r"/login\?next="))
    page.get_by_role("link", name="Register").click()
    email = f"{uuid.uuid4().hex}@example.org"
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    expect(page).to_have_url(f"{town.url}/account?saved=nothing")
    expect(page.locator("main")).to_contain_text(email)
    page.get_by_role("link", name="My roadmaps").click()
    expect(page.locator("main")).to_contain_text("No roadmaps here.")


def test_an_error_of_an_account_is_shown_beside_its_field(
    visit: Visiting, town: School, owner: Person
) -> None:
    visitor = visit()
    visitor.expected += REFUSED
    page = visitor.open(f"{town.url}/register")
    page.get_by_label("Email address").fill(owner.email)
    page.get_by_label("Password").fill("password1234")
    page.get_by_role("button", name="Register").click()
    expect(page.locator("#password-error")).to_contain_text("not a common password")
    expect(page.get_by_label("Email address")).to_have_value(owner.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("alert")).to_have_text(
        "An account with this address exists. Log in instead."
    )
    expect(page.locator("#email-error")).to_have_text("This email address is already registered.")


def test_a_wrong_password_shows_an_error_and_the_right_one_leads_on(
    visit: Visiting, town: School, owner: Person
) -> None:
    visitor = visit()
    visitor.expected += REFUSED
    page = visitor.open(f"{town.url}/roadmaps?cursor=")
    expect(page).to_have_url(re.compile(r"/login\?next="))
    sign_in(page, owner, "not the right passphrase")
    expect(page.get_by_role("alert")).to_have_text("The email address or the password is wrong.")
    expect(page.get_by_label("Email address")).to_have_value(owner.email)
    expect(page.get_by_label("Password")).to_have_value("")
    sign_in(page, owner)
    expect(page).to_have_url(re.compile(r"/roadmaps"))
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{town.url}/login")
    page.goto(f"{town.url}/roadmaps")
    expect(page).to_have_url(f"{town.url}/login?next=%2Froadmaps")
    page.go_back()
    expect(page.locator("main")).not_to_contain_text(owner.email)


def test_a_new_password_ends_all_other_logins(visit: Visiting, town: School) -> None:
    person = Person(town.stack).register()
    here, there = visit(), visit()
    for visitor in (here, there):
        visitor.expected += REFUSED
        person.enter(visitor.context)
    elsewhere = there.open(f"{town.url}/account")
    page = here.open(f"{town.url}/account")
    page.get_by_label("Current password").fill("not the right passphrase")
    page.get_by_label("New password").fill("another long passphrase")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("alert")).to_have_text("The current password is wrong.")
    page.get_by_label("Current password").fill(person.password)
    page.get_by_label("New password").fill("another long passphrase")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    page.get_by_role("link", name="My roadmaps").click()
    expect(page.get_by_role("heading", name="My roadmaps")).to_be_visible()

    elsewhere.get_by_role("link", name="My roadmaps").click()
    expect(elsewhere).to_have_url(f"{town.url}/login?next=%2Froadmaps")
    sign_in(elsewhere, person)
    expect(elsewhere.get_by_role("alert")).to_be_visible()
    sign_in(elsewhere, person, "another long passphrase")
    expect(elsewhere).to_have_url(f"{town.url}/roadmaps")


def test_a_login_that_was_ended_elsewhere_leads_to_the_login_page(
    visit: Visiting, town: School, owner: Person, written: dict[str, str]
) -> None:
    here, there = visit(), visit()
    here.expected += REFUSED
    for visitor in (here, there):
        owner.enter(visitor.context)
    lesson = f"{town.url}/roadmaps/{written['roadmap_id']}/concepts/{written['concept_id']}"
    page = here.open(lesson)
    elsewhere = there.open(f"{town.url}/account")
    for _ in range(elsewhere.get_by_role("button", name="Log out the device").count()):
        elsewhere.get_by_role("button", name="Log out the device").first.click()
        elsewhere.wait_for_load_state()
    expect(elsewhere.get_by_text("this device")).to_be_visible()

    page.get_by_label("Your notes").fill("What I have typed stays.")
    expect(page.locator("#notes .problems")).to_contain_text("Please log in.")
    expect(page.get_by_label("Your notes")).to_have_value("What I have typed stays.")
    page.get_by_role("link", name="My roadmaps").click()
    expect(page).to_have_url(f"{town.url}/login?next=%2Froadmaps")


def test_no_account_sees_anything_of_another(
    visit: Visiting, town: School, owner: Person, written: dict[str, str]
) -> None:
    """Every page of the table of routes: to a stranger it is not there."""
    other = visit()
    other.expected += REFUSED
    Person(town.stack).register().enter(other.context)
    page = other.open(f"{town.url}/roadmaps")
    expect(page.locator("main")).to_contain_text("No roadmaps here.")
    page.goto(town.url)
    expect(page.locator("main")).not_to_contain_text(GOAL)
    seen = 0
    for each in PAGES:
        if "{roadmap_id}" not in each.path:
            continue
        address, for_operators = (
            town.url + each.path.format(**written),
            each.path.startswith("/admin/"),
        )
        if each.method == "GET":
            answer = page.goto(address)
            assert answer is not None
            assert answer.status == (403 if for_operators else 404), address
            not_there = "This page does not exist, or it belongs to another account."
            expect(page.locator("h1")).to_have_text(
                "You do not have permission to do this." if for_operators else not_there
            )
        else:
            sent = other.context.request.post(
                address, form=FORM, headers={"Accept": "text/html", "Origin": town.url}
            )
            assert sent.status in ((403,) if for_operators else (404, 422)), address
            assert GOAL not in sent.text()
        seen += 1
    assert seen >= 11


def test_a_login_that_ends_takes_no_answers_with_it(visit: Visiting, town: School) -> None:
    town.teacher.as_usual()
    visitor = visit()
    visitor.expected += ["status of 401", "htmx"]
    person = Person(town.stack).register()
    person.enter(visitor.context)
    answer = town.stack.request(
        "POST", "/api/v1/roadmaps", json={"goal": "Bake bread"}, headers=person.headers
    )
    path = answer.headers["location"]
    wait_until(lambda: town.stack.get(path, headers=person.headers).json()["status"] == "ready")
    tree = town.stack.get(path, headers=person.headers).json()
    concept = tree["stages"][0]["modules"][0]["concepts"][0]["id"]
    page = visitor.open(f"{town.url}{path.removeprefix('/api/v1')}/concepts/{concept}")
    chosen = page.locator("#quiz input[type=radio]").first
    chosen.check()
    visitor.context.clear_cookies()
    page.locator("#answers [name=check]").click()
    expect(page.locator("#answers .problems")).to_contain_text("Please log in")
    expect(chosen).to_be_checked()


def test_an_opened_lesson_is_read_offline_until_its_reader_logs_out(
    visit: Visiting, among_others: School, owner: Person, written: dict[str, str]
) -> None:
    visitor = visit()
    visitor.expected += [r"ERR_INTERNET_DISCONNECTED", r"net::ERR_FAILED", r"Failed to fetch"]
    owner.enter(visitor.context)
    roadmap = f"{among_others.url}/roadmaps/{written['roadmap_id']}"
    path = f"/roadmaps/{written['roadmap_id']}/concepts/{written['concept_id']}"
    lesson = among_others.url + path
    page = visitor.open(f"{lesson}?seen=1")
    title = page.locator("h1").inner_text()
    page.wait_for_function(
        "async () => !!await caches.match(document.querySelector('body script[src]').src)"
    )
    assert page.evaluate(LESSONS_KEPT) == [path]

    visitor.context.set_offline(True)
    page.goto(lesson)
    expect(page.locator("h1")).to_have_text(title)
    with pytest.raises(Error, match="ERR_"):
        page.goto(roadmap)

    visitor.context.set_offline(False)
    page.goto(lesson)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.wait_for_function(f"async () => (await ({LESSONS_KEPT})()).length === 0")
    visitor.context.set_offline(True)
    with pytest.raises(Error, match="ERR_"):
        page.goto(lesson)
