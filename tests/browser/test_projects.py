"""The project of a stage: made, judged by its learner, by a person with a link, and by the model."""

import re

from playwright.sync_api import Page, expect

from testing.people import Person
from tests.browser.conftest import School, Visiting
from tests.browser.test_sharing import shared_by

WORK = "https://example.org/bread with a <b>crust</b>"


def mark_all(page: Page, name: str) -> None:
    for criterion in page.locator("fieldset.criterion").all():
        criterion.get_by_role("radio", name=name, exact=True).check()


def test_a_project_is_judged_by_its_learner_a_stranger_and_the_model(
    town: School, visit: Visiting
) -> None:
    town.teacher.as_usual()
    owner = Person(town.stack).register()
    path, tree = shared_by(owner)
    mine = visit()
    owner.enter(mine.context)
    mine.expected.append(r"status of 422")
    page = mine.open(town.url + path.removeprefix("/api/v1"))
    page.locator("#plan").get_by_role("link", name=tree["stages"][0]["project"]["title"]).click()
    expect(page.locator("#task .prose li")).to_have_count(2)
    page.get_by_text("Hint 1").click()
    expect(page.locator("#hints p").first).to_be_visible()

    # Nothing is judged without work, nor without a mark for each criterion.
    mark_all(page, "Partly")
    page.get_by_role("button", name="Save and judge it myself").click()
    expect(page.get_by_label("Your work")).to_be_focused()
    page.get_by_label("Your work").fill(WORK)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Save and judge it myself").click()
    expect(page.locator("#marks-error")).to_be_in_viewport()
    expect(page.get_by_label("Your work")).to_have_value(WORK)
    mark_all(page, "Partly")
    page.locator("fieldset.criterion").last.get_by_role("radio", name="No").check()
    page.get_by_role("button", name="Save and judge it myself").click()
    expect(page.locator("#judgements")).to_contain_text("Your own judgement")
    expect(page.locator(".status")).to_have_text("Project")

    page.get_by_role("button", name="Have the model judge it").click()
    expect(page.locator("#judgements .mark-partly")).to_have_count(4)
    page.reload()
    expect(page.locator(".status")).to_have_text("Project done")

    page.get_by_role("button", name="Create a link").click()
    field = page.get_by_label("Link for one judgement")
    expect(field).to_have_value(re.compile("/judge/"))
    link = field.input_value()
    stranger = visit(java_script_enabled=False)
    stranger.expected.append(r"status of 4(10|22)")
    read = stranger.open(link)
    expect(read.locator("#work")).to_contain_text("<b>crust</b>")
    read.get_by_role("button", name="Send the judgement").click()
    expect(read.locator("#marks-error")).to_be_visible()
    mark_all(read, "Yes")
    read.get_by_label("Comment (optional)").first.fill("A <i>fine</i> crust.")
    read.get_by_role("button", name="Send the judgement").click()
    expect(read.get_by_role("status")).to_contain_text("saved")
    read.goto(link)
    expect(read.locator("h1")).not_to_have_text("Thank you")
    page.goto(page.url.removesuffix("/link"))
    expect(page.locator("#judgements")).to_contain_text("A <i>fine</i> crust.")
    page.goto(town.url + path.removeprefix("/api/v1"))
    expect(page.locator("#plan")).to_contain_text("Project done")
