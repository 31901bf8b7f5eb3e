"""Taking a roadmap along: every form is downloaded through the page and read by a program that knows it, and the JSON is brought
in elsewhere, with what was learned.
"""

import io
import json
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import icalendar
import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import Page, expect

from testing.stack import Stack, embedded_stack, running
from testing.teacher import Teacher, teaching
from tests.browser.conftest import School, Visiting
from tests.portables import small, whole

GOAL = "Bake bread"
NOTES = "Wait for the dough.\n面团 <b>& patience</b>"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def learned(home: School) -> str:
    """The path of a roadmap of which something was learned."""
    home.teacher.as_usual()
    path = home.stack.create(GOAL)
    home.stack.finished(path)
    concepts = concepts_at(home.stack, path)
    for place, body in (("progress", {"progress": "done"}), ("notes", {"notes": NOTES})):
        assert home.stack.request(
            "PUT", f"{path}/concepts/{concepts[0]['id']}/{place}", json=body
        ).is_success
    quiz = home.stack.get(f"{path}/concepts/{concepts[0]['id']}").json()["quiz"]
    answers = {"version": quiz["version"], "answers": [[0] for _ in quiz["questions"]]}
    assert home.stack.request(
        "POST", f"{path}/concepts/{concepts[0]['id']}/quiz/attempts", json=answers
    ).is_success
    return path.removeprefix("/api/v1")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Another instance, in which there is nothing yet."""
    with (
        teaching(Teacher()) as teacher,
        running(embedded_stack(tmp_path_factory.mktemp("other"), **teacher.environment())) as made,
    ):
        yield made


def concepts_at(stack: Stack, path: str) -> list[dict[str, Any]]:
    stages = stack.get(path).json()["stages"]
    return [
        concept for stage in stages for module in stage["modules"] for concept in module["concepts"]
    ]


def taken(page: Page, name: str, folder: Path) -> bytes:
    """What comes when that is clicked."""
    with page.expect_download() as coming:
        page.locator("#taking").get_by_role("link", name=name, exact=True).click()
    coming.value.save_as(folder / coming.value.suggested_filename)
    return (folder / coming.value.suggested_filename).read_bytes()


def test_every_form_is_read_by_a_program_that_knows_it(
    page: Page, home: School, learned: str, tmp_path: Path
) -> None:
    page.goto(home.url + learned)
    title = page.locator("h1").inner_text()

    html = MarkdownIt("commonmark").render(taken(page, "Markdown", tmp_path).decode())
    assert f"<h1>{title}</h1>" in html
    assert "[x] Flour and water 1" in html

    with zipfile.ZipFile(io.BytesIO(taken(page, "ZIP archive", tmp_path))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert archive.read("roadmap.json")
    assert sum(name.endswith(".md") for name in names) == 7

    events = icalendar.Calendar.from_ical(taken(page, "A calendar", tmp_path)).walk("VEVENT")
    assert len(events) == 5
    page.goto(events[0]["URL"])
    expect(page.locator("h1")).to_have_text(events[0]["SUMMARY"])
    page.go_back()

    with zipfile.ZipFile(io.BytesIO(taken(page, "Anki cards", tmp_path))) as archive:
        archive.extract("collection.anki2", tmp_path)
    database = sqlite3.connect(tmp_path / "collection.anki2")
    assert database.execute("SELECT COUNT(*), COUNT(DISTINCT guid) FROM notes").fetchone() == (
        24,
        24,
    )
    assert database.execute("SELECT COUNT(*) FROM cards").fetchone() == (24,)
    database.close()

    answer = page.goto(
        home.url
        + (page.locator("#taking").get_by_role("link", name="The map").get_attribute("href") or "")
    )
    assert answer is not None
    assert ElementTree.fromstring(answer.body()).tag == f"{SVG}svg"


def test_it_goes_to_another_instance_with_what_was_learned(
    visit: Visiting, home: School, learned: str, elsewhere: Stack, tmp_path: Path
) -> None:
    here, there = visit().open(home.url + learned), visit().open(elsewhere.url)
    file = tmp_path / "roadmap.json"
    file.write_bytes(taken(here, "JSON", tmp_path))
    there.get_by_role("link", name="Import from a file").click()
    there.get_by_label("File").set_input_files(file)
    there.get_by_role("button", name="Import", exact=True).click()
    expect(there.locator("h1")).to_have_text(here.locator("h1").inner_text())
    expect(there.locator("#plan li.m-done")).to_have_count(1)
    path = f"/api/v1{there.url.removeprefix(elsewhere.url)}"
    again = elsewhere.get(f"{path}/export.json").json()
    assert {**again, "exported_at": ""} == {**json.loads(file.read_bytes()), "exported_at": ""}
    there.locator("#plan").get_by_role("link", name="Flour and water 1").click()
    expect(there.get_by_label("Your notes")).to_have_value(NOTES)
    expect(there.locator("#quiz")).to_contain_text(re.compile("Last time: . of 4 correct"))


def test_without_a_script_it_works_as_well(
    visit: Visiting, home: School, learned: str, tmp_path: Path
) -> None:
    page = visit(java_script_enabled=False).open(home.url + learned)
    (tmp_path / "a.json").write_bytes(taken(page, "JSON", tmp_path))
    page.goto(f"{home.url}/roadmaps")
    page.get_by_role("link", name="Import from a file").click()
    page.get_by_label("File").set_input_files(tmp_path / "a.json")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page).to_have_url(re.compile(r"/roadmaps/[0-9a-f-]{36}$"))


def test_what_was_not_in_the_file_is_written_when_one_wants_it(page: Page, home: School) -> None:
    home.teacher.as_usual()
    path = home.stack.request("POST", "/api/v1/imports", json=small()).headers["location"]
    page.goto(home.url + path.removeprefix("/api/v1"))
    expect(page.locator(".failures li")).to_have_count(2)
    page.get_by_role("button", name="Retry all missing parts").click()
    assert home.stack.finished(path)["status"] == "ready"
    page.reload()
    expect(page.locator(".failures li")).to_have_count(0)


def test_one_that_was_brought_in_is_changed_like_any_other(home: School) -> None:
    """Also without an analysis, which copies of shared ones have not."""
    home.teacher.as_usual()
    document = {**whole(), "analysis": None}
    path = home.stack.request("POST", "/api/v1/imports", json=document).headers["location"]
    assert (
        home.stack.request(
            "POST", f"{path}/revise", json={"feedback": "More about rye, please."}
        ).status_code
        == 202
    )
    tree = home.stack.finished(path)
    assert (tree["status"], tree["revision"]) == ("ready", 2)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"PK\x03\x04", "This is not a complete roadmap."),
        (
            b'{"format": "roadmap", "version": 9}',
            "This file comes from a newer version of Roadmap",
        ),
        (b" " * (20 * 1024 * 1024), "This file is too large: a roadmap has at most 16 MiB."),
        (b" " * (50 * 1024 * 1024), "This file is too large: a roadmap has at most 16 MiB."),
    ],
)
def test_the_page_shows_why_an_import_fails(
    visit: Visiting, home: School, tmp_path: Path, content: bytes, wanted: str
) -> None:
    visitor = visit()
    visitor.expected.append(r"status of (400|413|422)")
    page = visitor.open(f"{home.url}/import")
    (tmp_path / "a.json").write_bytes(content)
    page.get_by_label("File").set_input_files(tmp_path / "a.json")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(wanted)
    expect(page.get_by_label("File")).to_be_visible()


def test_50_mb_by_a_program_are_refused_without_reading_them(home: School) -> None:
    headers = {"Content-Type": "application/json"}
    answer = home.stack.request(
        "POST", "/api/v1/imports", content=b" " * (50 * 1024 * 1024), headers=headers
    )
    assert (answer.status_code, "limit of 16777216 bytes" in answer.json()["detail"]) == (413, True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper_everything_is_black_on_white(
    visit: Visiting, home: School, learned: str, scheme: str
) -> None:
    page = visit(color_scheme=scheme).open(f"{home.url}{learned}/print")
    page.emulate_media(media="print")
    for hidden in (
        page.locator("header.top"),
        page.locator("footer.bottom"),
        page.get_by_text("This page is for printing."),
    ):
        expect(hidden).to_be_hidden()
    colours = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    shown = page.locator(".resources a").first.evaluate(
        "a => getComputedStyle(a, '::after').content"
    )
    assert "https://" in shown
    assert len(page.pdf()) > 20_000


def test_one_stage_is_printed_alone(page: Page, home: School, learned: str) -> None:
    page.goto(f"{home.url}{learned}/print")
    stages = page.get_by_role("navigation", name="Stages").get_by_role("link")
    count = stages.count() - 1
    assert page.locator("article h2[dir]").count() == count > 1
    stages.last.click()
    expect(page.locator("article h2[dir]")).to_have_count(1)
    expect(page.locator("article h2[dir]")).to_contain_text(f"{count} ")


def test_it_can_be_installed(page: Page, home: School) -> None:
    page.goto(home.url)
    address = page.locator('link[rel="manifest"]').get_attribute("href")
    manifest = page.evaluate("address => fetch(address).then(each => each.json())", address)
    assert (manifest["start_url"], manifest["display"]) == ("/", "standalone")
    width = """src => new Promise((yes, no) => {
        const image = new Image();
        image.onload = () => yes(image.naturalWidth); image.onerror = no; image.src = src;
    })"""
    for icon in manifest["icons"]:
        size = page.evaluate(width, icon["src"])
        assert icon["sizes"] in ("any", f"{size}x{size}")
