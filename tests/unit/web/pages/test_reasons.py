"""Stored reasons on pages: translated, with titles for keys, and those that the code stores."""

import ast
import re

import pytest
from markupsafe import Markup
from starlette.testclient import TestClient

from core.i18n import ENGLISH, texts
from core.net.safe_http import NOWHERE
from roadmap.generation import floors
from roadmap.generation.context import ConceptBrief
from roadmap.generation.tutorial_lint import parse_python
from roadmap.plan.outline import Question, Quiz, Resource, Resources, Tutorial
from roadmap.plan.schemas import RoadmapRequest
from testing.stack import ROOT
from tests.unit.web.pages.page_text import API, HTML, text_of
from tests.unit.web.pages.page_text import CHINESE as CHINESE_READER
from web.pages.labels import Sentences
from web.pages.reasons import KNOWN, STORED_BY_EARLIER_VERSIONS, translated

CHINESE = texts("zh-Hans")
NEEDS = "Concept 'b/second' needs 'b/third', which comes later or is itself."
# Reasons that are put together from these beginnings or ends and another constant
MADE_OF = re.compile(
    r"^%\(failed\)s of %\(total\)s parts |^Not sent: |(?<=\w)\.$|^Questions left out: %\(count\)s; "
    r"|(?<=^Question %\(number\)s) (?:is disputed: )?"
    r"|^(?:Words|Sections \(##\)|Resources|Questions|Types of questions): "
    r"|^The (?:exercise|solution), [^%]*,"
)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (f"Not sent: {NOWHERE}.", "未发送：找不到这个域名，或者它指向本服务或非公网地址。"),
        ("2 of 5 parts could not be written", "共 5 项内容，其中 2 项生成失败。"),
        (
            "The receiver answered with status 302. Redirects are not followed.",
            "接收方返回了状态码 302。不会跟随重定向。",
        ),
        (NEEDS, "“乙”需要先学“b/third”，而后者排在它后面，或者就是它自己。"),
        ("The model says no.", ""),
    ],
)
def test_a_known_reason_is_translated(reason: str, expected: str) -> None:
    assert translated(CHINESE, reason, {"b/second": "乙"}) == expected


def test_remarks_on_contents_are_translated() -> None:
    brief = ConceptBrief(
        RoadmapRequest(goal="Bake bread"), "", "", "", "dough", "Dough", "", ("Knead the dough",)
    )
    book = Resource(title="A", url="https://example.org", type="book", language="en", why="So.")
    question = Question(
        type="single", prompt="?", options=("a", "b"), answers=(0,), explanation="-"
    )
    lesson = "## A\n\n```python\nx =\n```\n\n## Exercise\n\nGo.\n\n## Solution\n\nSo."
    contents = (
        Tutorial(markdown="Short."),
        Tutorial(markdown=lesson),
        Resources(items=(book,)),
        Quiz(questions=(question,)),
    )
    found = [remark for content in contents for remark in floors.lacking(content, brief)]
    assert len(found) > 8
    assert [remark for remark in found if not translated(CHINESE, remark, {})] == []


def test_keys_are_titles_in_english_too() -> None:
    assert "'Second' needs 'Third'" in translated(
        ENGLISH, NEEDS, {"b/second": "Second", "b/third": "Third"}
    )


def test_every_known_reason_is_in_the_code() -> None:
    constants = "\n".join(
        node.value
        for room in ("core", "roadmap", "tasks")
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(parse_python(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    pieces = [
        (text, piece)
        for text in set(KNOWN) - set(STORED_BY_EARLIER_VERSIONS)
        for piece in re.split(r"'?%\(\w+\)s'?\.?", MADE_OF.sub("", text))
    ]
    assert [text for text, piece in pieces if piece not in constants] == []


def test_joined_sentences_are_escaped_once() -> None:
    joined = Sentences(ENGLISH).joined(Markup("It&#39;s late."), "1 < 2.")
    assert joined == Markup("It&#39;s late. 1 &lt; 2.")


def test_sentences_are_joined_with_a_space_only_where_the_language_has_one() -> None:
    assert Sentences(ENGLISH).joined("One.", "", "Two.") == "One. Two."
    assert Sentences(CHINESE).joined("一。", "", "二。") == "一。二。"


@pytest.mark.usefixtures("rye_bread")
def test_a_chinese_page_has_chinese_punctuation_and_marks_english_tracks(
    client: TestClient,
) -> None:
    client.headers.update({**HTML, **CHINESE_READER})
    client.follow_redirects = False
    start = text_of(client.get("/"))
    assert start.count("（英文）") == 1
    assert "现成的路线图，点一下就开始：" in start
    path = client.post("/roadmaps", data={"goal": "Python", "language": ""}).headers["location"]
    page = client.get(path).text
    assert ">Markdown</a>：一份" in page
    assert "；<a" in page
    hours = client.get(f"{API}{path}").json()["hours"]
    assert re.search(rf"共 {hours} 小时。\S+。本周", page)
