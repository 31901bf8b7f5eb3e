"""The pages of a placement: plain forms, whose state is in their addresses."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qsl

import pytest
from starlette.testclient import TestClient

from tests.unit.roadmap.learning.test_placement import answered
from tests.unit.web.pages.page_text import API, concepts_of, text_of, tree_of

pytestmark = pytest.mark.usefixtures("short")
QUESTION = re.compile(r'<form method="post" action="([^"]+/placement\?[^"]*)"')


def action_at(person: TestClient, address: str) -> str:
    """Return where the question of this page is sent; empty when it has none."""
    found = QUESTION.search(person.get(address).text)
    return unescape(found[1]) if found else ""


def answer(person: TestClient, action: str, *, is_known: bool = True) -> str:
    """Answer a question rightly, or say that one does not know; return where that leads."""
    path, _, query = action.partition("?")
    state = {
        name: int(value) if name in ("revision", "seed") else value
        for name, value in parse_qsl(query, keep_blank_values=True)
    }
    found = person.post(API + path, json=state).json()
    body = answered(found)
    fields: dict[str, Any] = {name: body[name] for name in ("concept_id", "version")}
    match found["question"]["question"]["type"] if is_known else "unknown":
        case "unknown":
            fields["unknown"] = "on"
        case "typed":
            fields["chosen.text"] = body["chosen"]
        case "order":
            fields |= {f"chosen.{line}": at for at, line in enumerate(body["chosen"], 1)}
        case _:
            fields["chosen"] = body["chosen"]
    sent = person.post(action, data=fields)
    assert sent.status_code == 303, sent.text
    return str(sent.headers["location"])


def answer_all(person: TestClient, address: str) -> tuple[int, str]:
    """Return the number of questions, and the address of the proposal."""
    count = 0
    while action := action_at(person, address):
        address, count = answer(person, action), count + 1
        assert re.search(rf"results=(\d+r\.?){{{count}}}(&|$)", address)
    return count, address


def test_what_is_known_is_skipped_but_for_one(person: TestClient, roadmap: str) -> None:
    assert f'href="{roadmap}/placement"' in person.get(roadmap).text
    begin = person.get(f"{roadmap}/placement")
    assert re.search(r"Answer at most \d+ questions?\.", text_of(begin))
    assert "Question 1 of at most" in text_of(begin)
    count, address = answer_all(person, f"{roadmap}/placement")
    page = person.get(address)
    assert f"{count} of {count} correct" in text_of(page)
    proposed = re.findall(r'name="concept" value="([^"]+)" checked', page.text)
    assert len(proposed) == 3
    form = {"concept": [proposed[0], proposed[2]], "progress": "skipped"}
    sent = person.post(f"{roadmap}/placement/skip?{address.partition('?')[2]}", data=form)
    assert (sent.status_code, sent.headers["location"]) == (303, roadmap)
    progress = {each["id"]: each["progress"] for each in concepts_of(person, roadmap)}
    assert progress == {**dict.fromkeys(proposed, "skipped"), proposed[1]: "todo"}


def test_one_comes_back_by_the_address(person: TestClient, roadmap: str) -> None:
    action = action_at(person, f"{roadmap}/placement?seed=7")
    empty = person.post(action, data={})
    assert empty.status_code == 422
    assert "Choose an answer, or “I don&#39;t know”." in empty.text
    address = answer(person, action, is_known=False)
    assert re.search(r'<progress max="\d" value="1"', person.get(address).text)
    again = [action_at(person, address) for _ in range(2)]
    assert again[0] == again[1] != action
    address = answer(person, again[0])
    ended = text_of(person.get(f"{address}&ends=true"))
    assert re.search("1 of 2 correct|There is nothing to skip", ended)
    assert 'value="0"' in person.get(f"{roadmap}/placement").text
    assert {each["progress"] for each in concepts_of(person, roadmap)} == {"todo"}


def test_one_tests_out_of_a_module(person: TestClient, roadmap: str) -> None:
    module = tree_of(person, roadmap)["stages"][0]["modules"][0]
    link = f"{roadmap}/placement?module_id={module['id']}"
    assert f'href="{link}"' in person.get(roadmap).text
    assert module["title"] in unescape(person.get(link).text.partition("Breadcrumb")[2])
    count, address = answer_all(person, link)
    assert count == 6  # two of each concept
    form = {"concept": [each["id"] for each in module["concepts"]], "progress": "done"}
    person.post(f"{roadmap}/placement/skip?{address.partition('?')[2]}", data=form)
    assert {each["progress"] for each in concepts_of(person, roadmap)} == {"done"}
    assert link not in person.get(roadmap).text


def test_a_changed_plan_is_begun_again(person: TestClient, roadmap: str) -> None:
    action = action_at(person, f"{roadmap}/placement")
    key = concepts_of(person, roadmap)[0]["key"]
    rewrite = {"op": "rewrite", "what": "concept", "key": key, "hours": 9}
    assert person.post(f"{API}{roadmap}/edits", json={"operations": [rewrite]}).is_success
    answer = person.post(action, data={"unknown": "on"})
    assert answer.status_code == 409
    assert re.search(r'role="alert"[^>]*>[^<]*has changed in the meantime', answer.text)
    assert f'href="{roadmap}/placement">Begin again' in answer.text
