"""The pages about the API: the whole description is on them, and every link leads somewhere."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from starlette.testclient import TestClient

from scripts import openapi
from tests.unit.web.pages.page_text import CHINESE, HTML, LARGEST, sent_bytes, text_of
from web.http.problems import TYPES
from web.pages import openapi_view

DOCUMENT = openapi.document()
OPERATIONS = [
    (method.upper(), path, each)
    for path, item in DOCUMENT["paths"].items()
    for method, each in item.items()
]
TAGS = [tag["name"] for tag in DOCUMENT["tags"]]
PAGES = [
    "/docs",
    "/problems",
    *(f"/docs/{tag}" for tag in TAGS),
    *(f"/problems/{slug}" for slug in TYPES),
]


@pytest.fixture
def reader(client: TestClient) -> TestClient:
    """A stranger with a browser."""
    client.headers.update(HTML)
    client.follow_redirects = False
    return client


def section_of(page: str, name: str) -> str:
    """The section of one operation."""
    return page.partition(f'<section class="operation" aria-labelledby="{name}"')[2].partition(
        "</section>"
    )[0]


def wanted_of(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    """Return the texts that the section of an operation must have."""
    name = operation["operationId"]
    yield operation["summary"]
    yield f"{method} {path}"
    yield from (
        f'id="{name}-{each["in"]}-{each["name"]}"' for each in operation.get("parameters", ())
    )
    if "requestBody" in operation:
        content = next(iter(operation["requestBody"]["content"].values()))
        schema = DOCUMENT["components"]["schemas"][content["schema"]["$ref"][21:]]
        yield from (f'id="{name}-{field}"' for field in schema.get("properties", ()))


def test_every_operation_is_documented(reader: TestClient) -> None:
    index, pages = reader.get("/docs").text, {tag: reader.get(f"/docs/{tag}").text for tag in TAGS}
    missing = []
    for method, path, operation in OPERATIONS:
        tag, name = operation["tags"][0], operation["operationId"]
        found = section_of(pages[tag], name)
        everything = found + unescape(re.sub("<[^>]+>", "", found))
        missing += [
            f"{name}: {each}"
            for each in wanted_of(method, path, operation)
            if each not in everything
        ]
        statuses = [each for each in operation["responses"] if not each.endswith("XX")]
        missing += [
            f"{name}: {each}"
            for each in statuses
            if f"<b>{each}</b>" not in found and f">{each} " not in found
        ]
        if f'href="/docs/{tag}#{name}">{operation["summary"]}</a>' not in index:
            missing.append(f"{name} in the index")
    assert missing == []


def test_every_page_is_small_and_has_each_anchor_once(reader: TestClient) -> None:
    wrong = [f"{path} is too large" for path in PAGES if sent_bytes(reader, path) >= LARGEST]
    for path in PAGES:
        anchors = Counter(re.findall(r' id="([^"]+)"', reader.get(path).text))
        wrong += [f"{path}#{name} is there twice" for name, count in anchors.items() if count > 1]
    assert wrong == []


def test_every_link_leads_somewhere(reader: TestClient) -> None:
    answers: dict[str, Any] = {}
    wrong = []
    for path in PAGES:
        for link in sorted(set(re.findall(r'href="([^"]+)"', reader.get(path).text))):
            address, _, anchor = unescape(link).partition("#")
            if (address or path) not in answers:
                answers[address or path] = reader.get(address or path)
            answer = answers[address or path]
            if answer.status_code != 200 or (anchor and f'id="{anchor}"' not in answer.text):
                wrong.append(f"{path}: {link}")
    assert wrong == []


def test_who_reads_chinese_gets_a_chinese_frame(reader: TestClient) -> None:
    wrong = []
    for path in PAGES:
        page = reader.get(path, headers=CHINESE).text
        is_framed = '<html lang="zh-Hans"' in page and ("目录" in page or "问题类型" in page)
        if not is_framed or not (path == "/problems" or 'lang="en"' in page):
            wrong.append(path)
    assert wrong == []


def test_a_shell_reads_every_command_as_it_is_meant() -> None:
    wrong = []
    for operation in (each for tag in TAGS for each in openapi_view.operations(tag)):
        words = shlex.split(
            openapi_view.command(operation, "https://roadmap.example.org", with_token=True)
        )
        is_right = (
            words[0] == "curl"
            and f"https://roadmap.example.org{operation['at']}" in words
            and "{" not in operation["at"]
            and ("Authorization: Bearer $TOKEN" in words) == (operation.get("security") != [])
            and (operation["sent"] is None or words[-2:] == ["-d", operation["sent"]])
        )
        if not is_right:
            wrong.append(f"{operation['id']}: {words}")
    assert wrong == []


def test_a_kind_of_thing_has_its_own_name() -> None:
    edit = next(each for each in openapi_view.operations("decisions") if each["id"] == "edit_plan")
    kinds = {
        choice["name"]: next(field for field in choice["fields"] if field["name"] == "op")
        for choice in edit["body"][0]["choices"]
    }
    assert {name: op["rules"][0] for name, op in kinds.items()} == {
        name: f"always {name}" for name in kinds
    }
    assert len(kinds) == 6


def test_the_values_of_an_answer_are_listed() -> None:
    [read] = [each for each in openapi_view.operations("roadmaps") if each["id"] == "read_roadmap"]
    [status] = [field for field in read["answers"][0]["fields"] if field["name"] == "status"]
    assert status["type"] == "text"
    assert status["rules"][0].startswith("one of queued, planning, ")


def test_no_mark_of_markdown_is_left(reader: TestClient) -> None:
    for path in PAGES:
        assert "`" not in re.sub(r"<pre.*?</pre>", "", reader.get(path).text, flags=re.DOTALL), path


def test_one_s_own_machine_needs_no_token(reader: TestClient) -> None:
    assert "Bearer" not in section_of(reader.get("/docs/roadmaps").text, "list_roadmaps")


@pytest.mark.parametrize(
    "path",
    [
        "/docs/nothing",
        "/docs/Roadmaps",
        "/docs/<script>alert(1)</script>",
        "/docs/..%2f..%2fopenapi.json",
        "/docs/roadmaps/",
        "/docs/%00",
        "/docs/" + "x" * 5000,
        "/docs/{{ 7 * 7 }}",
        "/problems/nothing",
        "/problems/<b>",
        "/problems/Invalid",
        "/problems/%00",
    ],
)
def test_what_is_not_there_is_a_problem(reader: TestClient, path: str) -> None:
    answer = reader.get(path)
    assert "This page does not exist" in text_of(answer, 404)
    assert "<script>alert" not in answer.text
    assert reader.get(path, headers={"Accept": "*/*"}).json()["type"] == "/problems/not-found"


def test_programs_get_the_types_of_problems_as_data(client: TestClient) -> None:
    listed = client.get("/problems").json()["items"]
    assert {each["type"] for each in listed} == {f"/problems/{slug}" for slug in TYPES}
    assert [client.get(each["type"]).json() for each in listed] == listed
    assert client.get("/docs").headers["content-type"].startswith("text/html")


def test_a_person_can_read_what_a_problem_means(reader: TestClient) -> None:
    values = {slug: unescape(text_of(reader.get(f"/problems/{slug}"))) for slug in TYPES}
    assert [
        slug
        for slug, text in values.items()
        if f"/problems/{slug}" not in text or TYPES[slug].title not in text
    ] == []


def test_the_foot_of_every_page_leads_here(reader: TestClient) -> None:
    for path in ("/", "/roadmaps", "/account", "/docs", "/nothing"):
        assert '<a href="/docs"' in reader.get(path).text.partition("<footer")[2], path
