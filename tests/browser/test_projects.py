"""The project of a stage, judged by its learner and by the model."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import School, Visiting

WORK = "https://example.org/bread with a <b>crust</b>"


def mark_all(page: Page, name: str) -> None:
    for criterion in page.locator("fieldset.criterion").all():
        criterion.get_by_role("radio", name=name, exact=True).check()


def test_a_project_is_judged_by_its_learner_and_the_model(alone: School, visit: Visiting) -> None:
    path = alone.stack.create("Bake bread for a friend")
    project = alone.stack.finished(path)["stages"][0]["project"]["title"]
    visitor = visit()
    visitor.expected.append(r"status of 422")
    page = visitor.open(alone.url + path.removeprefix("/api/v1"))
    page.locator("#plan").get_by_role("link", name=project).click()
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
    expect(page.locator("#judgements .mark-partly")).to_have_count(4)  # by itself
    page.reload()
    expect(page.locator(".status")).to_have_text("Project done")
