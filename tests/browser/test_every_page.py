"""Every page in every state, on small and large screens, light and dark, in both languages.

With `--long` axe looks at all of that; without, at each state once large and light, and for what CSS can break once small and
dark as well; and at one state of each page in further ways (`ways`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from testing.stack import Stack
from tests.browser.checkers import LOOKS, barriers, errors_of_html
from tests.browser.conftest import School, Visitor, visits
from tests.browser.gallery import SHOWN, Gallery

pytestmark = pytest.mark.timeout(600)  # the first one of them waits for everything that is shown
WIDTHS = (360, 768, 1440)
LOCALES = {"en": "en-GB", "zh-Hans": "zh-CN"}
LARGE, SMALL = 1440, 360
Way = tuple[
    int, Literal["light", "dark"], list[str] | None
]  # a width, a scheme of colours, and the rules of axe: None for all
SIDEWAYS = "[document.documentElement.scrollWidth, window.innerWidth]"
TOO_WIDE = """() => [...document.querySelectorAll("main *, header *, footer *")].filter(each => {
  const box = each.getBoundingClientRect();
  return box.right > innerWidth + 1 && !each.closest(".scroll, pre, [hidden]");
}).slice(0, 5).map(each => each.outerHTML.slice(0, 160))"""
MOVES = """() => {
  const found = [];
  const look = rules => {
    for (const rule of rules) {
      if (rule.media?.mediaText.includes("prefers-reduced-motion: no-preference")) continue;
      if (rule.cssRules?.length) look(rule.cssRules);
      if (/(transition|animation)[^:;]*: (?!none)|scroll-behavior: smooth/.test(rule.style?.cssText)) found.push(rule.cssText);
    }
  };
  for (const sheet of document.styleSheets) look(sheet.cssRules);
  return found;
}"""


@dataclass
class Shown:
    name: str
    page: Page
    language: str
    is_first: bool  # of the states of its page in this language


@pytest.fixture(scope="module")
def gallery(town: School, home: School, service: Stack) -> Iterator[Gallery]:
    yield Gallery(town, home, service)
    town.teacher.held.clear()


@pytest.fixture(scope="module")
def watchers(browser: Browser, gallery: Gallery) -> Iterator[dict[tuple[str, str], Visitor]]:
    """A browser for each of the people and languages."""
    with visits(browser) as visit:
        made = {}
        for language, locale in LOCALES.items():
            for person in (
                gallery.owner,
                gallery.newcomer,
                gallery.overseer,
                gallery.observer,
                None,
            ):
                visitor = visit(locale=locale)
                visitor.expected.append(r"status of (400|401|404|409|410|422)")
                if person is not None:
                    person.enter(visitor.context)
                made[language, person.email if person else ""] = visitor
        yield made


@pytest.fixture(scope="module")
def pages(watchers: dict[tuple[str, str], Visitor]) -> dict[tuple[str, str], Page]:
    """One for each of them, which shows one exhibit after the other: to open one costs more than to look at it."""
    return {who: visitor.open() for who, visitor in watchers.items()}


@pytest.fixture(scope="module")
def first(gallery: Gallery) -> set[tuple[str, str]]:
    """The first exhibit of each page in each language."""
    found: dict[tuple[str, str], str] = {}
    for name, language in SHOWN:
        found.setdefault((gallery.show(name, language).route, language), name)
    return {(name, language) for (_, language), name in found.items()}


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    """The HTML of every page that was looked at."""
    return {}


@pytest.fixture(
    scope="module", params=SHOWN, ids=lambda each: f"{each[0]}-{each[1]}".replace(" ", "_")
)
def shown(
    request: pytest.FixtureRequest,
    gallery: Gallery,
    pages: dict[tuple[str, str], Page],
    first: set[tuple[str, str]],
    sources: dict[str, str],
) -> Iterator[Shown]:
    name, language = request.param
    exhibit = gallery.show(name, language)
    page = pages[language, exhibit.who.email if exhibit.who else ""]
    sources[f"{name} {language}"] = exhibit.open(page)
    yield Shown(name, page, language, (name, language) in first)
    page.goto("about:blank")  # the page before sends no more requests


def ways(shown: Shown, *, long: bool) -> list[Way]:
    """In which axe looks at it. Other languages have the same elements and colours, and other words."""
    if long:
        schemes: list[Literal["light", "dark"]] = (
            ["light"] if shown.name == "200 concepts" else ["light", "dark"]
        )
        return [(width, scheme, None) for width in (SMALL, LARGE) for scheme in schemes]
    if shown.language != "en":
        return [(SMALL, "dark", None if shown.is_first else LOOKS)]
    usual: list[Way] = [(LARGE, "light", None), (SMALL, "dark", LOOKS)]
    return [*usual, (SMALL, "light", None)] if shown.is_first else usual


def test_there_is_no_barrier(shown: Shown, request: pytest.FixtureRequest) -> None:
    found = {}
    for width, scheme, rules in ways(shown, long=request.config.getoption("--long")):
        shown.page.set_viewport_size({"width": width, "height": 900})
        shown.page.emulate_media(color_scheme=scheme)
        found |= dict.fromkeys(barriers(shown.page, rules), f"{width} {scheme}")
    assert not found, "\n".join(f"{where}: {what}" for what, where in found.items())


def test_nothing_has_to_be_moved_sideways(shown: Shown) -> None:
    for width in WIDTHS:
        shown.page.set_viewport_size({"width": width, "height": 900})
        needed, given = shown.page.evaluate(SIDEWAYS)
        assert needed <= given == width, shown.page.evaluate(TOO_WIDE)


def test_it_says_in_which_language_it_is(shown: Shown, request: pytest.FixtureRequest) -> None:
    language = request.node.callspec.params["shown"][1]
    expect(shown.page.locator("html")).to_have_attribute("lang", language)
    assert shown.page.title().endswith("Roadmap")
    expect(shown.page.locator("h1")).to_have_count(1)


def test_the_html_is_valid(
    gallery: Gallery, pages: dict[tuple[str, str], Page], sources: dict[str, str], tmp_path: Path
) -> None:
    files = []
    for name, language in SHOWN:
        if f"{name} {language}" not in sources:
            exhibit = gallery.show(name, language)
            page = pages[language, exhibit.who.email if exhibit.who else ""]
            sources[f"{name} {language}"] = exhibit.open(page)
        files.append(tmp_path / f"{name} {language}.html".replace(" ", "_"))
        files[-1].write_text(sources[f"{name} {language}"], "utf-8")
    errors = errors_of_html(files)
    assert not errors, "\n".join(errors)


@pytest.mark.parametrize("state", ["building", "awaiting review", "ready", "partial"])
def test_on_paper_there_is_the_map_and_no_button(
    gallery: Gallery, watchers: dict[tuple[str, str], Visitor], state: str
) -> None:
    page = watchers["en", gallery.owner.email].open()
    gallery.show(state, "en").open(page)
    page.emulate_media(media="print")
    expect(page.locator("#picture svg:visible")).to_have_count(1)
    expect(page.locator("#plan li.concept").first).to_be_visible()
    expect(page.locator("button:visible")).to_have_count(0)
    page.close()


def test_nothing_moves_for_who_wants_no_motion(
    gallery: Gallery, watchers: dict[tuple[str, str], Visitor]
) -> None:
    page = watchers["en", gallery.owner.email].open()
    page.emulate_media(reduced_motion="reduce")
    gallery.show("building", "en").open(page)
    assert page.evaluate(MOVES) == []
    assert page.evaluate("document.getAnimations().length") == 0
    page.close()
