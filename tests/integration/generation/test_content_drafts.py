"""A tutorial is read while a model writes it: on the stream of events, and on the lesson's page."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from testing.provider import Handler, providing
from testing.servers import Postgres, Redis
from testing.stack import CALM, NO_TLS, Stack, answer_to, embedded_stack, running, server_stack
from testing.waiting import BRIEF, HANG, wait_until
from tests.cases import SERVER_IN_SHORT
from tests.chaos.model import ANALYSIS, KINDS, PATIENT, TUTORIAL, WRITTEN

FIRST = "Why <b>knead</b>? ![](https://a.org/x.png)\n\n## Kneading 写\n\n"
HTML = {"Accept": "text/html"}
CONCEPT = {
    **{"key": "dough", "title": "Dough", "description": "What it is.", "hours": 3},
    **{"difficulty": 2, "prerequisites": [], "outcomes": ["do it"]},
}
MODULE = {"key": "basics", "title": "Basics", "description": "First.", "concepts": [CONCEPT]}
STAGE = {"key": "start", "title": "Start", "description": "First.", "modules": [MODULE]}
ANSWERS = {"analysis": ANALYSIS, "outline": {"title": "Bread", "stages": [STAGE]}, **WRITTEN}


class Author:
    """Streams; writes the first part of each tutorial, and the rest when it may."""

    def __init__(self) -> None:
        self.may_go_on, self.hung_up = threading.Event(), threading.Event()

    def answer(self, handler: Handler) -> None:
        kind = KINDS[handler.asked["response_format"]["json_schema"]["name"]]
        whole = {"markdown": FIRST + TUTORIAL} if kind == "tutorial" else ANSWERS[kind]
        text = json.dumps(whole)
        cut = len(json.dumps({"markdown": FIRST})) - 2 if kind == "tutorial" else len(text)
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.end_headers()
        try:
            self._say(handler, text[:cut])
            if kind == "tutorial":
                while not self.may_go_on.wait(BRIEF):
                    handler.wfile.write(b": thinking\n\n")
            self._say(handler, text[cut:])
            self._say(handler, "", "stop")
        except OSError:
            self.hung_up.set()

    @staticmethod
    def _say(handler: Handler, text: str, ended: str | None = None) -> None:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": ended}
        handler.wfile.write(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")


@pytest.fixture
def author() -> Author:
    return Author()


@pytest.fixture(params=SERVER_IN_SHORT)
def writing(
    request: pytest.FixtureRequest, author: Author, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("writing")
    with providing(author.answer) as server:
        environment = {
            **{"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": server.url, "OPENAI_MODEL": "m"},
            **CALM,
            **PATIENT,
        }
        if request.param == "embedded":
            stack = embedded_stack(folder, **environment)
        else:
            postgres: Postgres = request.getfixturevalue("postgres")
            stack = server_stack(
                folder, postgres, request.getfixturevalue("own_broker"), **environment
            )
        try:
            with running(stack):
                yield stack
        finally:
            author.may_go_on.set()


@contextmanager
def messages(stack: Stack, path: str) -> Iterator[Iterator[dict[str, str]]]:
    """The messages of a stream, each by the names of its fields."""

    def parsed(lines: Iterator[str]) -> Iterator[dict[str, str]]:
        message: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            if not line and message:
                yield message
                message = {}
            elif line and name:
                message[name] = f"{message[name]}\n{value}" if name in message else value

    with httpx2.stream(
        "GET", stack.url + path, headers={**stack.headers, **HTML}, timeout=HANG, verify=NO_TLS
    ) as answer:
        assert answer.status_code == 200, answer.read()
        yield parsed(answer.iter_lines())


def lesson_of(stack: Stack, path: str) -> str:
    """The path of the page of the concept, once its tutorial is being written."""

    def concept() -> Any:
        stages = stack.get(path).json()["stages"]
        found = stages and stages[0]["modules"][0]["concepts"][0]
        return found and found["contents"]["tutorial"]["status"] == "building" and found

    return f"{path.removeprefix('/api/v1')}/concepts/{wait_until(concept)['id']}"


def drafts_left(stack: Stack, broker: Redis | None) -> list[Any]:
    if broker is None:
        return list((stack.folder / "data" / "drafts").glob("*"))
    return list(broker.client().scan_iter("roadmap:drafts:*"))


@pytest.fixture
def its_broker(request: pytest.FixtureRequest, writing: Stack) -> Redis | None:
    return request.getfixturevalue("own_broker") if writing.mode == "server" else None


def test_a_tutorial_is_read_while_it_grows(
    writing: Stack, author: Author, its_broker: Redis | None
) -> None:
    path = writing.create("Learn to bake bread")
    lesson = lesson_of(writing, path)
    with messages(writing, f"{path}/events?drafts=true") as stream:
        seen = []
        for message in stream:
            seen.append(message)
            if message.get("event") == "content_draft":
                break
        draft = seen[-1]
        assert "id" not in draft
        assert all("id" in each for each in seen[:-1])
        data = json.loads(draft["data"])
        assert data.keys() == {"type", "data", "at"}
        text = data["data"].pop("markdown")
        assert data["data"] == {"concept_id": lesson.rpartition("/")[2], "kind": "tutorial"}
        assert text.startswith(r"Why \<b>knead\</b>? [](https://a.org/x.png)")
        assert text.endswith("## Kneading 写")
        page = wait_until(
            lambda: (
                (answer := writing.get(lesson, headers=HTML)).status_code == 200
                and "Kneading 写" in answer.text
                and answer.text
            )
        )
        assert "&lt;b&gt;knead" in page
        assert "<img" not in page
        with messages(
            writing, f"{lesson.partition('/concepts/')[0]}/live?draft={lesson[-36:]}"
        ) as (live):
            shown = next(each for each in live if "data" in each)
            assert shown.keys() == {"data"}
            assert "Kneading 写</h3>" in shown["data"]
            if writing.mode == "server":
                stranger = writing.register()
                for hidden in (f"{path}/events?drafts=true", f"{lesson}", f"{lesson}?seen=1"):
                    answer = answer_to("GET", writing.url + hidden, headers=stranger)
                    assert answer.status_code == 404
            author.may_go_on.set()
            last = [each for each in live if "event" in each]
            assert [each["event"] for each in last] == ["written", "end"]
        rest = [each for each in stream if each.get("event") != "content_draft"]
    ids = [int(each["id"]) for each in [*seen[:-1], *rest]]
    assert ids == list(range(1, len(ids) + 1))
    assert rest[-1]["event"] == "roadmap.ready"
    assert drafts_left(writing, its_broker) == []
    assert "content_draft" not in writing.get(f"{path}/events").text
    assert 'id="draft"' not in writing.get(lesson, headers=HTML).text


def test_a_cancelled_call_hangs_up_and_its_draft_is_deleted(
    writing: Stack, author: Author, its_broker: Redis | None
) -> None:
    path = writing.create("Learn to bake bread")
    wait_until(lambda: drafts_left(writing, its_broker), reason="the tutorial is shown")
    assert writing.post(f"{path}/cancel", json={}).status_code == 202
    assert author.hung_up.wait(HANG)
    wait_until(lambda: not drafts_left(writing, its_broker), reason="the draft is deleted")
    assert writing.finished(path)["status"] == "cancelled"
