"""Pages as text and tags, and roadmaps to show on them."""

import re
from typing import Any

import httpx2
from starlette.testclient import TestClient

from testing.stack import GOAL

HTML = {"Accept": "text/html"}
CHINESE = {**HTML, "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}
PART = {**HTML, "HX-Request": "true"}
LARGEST = 60_000  # bytes of a page as it is sent
API = "/api/v1"


def made(person: TestClient, **fields: str) -> str:
    answer = person.post("/roadmaps", data={"goal": GOAL, **fields})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def tree_of(person: TestClient, path: str) -> dict[str, Any]:
    return dict(person.get(API + path).json())


def concepts_of(person: TestClient, path: str) -> list[dict[str, Any]]:
    return [
        c
        for stage in tree_of(person, path)["stages"]
        for module in stage["modules"]
        for c in module["concepts"]
    ]


def text_of(answer: httpx2.Response, status: int = 200) -> str:
    """Return the text that a reader sees, in one line."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    shown = re.sub(r"<(script|style|svg)\b.*?</\1>", "", answer.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", shown))


def sent_bytes(person: TestClient, path: str) -> int:
    with person.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
        return sum(len(chunk) for chunk in answer.iter_raw())
