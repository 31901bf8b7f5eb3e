"""Read the page of a roadmap in progress, and check that it was not reloaded."""

import re
from difflib import unified_diff

from playwright.sync_api import Page, expect

from testing.stack import Stack
from testing.waiting import wait_until

FINISHED = re.compile("^(Ready|Partly ready|Failed|Cancelled)$")
STAY = "window.stayed = true"
SHOWN = """() => {
  const main = document.querySelector("main").cloneNode(true);
  for (const gone of main.querySelectorAll("#live, #offline, #side, .event-list")) gone.remove();
  for (const each of main.querySelectorAll("*")) {
    const names = [...each.classList].filter(name => name.startsWith("htmx-"));
    each.classList.remove(...names);
    if (each.getAttribute("class") === "") each.removeAttribute("class");
    // An attribute that was added comes last.
    const attributes = [...each.attributes].sort((one, two) => one.name < two.name ? -1 : 1);
    for (const {name} of attributes) each.removeAttribute(name);
    for (const {name, value} of attributes) each.setAttribute(name, value);
  }
  return main.innerHTML.replace(/\\s+/g, " ").replace(/> </g, "><");
}"""


def begin(page: Page, url: str, goal: str, **fields: str) -> str:
    """Type a goal and press the button; the path of the roadmap whose page is there then."""
    page.goto(url + "/")
    page.fill("#goal", goal)
    for name, value in fields.items():
        page.fill(f"#{name}", value)
    page.get_by_role("button", name="Create roadmap").click()
    page.wait_for_url(re.compile(r"/roadmaps/[0-9a-f-]{36}$"))
    page.evaluate(STAY)
    return page.url.removeprefix(url)


def stayed(page: Page) -> bool:
    """Whether it is still the page that was opened with `begin`, or marked by STAY."""
    return bool(page.evaluate("window.stayed === true"))


def listed_events(page: Page) -> list[int]:
    """Return the numbers of the events on the page, oldest first."""
    ids: list[str] = page.locator("#event-list li").evaluate_all(
        "items => items.map(item => item.id)"
    )
    return [int(each.removeprefix("event-")) for each in reversed(ids)]


def expect_everything(
    page: Page, stack: Stack, path: str, headers: dict[str, str] | None = None
) -> None:
    """Expect the final state, with every event listed once, in order."""
    expect(page.locator("#head .status")).to_have_text(FINISHED)
    expect(page.locator("#live")).to_have_count(1)
    last = stack.get(f"/api/v1{path}/activity", headers=headers or {}).json()["seq"]
    expect(page.locator(f"#event-{last}")).to_have_count(1)
    assert listed_events(page) == list(range(1, last + 1))


def expect_as_reloaded(page: Page) -> None:
    """Expect the updated page to equal the same page loaded now."""
    another = page.context.new_page()
    another.goto(page.url)
    found = another.evaluate(SHOWN)
    another.close()
    try:
        wait_until(lambda: page.evaluate(SHOWN) == found)
    except AssertionError:
        difference = unified_diff(
            _lines(page.evaluate(SHOWN)), _lines(found), "updated", "reloaded", n=1, lineterm=""
        )
        raise AssertionError("\n".join(difference)) from None


def _lines(html: str) -> list[str]:
    return html.replace("<", "\n<").splitlines()
