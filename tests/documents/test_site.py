"""The documentation site of `make docs`: two languages, a search in both, and no broken link."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from testing.stack import ROOT
from tests.checkouts import checkout

SITE = ROOT / "site"
UNTRANSLATED = "本页暂无中文版"


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


class Page(HTMLParser):
    """The addresses that a page links to, those that a browser loads for it, and its anchors."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "srcset", "data", "poster") and value is not None:
                (self.links if tag == "a" else self.loaded).add(value)
            elif name == "id" and value:
                self.anchors.add(value)


@pytest.fixture(scope="session")
def pages() -> dict[Path, Page]:
    """The pages of the site, just built, by their files."""
    brought = run("make", ".venv-docs/ready")
    if brought.returncode:
        pytest.skip(f"NOT RUN: pip could not bring mkdocs: {brought.stderr.splitlines()[0]}")
    done = run("make", "docs")
    assert done.returncode == 0, done.stdout + done.stderr
    return {file: Page(file) for file in SITE.rglob("*.html") if file.name != "404.html"}


def test_each_document_is_there_in_both_languages_or_says_that_it_is_not(
    pages: dict[Path, Page],
) -> None:
    for source in (ROOT / "docs").glob("*.md"):
        name = source.name.split(".")[0]
        chinese = (SITE / "zh-CN" / "docs" / name / "index.html").read_text("utf-8")
        translated = source.with_name(f"{name}.zh-CN.md").exists()
        assert (UNTRANSLATED in chinese) is not translated, name
        assert UNTRANSLATED not in (SITE / "docs" / name / "index.html").read_text("utf-8"), name
    for home, title in ((SITE, "Promises"), (SITE / "zh-CN", "三个承诺")):
        assert f">{title}<" in (home / "index.html").read_text("utf-8")


def test_words_of_both_languages_can_be_searched(pages: dict[Path, Page]) -> None:
    index = json.loads((SITE / "search" / "search_index.json").read_text("utf-8"))
    entries = {entry["location"]: entry["text"].split("\u200b") for entry in index["docs"]}
    assert any("idempotent" in word for word in entries["docs/API/#idempotency"])
    assert "复习" in entries["zh-CN/docs/LEARNING/#复习"]


def dead(file: Path, pages: dict[Path, Page]) -> Iterator[str]:
    for link in pages[file].links | pages[file].loaded:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        there = Path(os.path.normpath(file.parent / unquote(parts.path))) if parts.path else file
        if parts.path.startswith("/"):
            there = SITE / unquote(parts.path).lstrip("/")
        there = there / "index.html" if there.is_dir() else there
        anchor = unquote(parts.fragment)
        if not there.is_file() or (anchor and anchor not in pages[there].anchors | {"__top"}):
            yield f"{file.relative_to(SITE)}: {link}"


def test_every_link_and_anchor_of_every_page_leads_somewhere(pages: dict[Path, Page]) -> None:
    assert len(pages) > 60
    assert [each for file in pages for each in dead(file, pages)] == []


def test_nothing_is_loaded_from_another_host(pages: dict[Path, Page]) -> None:
    loaded = {each for page in pages.values() for each in page.loaded}
    assert loaded
    assert [each for each in loaded if urlsplit(each).netloc] == []
    styles = "".join(file.read_text("utf-8") for file in SITE.rglob("*.css"))
    assert re.findall(r"url\([\"']?(?:http|//)|@import", styles) == []


def test_dead_links_fail_the_build(pages: dict[Path, Page], tmp_path: Path) -> None:
    copy = checkout(tmp_path / "copy")
    (copy / ".venv-docs").mkdir()
    for brought in ("bin", "package"):
        (copy / ".venv-docs" / brought).symlink_to(ROOT / ".venv-docs" / brought)
    links = ("NOWHERE.md", "TESTING.md#nowhere", "img/nowhere.png", "../nowhere.py")
    with (copy / "docs" / "OPERATIONS.md").open("a") as page:
        page.writelines(f"\n[dead]({link})\n" for link in links)
    done = run("scripts/docs.sh", cwd=copy)
    assert done.returncode == 1
    assert [link for link in links if f"'{link}'" not in done.stdout + done.stderr] == []
