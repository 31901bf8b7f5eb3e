"""Take the pictures of docs/img/ in Chromium: scripts/screenshots.sh.

They show the real service.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from testing.chromium import FLAGS, executable
from testing.operating import make_busy, remember_a_day
from testing.stack import GOAL, ROOT, Stack, embedded_stack, running
from testing.teacher import PATIENT, Teacher, teaching
from testing.waiting import wait_until

FOLDER = ROOT / "docs" / "img"
WIDE, MIDDLE, TALL = (1280, 860), (768, 900), (1280, 1420)
BREAD = "Bake bread for eighty guests"


class Words(NamedTuple):
    """Texts of the pictures of a returning learner, in one language."""

    suffix: str  # of the pictures' names
    language: str
    goal: str
    renamed: str
    added: str
    description: str


ENGLISH = Words(
    *("", "en", GOAL, "Packages you can trust", "GraphQL in an afternoon"),
    "Schemas and queries, and when not to use them.",
)
CHINESE = Words(
    *("-zh", "zh-CN", "成为 Python 后端工程师", "值得信赖的依赖包", "一个下午学会 GraphQL"),
    "模式与查询以及不该使用它的场合",
)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="roadmap-pictures-") as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        for name, take_pages in (
            ("catalogue", partial(of_the_catalogue, words=ENGLISH)),
            ("catalogue-zh", partial(of_the_catalogue, words=CHINESE)),
            ("again", partial(of_one_who_comes_back, words=ENGLISH)),
            ("again-zh", partial(of_one_who_comes_back, words=CHINESE)),
        ):
            folder = Path(scratch, name)
            folder.mkdir()
            with running(embedded_stack(folder)) as stack:
                take_pages(browser, stack)
        for name, teacher, take_taught in (
            ("operations", Teacher(3, 2, 3), of_operations),
            ("admin", ByGoal(3, 2, 3), of_the_admin_pages),
        ):
            folder = Path(scratch, name)
            folder.mkdir()
            with teaching(teacher):
                service = embedded_stack(
                    folder, RETRY_BASE_SECONDS="1", **PATIENT, **teacher.environment()
                )
                with running(service) as stack:
                    take_taught(browser, stack, teacher)
        browser.close()


class ByGoal(Teacher):
    """Model that gives each roadmap its goal as title."""

    def _outline(self, facts: Any) -> Any:
        return {**super()._outline(facts), "title": facts["request"]["goal"]}


def of_the_admin_pages(browser: Browser, stack: Stack, teacher: Teacher) -> None:
    """Take the admin pages: roadmaps in every state, and a timeline."""
    made = stack.create(BREAD)
    stack.finished(made)
    teacher.refused |= {("quiz", "Sourdough 2"), ("tutorial", "Kneading 3")}
    stack.finished(stack.create("Bake rye bread in a wood-fired oven"))
    teacher.refused = {("analysis", None)}
    stack.finished(stack.create("Bake a stone"))
    teacher.refused = set()
    stack.create("Grow vegetables on a balcony", review=True)
    teacher.writes.clear()
    stack.create("Repair a bicycle")
    wanted = {"ready", "partial", "failed", "awaiting_review", "building"}
    wait_until(
        lambda: (
            wanted == {each["status"] for each in stack.get("/api/v1/roadmaps").json()["items"]}
        ),
        reason="a roadmap in each state",
    )
    take_page(browser, stack, "admin-roadmaps", "/admin/roadmaps", WIDE)
    timeline = f"{made.removeprefix('/api/v1')}/trace"
    take_page(browser, stack, "admin-timeline", timeline, (1280, 1000))


def of_the_catalogue(browser: Browser, stack: Stack, *, words: Words) -> None:
    """Take a roadmap that is made, and then learned."""
    suffix, language = words.suffix, words.language
    with opened(browser, stack, "/", WIDE, language=language) as page:
        page.fill("#goal", words.goal)
        if not suffix:
            take(page, "start")
        page.click("button.primary")
        if not suffix:
            page.wait_for_selector("#picture")
            page.keyboard.press("Shift")  # a visitor who acts gets no panel opened
            page.locator(".picture-columns .p-ready").nth(12).wait_for()
            take(page, "watching")
        page.wait_for_selector(".s-ready, .lesson")
        made = stack.get("/api/v1/roadmaps").json()["items"][0]["id"]
    stack.finished(f"/api/v1/roadmaps/{made}")
    roadmap = f"/roadmaps/{made}"
    concepts = [f"{roadmap}/concepts/{each['id']}" for each in concepts_of(stack, roadmap)]
    statuses = ("done", "done", "done", "done", "skipped", "done", "learning")
    for concept, status in zip(concepts, statuses, strict=False):
        stack.request("PUT", f"/api/v1{concept}/progress", json={"progress": status})
    lesson = concepts[6]
    take_page(browser, stack, f"roadmap{suffix}", roadmap, WIDE, language=language)
    take_page(browser, stack, f"concept{suffix}", lesson, MIDDLE, language=language)
    if not suffix:
        take_page(browser, stack, "docs", "/docs/roadmaps", WIDE)
    with opened(browser, stack, lesson, MIDDLE, language=language) as page:
        page.locator(".question:visible input").first.check()
        page.click("#answers [name=check]")
        page.wait_for_selector(".explanation")
        page.evaluate("document.querySelector('#quiz').scrollIntoView()")
        take(page, f"quiz{suffix}")


def of_one_who_comes_back(browser: Browser, stack: Stack, *, words: Words) -> None:
    """Take the pages of a returning learner: home, changes, links and reviews."""
    goal = {
        "goal": words.goal,
        "hours_per_week": 8,
        "deadline": str(datetime.now(UTC).date() + timedelta(days=150)),
    }
    made = stack.request("POST", "/api/v1/roadmaps", json=goal).headers["location"]
    stack.finished(made)
    page_path = made.removeprefix("/api/v1")
    tree, concepts = stack.get(made).json(), concepts_of(stack, page_path)
    for concept in concepts[:3]:
        stack.request("PUT", f"{made}/concepts/{concept['id']}/progress", json={"progress": "done"})
    for operation in (
        {
            "op": "rewrite",
            "what": "concept",
            "key": concepts[6]["key"],
            "title": words.renamed,
            "hours": 9,
        },
        {"op": "remove", "what": "concept", "key": concepts[-1]["key"]},
        {
            "op": "add_concept",
            "module": tree["stages"][1]["modules"][0]["key"],
            "title": words.added,
            "hours": 3,
            "difficulty": 3,
            "description": words.description,
        },
    ):
        stack.request("POST", f"{made}/edits", json={"operations": [operation]})
    for link in ({"purpose": "reading", "expires_in_days": 30}, {"purpose": "calendar"}):
        stack.request("POST", f"{made}/links", json=link)
    newest = stack.get(made).json()["revision"]
    suffix, language = words.suffix, words.language
    diff = f"{page_path}/revisions/{newest}?before=1"
    take_page(browser, stack, f"home{suffix}", "/", WIDE, language=language)
    take_page(browser, stack, f"diff{suffix}", diff, TALL, language=language)
    with opened(browser, stack, f"{page_path}/sharing", MIDDLE, language=language) as page:
        page.locator("form.row button").first.click()
        page.wait_for_selector("input[readonly]")
        page.evaluate("scrollTo(0, 0)")
        take(page, f"links{suffix}")
    with opened(browser, stack, "/review", MIDDLE, language=language) as page:
        page.locator(".question input").first.check()
        page.locator(".question ~ button, form button.primary").first.click()
        page.wait_for_selector(".explanation")
        take(page, f"review{suffix}")


def of_operations(browser: Browser, stack: Stack, teacher: Teacher) -> None:
    remember_a_day(stack)
    make_busy(stack, teacher)
    take_page(browser, stack, "admin", "/admin", TALL)


def concepts_of(stack: Stack, page: str) -> list[dict[str, Any]]:
    """Return the concepts of a roadmap, by the path of its page."""
    stages = stack.get(f"/api/v1{page}").json()["stages"]
    return [
        concept for stage in stages for module in stage["modules"] for concept in module["concepts"]
    ]


@contextmanager
def opened(
    browser: Browser,
    stack: Stack,
    path: str,
    size: tuple[int, int],
    *,
    language: str = "en",
) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale=language,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(stack.url + path)
    yield page
    context.close()


def take_page(
    browser: Browser, stack: Stack, name: str, path: str, size: tuple[int, int], **options: Any
) -> None:
    with opened(browser, stack, path, size, **options) as page:
        take(page, name)


def take(page: Page, name: str) -> None:
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=FOLDER / f"{name}.png")
    print(f"docs/img/{name}.png")


if __name__ == "__main__":
    main()
