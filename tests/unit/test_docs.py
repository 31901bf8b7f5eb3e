"""The pages about the API: everything that the description says is on one of them, and every link leads somewhere."""

import re
import shlex
from collections import Counter
from html import unescape
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.unit.test_pages import CHINESE, HTML, LARGEST, sent_bytes, text_of
from web import openapi
from web.pages import reference
from web.problem_types import TYPES

DOCUMENT = openapi.document()
OPERATIONS = [(method.upper(), path, each) for path, item in DOCUMENT["paths"].items() for method, each in item.items()]
TAGS = [tag["name"] for tag in DOCUMENT["tags"]]
PAGES = ["/docs", "/problems", *(f"/docs/{tag}" for tag in TAGS), *(f"/problems/{slug}" for slug in TYPES)]

each_page = pytest.mark.parametrize("path", PAGES)
each_operation = pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=lambda each: str(each)[:40])


@pytest.fixture
def reader(client: TestClient) -> TestClient:
    """A stranger with a browser."""
    client.headers.update(HTML)
    client.follow_redirects = False
    return client


def section_of(page: str, name: str) -> str:
    """What is said of one operation."""
    return page.partition(f'<section class="operation" aria-labelledby="{name}"')[2].partition("</section>")[0]


@each_operation
def test_every_operation_is_told_of(reader: TestClient, method: str, path: str, operation: dict[str, Any]) -> None:
    tag, name = operation["tags"][0], operation["operationId"]
    assert f'href="/docs/{tag}#{name}">{operation["summary"]}</a>' in reader.get("/docs").text
    told = section_of(reader.get(f"/docs/{tag}").text, name)
    assert operation["summary"] in told
    assert f"{method} {path}" in unescape(re.sub("<[^>]+>", "", told))
    for parameter in operation.get("parameters", ()):
        assert f'id="{name}-{parameter["in"]}-{parameter["name"]}"' in told
    if "requestBody" in operation:
        schema = DOCUMENT["components"]["schemas"][operation["requestBody"]["content"]["application/json"]["schema"]["$ref"][21:]]
        for field in schema.get("properties", ()):
            assert f'id="{name}-{field}"' in told
    for status in operation["responses"]:
        assert status == "default" or f"<b>{status}</b>" in told or f">{status} " in told


@each_page
def test_it_is_small_and_has_each_anchor_once(reader: TestClient, path: str) -> None:
    assert sent_bytes(reader, path) < LARGEST
    twice = [name for name, count in Counter(re.findall(r' id="([^"]+)"', reader.get(path).text)).items() if count > 1]
    assert twice == []


@each_page
def test_every_link_leads_somewhere(reader: TestClient, path: str) -> None:
    page = reader.get(path).text
    for link in sorted(set(re.findall(r'href="([^"]+)"', page))):
        address, _, anchor = unescape(link).partition("#")
        answer = reader.get(address or path)
        assert answer.status_code == 200, link
        assert not anchor or f'id="{anchor}"' in answer.text, link


@each_page
def test_who_reads_chinese_gets_a_chinese_frame(reader: TestClient, path: str) -> None:
    page = reader.get(path, headers=CHINESE)
    assert '<html lang="zh-Hans"' in page.text
    assert "目录" in page.text or "问题类型" in page.text
    assert path == "/problems" or 'lang="en"' in page.text


@pytest.mark.parametrize("tag", TAGS)
def test_a_shell_reads_every_command_as_it_is_meant(tag: str) -> None:
    for operation in reference.operations(tag):
        words = shlex.split(operation.command("https://roadmap.example.org", with_token=True))
        assert words[0] == "curl"
        assert f"https://roadmap.example.org{operation.at}" in words
        assert "{" not in operation.at
        assert ("Authorization: Bearer $TOKEN" in words) == operation.needs_token
        assert operation.sent is None or words[-2:] == ["-d", operation.sent]


def test_a_kind_of_thing_is_told_of_under_its_own_name() -> None:
    edit = next(each for each in reference.operations("decisions") if each.id == "edit_plan")
    kinds = {choice.name: next(field for field in choice.fields if field.name == "op") for choice in edit.body[0].choices}
    assert {name: op.rules[0] for name, op in kinds.items()} == {name: f"always {name}" for name in kinds}
    assert len(kinds) == 6


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
    assert "This does not exist" in text_of(answer, 404)
    assert "<script>alert" not in answer.text
    assert reader.get(path, headers={"Accept": "*/*"}).json()["type"] == "/problems/not-found"


def test_programs_get_the_types_of_problems_as_data(client: TestClient) -> None:
    listed = client.get("/problems").json()["items"]
    assert {each["type"] for each in listed} == {f"/problems/{slug}" for slug in TYPES}
    assert [client.get(each["type"]).json() for each in listed] == listed
    assert client.get("/docs").headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("slug", TYPES)
def test_a_person_can_read_what_a_problem_means(reader: TestClient, slug: str) -> None:
    said = text_of(reader.get(f"/problems/{slug}"))
    assert f"/problems/{slug}" in said
    assert TYPES[slug].title in unescape(said)


def test_the_foot_of_every_page_leads_here(reader: TestClient) -> None:
    for path in ("/", "/roadmaps", "/account", "/docs", "/nothing"):
        assert '<a href="/docs"' in reader.get(path).text.partition("<footer")[2], path
