"""A real Chromium, driven by Playwright, in front of the real services.

Whatever a test does, its pages must say nothing wrong to the console: no error of a script, and
nothing that the content security policy refused. `Visitor.expected` has what a test provokes.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from testing.chromium import FLAGS, executable
from testing.servers import Postgres, Redis
from testing.stack import CALM, Stack, embedded_stack, running, server_stack
from testing.stack_queues import queue_of
from testing.teacher import PATIENT, Teacher, teaching
from testing.waiting import HANG, wait_until

PATIENCE = HANG * 1000  # milliseconds
KILLED = {"HEARTBEAT_SECONDS": "1", "HEARTBEAT_TTL_SECONDS": "15"}  # where a test kills somebody


@dataclass
class Visitor:
    """Somebody with a browser of their own: cookies, and a console with its complaints."""

    context: BrowserContext
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)  # patterns of what the test provokes

    def open(self, url: str = "") -> Page:
        page = self.context.new_page()
        page.on(
            "console",
            lambda message: self._note(message.type, message.text, message.location.get("url", "")),
        )
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        if url:
            page.goto(url)
        return page

    def unexpected(self) -> list[str]:
        return [
            text
            for text in self.complaints
            if not any(re.search(pattern, text) for pattern in self.expected)
        ]

    def _note(self, kind: str, text: str, url: str) -> None:
        if kind in ("error", "warning") or "Refused to" in text:
            self.complaints.append(f"{kind}: {text} ({url})")


Visiting = Callable[..., Visitor]


@dataclass
class School:
    """A whole service with a teacher behind it."""

    stack: Stack
    teacher: Teacher

    @property
    def url(self) -> str:
        return self.stack.url


@contextlib.contextmanager
def visits(browser: Browser) -> Iterator[Visiting]:
    """Make visitors, and look at the end whether their browsers have complained."""
    made: list[Visitor] = []

    def visit(**options: Any) -> Visitor:
        context = browser.new_context(
            **{"locale": "en-GB", "viewport": {"width": 1280, "height": 900}, **options}
        )
        context.set_default_timeout(PATIENCE)
        made.append(Visitor(context))
        return made[-1]

    try:
        yield visit
    finally:
        for visitor in made:
            visitor.context.close()
    complaints = [text for visitor in made for text in visitor.unexpected()]
    assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visiting]:
    with visits(browser) as made:
        yield made


@pytest.fixture
def page(visit: Visiting) -> Page:
    return visit().open()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Without a model: it has its catalogue."""
    with running(embedded_stack(tmp_path_factory.mktemp("service"), **CALM)) as stack:
        yield stack


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    """On one machine, for one person."""
    with teaching(Teacher()) as teacher:
        settings = {**PATIENT, **CALM, **teacher.environment()}
        stack = embedded_stack(tmp_path_factory.mktemp("home"), **settings)
        with running(stack):
            yield School(stack, teacher)


@pytest.fixture(scope="session")
def town(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, broker: Redis
) -> Iterator[School]:
    """For many people."""
    with teaching(Teacher()) as teacher:
        folder = tmp_path_factory.mktemp("town")
        settings = {**PATIENT, **KILLED, **teacher.environment()}
        settings["CONTENT_WORKERS"] = "16"  # some of which a test keeps waiting
        with running(
            server_stack(folder, postgres, broker, single_process=False, **settings)
        ) as stack:
            yield School(stack, teacher)


def at_rest(school: School) -> Iterator[School]:
    """Yield it when nothing is made any more, which would take what its teacher lets through."""
    school.teacher.as_usual()
    with queue_of(school.stack) as queue:

        def is_empty() -> bool:
            stats = queue.storage.stats()
            return stats.ready + stats.held == 0

        wait_until(is_empty, reason="what was begun before is made")
    yield school
    school.teacher.as_usual()


@pytest.fixture
def alone(home: School) -> Iterator[School]:
    """The one at home, with a teacher as usual."""
    yield from at_rest(home)


@pytest.fixture
def among_others(town: School) -> Iterator[School]:
    """The one in town, with a teacher as usual."""
    yield from at_rest(town)
