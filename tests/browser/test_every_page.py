"""Every page in every state, in both languages, narrow and wide, light and dark.

Each is opened once for each language. axe looks at all of it wide and light; narrow and dark it
looks at what CSS can break, and at everything for one state of each page. With `--long` it looks
at everything in every way.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from testing.stack import Stack
from tests.browser.checkers import LOOKS, barriers, errors_of_html
from tests.browser.conftest import School, Visitor, visits
from tests.browser.gallery import ALSO_CHINESE, EXHIBITS, Gallery

Scheme = Literal["light", "dark"]
PICTURES = os.environ.get("PICTURES")  # a folder for a picture of each
WIDTHS = SMALL, MIDDLE, LARGE = (360, 768, 1440)
LOCALES = {"en": "en-GB", "zh-Hans": "zh-CN"}
BASICS = """() => ({
  language: document.documentElement.lang,
  isNamed: document.title.endsWith("Roadmap"),
  headings: document.querySelectorAll("h1").length,
})"""
SIDEWAYS = "[document.documentElement.scrollWidth, window.innerWidth]"
TOO_WIDE = """() => [...document.querySelectorAll("main *, header *, footer *")].filter(each => {
  const box = each.getBoundingClientRect();
  return box.right > innerWidth + 1 && !each.closest(".scroll, pre, [hidden]");
}).slice(0, 5).map(each => each.outerHTML.slice(0, 160))"""
MOVES = """() => {
  const moves = /(transition|animation)[^:;]*: (?!none)|scroll-behavior: smooth/;
  const found = [];
  const look = rules => {
    for (const rule of rules) {
      const media = rule.media?.mediaText;
      if (media?.includes("prefers-reduced-motion: no-preference")) continue;
      if (rule.cssRules?.length) look(rule.cssRules);
      if (moves.test(rule.style?.cssText)) found.push(rule.cssText);
    }
  };
  for (const sheet of document.styleSheets) look(sheet.cssRules);
  return found;
}"""


@pytest.fixture(scope="module")
def gallery(town: School, home: School, service: Stack) -> Iterator[Gallery]:
    yield Gallery(town, home, service)
    town.teacher.held.clear()


@pytest.fixture(scope="module")
def watchers(browser: Browser, gallery: Gallery) -> Iterator[dict[tuple[str, str], Visitor]]:
    """A browser for each of the people and languages; what fades in would be seen half faded."""
    people = (gallery.owner, gallery.newcomer, gallery.overseer, gallery.observer)
    with visits(browser) as visit:
        made = {}
        for language, locale in LOCALES.items():
            for person in (*people, None):
                visitor = visit(locale=locale, reduced_motion="reduce")
                visitor.expected.append(r"status of (400|401|404|409|410|422)")
                if person is not None:
                    person.enter(visitor.context)
                made[language, person.email if person else ""] = visitor
        yield made


@dataclass
class Exhibition:
    """The gallery, a page of each visitor that shows one after the other, and the HTML of all."""

    gallery: Gallery
    pages: dict[tuple[str, str], Page]
    sources: dict[str, str] = field(default_factory=dict)

    @cached_property
    def first(self) -> set[str]:
        """The first exhibit of each page."""
        found: dict[str, str] = {}
        for name in EXHIBITS:
            found.setdefault(self.gallery.show(name, "en").route, name)
        return set(found.values())

    def open(self, name: str, language: str = "en") -> Page:
        exhibit = self.gallery.show(name, language)
        page = self.pages[language, exhibit.who.email if exhibit.who else ""]
        self.sources[f"{name} {language}"] = exhibit.open(page)
        return page


@pytest.fixture(scope="module")
def shown(gallery: Gallery, watchers: dict[tuple[str, str], Visitor]) -> Exhibition:
    return Exhibition(gallery, {who: visitor.open() for who, visitor in watchers.items()})


def languages_of(name: str) -> tuple[str, ...]:
    return ("en", "zh-Hans") if name in ALSO_CHINESE else ("en",)


def seen_by_axe(
    width: int, language: str, *, first: bool, long: bool
) -> list[tuple[Scheme, list[str] | None]]:
    """The schemes in which axe looks at this width, and its rules: None for all."""
    if long:
        return [("light", None), ("dark", None)] if width != MIDDLE else []
    if width == SMALL:
        return [("dark", None if first else LOOKS)]
    return [("light", None)] if width == LARGE and language == "en" else []


@pytest.mark.parametrize("name", EXHIBITS, ids=lambda name: name.replace(" ", "_"))
def test_a_page_fits_and_has_no_barrier(
    shown: Exhibition, name: str, request: pytest.FixtureRequest
) -> None:
    is_first, long = name in shown.first, request.config.getoption("--long")
    problems = []
    for language in languages_of(name):
        page = shown.open(name, language)
        basics = page.evaluate(BASICS)
        if basics != {"language": language, "isNamed": True, "headings": 1}:
            problems.append(f"{language}: {basics}")
        if PICTURES:  # to be looked at, and for docs/img
            page.screenshot(path=Path(PICTURES, f"{name} {language}.png"), full_page=True)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            needed, given = page.evaluate(SIDEWAYS)
            if not needed <= given == width:
                problems.append(f"{language} {width}: {page.evaluate(TOO_WIDE)}")
            for scheme, rules in seen_by_axe(width, language, first=is_first, long=long):
                page.emulate_media(color_scheme=scheme)
                found = barriers(page, rules)
                problems += [f"{language} {width} {scheme}: {each}" for each in found]
        page.goto("about:blank")  # the page before sends no more requests
    assert not problems, "\n".join(problems)


def test_the_html_is_valid(shown: Exhibition, tmp_path: Path) -> None:
    files = []
    for name in EXHIBITS:
        for language in languages_of(name):
            place = f"{name} {language}"
            if place not in shown.sources:  # when this test runs alone
                shown.open(name, language)
            files.append(tmp_path / f"{place}.html".replace(" ", "_"))
            files[-1].write_text(shown.sources[place], "utf-8")
    errors = errors_of_html(files)
    assert not errors, "\n".join(errors)


def test_on_paper_there_is_the_map_and_no_button(shown: Exhibition) -> None:
    for state in ("building", "awaiting review", "ready", "partial"):
        page = shown.open(state)
        page.emulate_media(media="print")
        expect(page.locator("#picture svg:visible")).to_have_count(1)
        expect(page.locator("#plan li.concept").first).to_be_visible()
        expect(page.locator("button:visible")).to_have_count(0)
        page.emulate_media(media="screen")


def test_a_printed_completion_has_nothing_to_click(shown: Exhibition) -> None:
    page = shown.open("completion of all")
    page.emulate_media(media="print")
    expect(page.locator(".outcomes")).to_have_count(2)
    expect(page.locator("main a:visible, main button:visible")).to_have_count(0)
    page.emulate_media(media="screen")


def test_nothing_moves_for_who_wants_no_motion(shown: Exhibition) -> None:
    page = shown.open("building")
    assert page.evaluate(MOVES) == []
    assert page.evaluate("document.getAnimations().length") == 0
