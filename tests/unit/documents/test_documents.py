"""The documents as a whole: complete, with links that lead somewhere and equal languages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.cost import DAYS, PRICES, WITHOUT_QUEUE, Prices, estimate
from roadmap.generation.tutorial_lint import parse_python
from testing.stack import ROOT
from tests.pages import steps_of

DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *ROOT.glob("[A-Z]*.md"), *ROOT.glob(".github/[A-Z]*.md")])
TRANSLATED = [page for page in PAGES if page.name.endswith(".zh-CN.md")]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([\w.][\w./-]*(?:/|\.(?:py|ts|json|toml|yaml|html|po)))(?:: (\w+))?`")
MESSAGE = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
MADE_OF = re.compile(
    r"error: |waiting: |(?=the broker's)|(?:DATABASE|REDIS)_URL|32"
)  # what stands around the words of a message
COMMENT = re.compile(r"(?<=\S) +# .*$", re.MULTILINE)  # after a command, in the page's language
BLOCK_OF_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TITLES = re.compile(r"^# .+$", re.MULTILINE)
BLOCK = re.compile(r"^```console\n.*?^```$", re.MULTILINE | re.DOTALL)

RUN_BY = {  # each page with commands, and the test that runs them or looks at what they are
    "ACCOUNTS.md": "documents/test_readme.py",
    "API.md": "documents/test_api_page.py",
    "CATALOGUE.md": "commands/test_catalogue.py",
    "COMMANDS.md": "documents/test_commands_page.py",
    "DEPLOYMENT.md": "platforms/test_systemd_runs.py",
    "DEPLOYMENT_COMPARISON.md": "documents/test_comparison_page.py",
    "HUEY_RAILWAY_DEPLOYMENT_SUMMARY.md": "platforms/test_railway_pages.py",
    "MONITORING.md": "unit/documents/test_monitoring_page.py",
    "OPERATIONS.md": "packages/test_s3.py",
    "QUICK_START_RAILWAY.md": "platforms/test_railway_pages.py",
    "RAILWAY_DEPLOYMENT.md": "platforms/test_railway_pages.py",
    "RELIABILITY.md": "unit/documents/test_reliability_page.py",
    "ROADMAPS.md": "documents/test_readme.py",
    "SCALING.md": "benchmarks/test_scaling_page.py",
    "WEBHOOKS.md": "integration/operations/test_webhooks.py",
}
# Of the README: which test does what a command does.
INTEGRATION = "documents/"
README = {
    "make demo": f"{INTEGRATION}test_readme.py: "
    "test_the_demo_makes_a_roadmap_and_leaves_nothing_behind",
    "make run": "integration/web/test_main_job.py: ",
    "curl": f"{INTEGRATION}test_readme.py: test_the_curl_of_the_readme_is_answered_with_202",
    "python3 examples/client.py": f"{INTEGRATION}test_example_client.py: ",
    "roadmap": f"{INTEGRATION}test_commands_page.py: "
    "test_the_commands_of_the_page_work_as_they_stand",
    "printf": "security/test_supply.py: ",
    "docker compose": "security/test_supply.py: ",
}


def headings(page: Path) -> list[str]:
    """As a page on the web names them."""
    text = BLOCK_OF_CODE.sub("", page.read_text("utf-8"))
    found = re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found]


def dead_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(page.read_text("utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, part = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (part and there.suffix == ".md" and part not in headings(there)):
            yield link


def missing_code(page: Path) -> Iterator[str]:
    """Yield what the page names as `folder/`, `file.py` or `file.py: name` and is not there."""
    text = re.sub(r"\s+", " ", page.read_text("utf-8"))
    for named, name in CODE.findall(text):
        path = ROOT / named
        if not path.exists():
            yield named
        elif name and not re.search(
            rf"^\s*(async )?(def|class) {name}\b|^{name}\b", path.read_text("utf-8"), re.MULTILINE
        ):
            yield f"{named}: {name}"


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "GLOSSARY.md"])
def test_the_code_that_a_page_names_is_there(page: str) -> None:
    assert list(missing_code(DOCS / page)) == []


def test_a_page_for_developers_is_short() -> None:
    text = (DOCS / "ARCHITECTURE.md").read_text("utf-8")
    assert len(text.split()) <= 2000
    lines = [line for line in text.splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > 100] == []


def test_a_page_has_one_title() -> None:
    """The contents of the site leave out what stands below a second one."""
    titles = {
        page.name: TITLES.findall(BLOCK_OF_CODE.sub("", page.read_text("utf-8"))) for page in PAGES
    }
    assert {name: found for name, found in titles.items() if len(found) != 1} == {}


def test_every_link_leads_somewhere() -> None:
    assert [f"{page.name}: {link}" for page in PAGES for link in dead_links(page)] == []


def test_the_index_has_every_document() -> None:
    english = {page.name for page in DOCS.glob("*.md") if page not in TRANSLATED}
    linked = {Path(link).name for link in LINK.findall((DOCS / "INDEX.md").read_text("utf-8"))}
    assert english - linked == {"INDEX.md"}


def test_the_navigation_of_the_site_has_every_document() -> None:
    named = re.findall(r"^ +- (?:\w+: )?(\S+\.md)$", (DOCS / "mkdocs.yml").read_text("utf-8"), re.M)
    english = {page.relative_to(ROOT).as_posix() for page in PAGES if page not in TRANSLATED}
    assert sorted(named) == sorted(english)


def test_both_indexes_lead_to_the_same_documents() -> None:
    english, chinese = (
        [
            link.replace(".zh-CN", "").partition("#")[0]
            for link in LINK.findall((DOCS / name).read_text("utf-8"))
        ]
        for name in ("INDEX.md", "INDEX.zh-CN.md")
    )
    assert english == chinese


@pytest.mark.parametrize("name", ["INDEX.md", "INDEX.zh-CN.md"])
def test_the_index_says_how_long_a_document_takes_to_read(name: str) -> None:
    rows = re.findall(r"\]\(([^)]+)\) \| (\d+) \|$", (DOCS / name).read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 20
    wrong = [
        f"{link}: {minutes} instead of {right:.1f}"
        for link, minutes in rows
        if abs(int(minutes) - (right := reading_minutes(DOCS / link))) > 1
    ]
    assert wrong == []


def test_the_chinese_index_says_which_documents_are_in_english() -> None:
    rows = re.findall(
        r"^\| (.+) \| \[.+\]\((.+)\) \| \d+ \|$",
        (DOCS / "INDEX.zh-CN.md").read_text("utf-8"),
        re.MULTILINE,
    )
    assert [link for row, link in rows if ("（英文）" in row) is (".zh-CN." in link)] == []


def reading_minutes(page: Path) -> float:
    """Return the time at 200 words or 400 Chinese characters a minute, without folded tables."""
    text = re.sub(r"<details>.*?</details>", "", page.read_text("utf-8"), flags=re.DOTALL)
    chinese = re.findall(r"[\u4e00-\u9fff]", text)
    words = re.findall(r"[A-Za-z0-9$%][\w$%.,'/-]*", re.sub(r"[\u4e00-\u9fff]", "", text))
    return max(1, len(words) / 200 + len(chinese) / 400)


def test_every_page_with_commands_has_a_test() -> None:
    pages = {
        page.name
        for page in DOCS.glob("*.md")
        if "```console" in page.read_text("utf-8") and page not in TRANSLATED
    }
    assert pages == RUN_BY.keys()
    assert [file for file in RUN_BY.values() if not (ROOT / "tests" / file).is_file()] == []


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: page.name)
def test_both_languages_say_the_same(page: Path) -> None:
    """Commands, outcomes, parts, rows and points are the same; the words are its own."""
    chinese = page.read_text("utf-8")
    english = page.with_name(page.name.replace(".zh-CN", "")).read_text("utf-8")
    if page.name != "README.zh-CN.md":  # which has fewer pictures
        for what in (r"^#+ ", r"^\|", r"^- \[ \]", r"^\d+\. ", r"^```"):
            assert len(re.findall(what, chinese, re.MULTILINE)) == len(
                re.findall(what, english, re.MULTILINE)
            ), what
        assert MESSAGE.findall(chinese) == MESSAGE.findall(english)
        assert BLOCK.findall(chinese) == BLOCK.findall(english)
    blocks = BLOCK.findall(COMMENT.sub("", english))
    others = [each for each in BLOCK.findall(COMMENT.sub("", chinese)) if each not in blocks]
    assert others == []
    assert len(re.findall(r"[\u4e00-\u9fff]", chinese)) > 200


def test_the_pages_of_the_deployment_guide_are_there_with_their_languages() -> None:
    there = {page.name for page in PAGES}
    both = {
        *("README.md", "INDEX.md", "LEARNING.md", "MCP.md", "ACCOUNTS.md", "OPERATIONS.md"),
        *("RAILWAY_DEPLOYMENT.md", "DEPLOYMENT_COMPARISON.md", "ARCHITECTURE_COMPARISON.md"),
        *("QUICK_START_RAILWAY.md", "HUEY_RAILWAY_DEPLOYMENT_SUMMARY.md", "COMPARISON.md"),
    }
    assert both <= there
    assert {page.name for page in TRANSLATED} == {name.replace(".md", ".zh-CN.md") for name in both}


@pytest.mark.parametrize("page", ["RAILWAY_DEPLOYMENT", "DEPLOYMENT_COMPARISON"])
@pytest.mark.parametrize("language", ["", ".zh-CN"])
def test_the_bills_are_those_of_the_command(page: str, language: str) -> None:
    text = (DOCS / f"{page}{language}.md").read_text("utf-8")
    rows = [row.split("|")[2:-1] for row in text.splitlines() if row.startswith("|") and "$" in row]
    found = [[cell.strip() for cell in row if "$" in cell] for row in rows]
    prices = Prices.model_validate_json(PRICES.read_bytes())
    loads = (10,) if page == "RAILWAY_DEPLOYMENT" else (1, 10, 100, 1000)
    bills = []
    for roadmaps in loads:
        load = {"roadmaps": roadmaps * DAYS, "reads": 50, "months": 12}
        bills.append(estimate(prices, "Railway", load, "model", WITHOUT_QUEUE)["layouts"])
    expected = [
        [
            *(each["bill"]["total"] for each in layout),
            *(layout[0]["paid"] | layout[0]["by_command"] if len(loads) == 1 else {}).values(),
        ]
        for layout in zip(*bills, strict=True)
    ]
    assert found == [[f"${amount:,.2f}" for amount in row] for row in expected]


def test_the_messages_that_the_page_shows_are_in_the_code() -> None:
    """The messages of the table of faults, but for the names and numbers that are put into them."""
    code = "".join(path.read_text("utf-8") for path in sorted((ROOT / "core").rglob("*.py")))
    output = [
        message
        for message in MESSAGE.findall((DOCS / "RAILWAY_DEPLOYMENT.md").read_text("utf-8"))
        if MADE_OF.match(message)
    ]
    assert len(output) >= 5
    assert [part for message in output for part in MADE_OF.split(message) if part not in code] == []


def test_every_command_of_the_readme_is_what_a_test_does() -> None:
    asked = {
        page.name: [step.command for step in steps_of(page)]
        for page in PAGES
        if page.name.startswith("README")
    }
    assert all(asked.values())
    named = tuple(README)
    assert [
        f"{page}: {each}"
        for page, commands in asked.items()
        for each in commands
        if not each.startswith(named)
    ] == []


def is_there(named: str) -> bool:
    file, _, name = named.partition(": ")
    tree = parse_python((ROOT / "tests" / file).read_text("utf-8"))
    return not name or name in {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    }


def test_the_tests_that_are_named_are_there() -> None:
    assert [named for named in README.values() if not is_there(named)] == []
