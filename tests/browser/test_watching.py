"""A script of a page that posts a goal and watches it over EventSource."""

from playwright.sync_api import Page

from testing.stack import GOAL
from tests.browser.conftest import School

WATCH = """async (goal) => {
  const answer = await fetch("/api/v1/roadmaps", {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({goal}),
  });
  const path = answer.headers.get("Location");
  const steps = ["queued", "planning", "analysed", "drafted", "outlined", "ready"];
  const types = [...steps.map((step) => "roadmap." + step), "content.ready"];
  return await new Promise((resolve) => {
    const seen = [];
    const source = new EventSource(path + "/events");
    for (const type of types) {
      source.addEventListener(type, (event) => seen.push([Number(event.lastEventId), type]));
    }
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) resolve(seen); };
  });
}"""


def test_an_event_source_sees_every_event_once(page: Page, alone: School) -> None:
    page.goto(alone.url + "/")  # whose policy lets scripts ask us
    seen = page.evaluate(WATCH, GOAL)
    assert [number for number, _ in seen] == list(range(1, len(seen) + 1))
    assert seen[0][1] == "roadmap.queued"
    assert seen[-1][1] == "roadmap.ready"
