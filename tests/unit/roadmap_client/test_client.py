"""`roadmap_client` against faulty HTTP servers on this machine, and by itself."""

import asyncio
import contextlib
import gzip
import json
import logging
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from examples.client import Roadmap
from roadmap_client import (
    ApiError,
    ApiProblem,
    InvalidRequest,
    InvalidResponse,
    NoResponse,
    RoadmapClient,
    results,
)
from testing.stack import ROOT
from testing.waiting import BRIEF, HANG
from tests.cases import try_each
from tests.unit.alone import run_alone
from tests.unit.cli.test_api_client import Other, serving

SECRET = "rmk_" + "x" * 43
EVENTS = "/api/v1/roadmaps/1/events"
SCHEMAS = json.loads((ROOT / "web" / "openapi.json").read_text("utf-8"))["components"]["schemas"]
SCHEMA_OF = {
    **{"Accepted": "Accepted", "RoadmapSummary": "RoadmapSummary", "Roadmap": "LinkedTree"},
    **{"Stage": "StageNode", "Module": "ModuleNode", "ConceptNode": "ConceptNode"},
    **{"Concept": "ConceptDetail", "Attempt": "Attempt"},
}
JSON_TYPES = {
    **{str: "string", int: "integer", bool: "boolean", list: "array", dict: "object"},
    type(None): "null",
}


def events_of(content: bytes, **headers: str) -> list[Any]:
    """The events of a stream with this content that then ends in order."""

    def tell(handler: Other) -> None:
        resumed = handler.headers["last-event-id"] != "0"
        handler.say(b"" if resumed else content, 204 if resumed else 200, **headers)

    with serving(tell) as url, RoadmapClient(url) as client:
        return list(client.events(EVENTS))


def event(seq: int, **data: str) -> bytes:
    content = json.dumps({"seq": seq, "type": "a", "data": data, "at": ""}, ensure_ascii=False)
    return f"id: {seq}\nevent: a\ndata: {content}\n\n".encode()


@pytest.mark.usefixtures("pauses")
class TestStream:
    def test_lines_end_as_those_of_event_streams_do(self) -> None:
        """U+2028 and U+0085 end lines elsewhere, and stand in titles as they are."""
        title = "a\u2028b\u0085c\x0b"
        (found,) = events_of(event(1, title=title).replace(b"\n", b"\r\n"))
        assert found["data"] == {"title": title}

    def test_a_tutorial_that_is_being_written_has_no_number(self) -> None:
        draft = b'event: content_draft\ndata: {"type":"content_draft","data":{},"at":""}\n\n'
        assert [each["seq"] for each in events_of(draft + event(4) + draft)] == [0, 4, 0]

    def test_an_endless_line_is_an_error(self) -> None:
        with pytest.raises(InvalidResponse, match="bytes"):
            events_of(b"data: " + b"x" * 1_100_000)

    def test_a_type_that_is_no_text_is_an_error(self) -> None:
        with pytest.raises(InvalidResponse, match="malformed"):
            events_of(b'data: {"seq": 1, "type": 1}\n\n')

    def test_events_that_come_again_are_left_out_and_no_sign_of_life(self) -> None:
        """As behind a proxy that drops Last-Event-ID."""
        asked: list[str] = []

        def repeat(handler: Other) -> None:
            asked.append(handler.path)
            handler.say(event(1) + event(2), 204 if len(asked) > 20 else 200)

        with serving(repeat) as url, RoadmapClient(url, patience=0.3) as client:
            events = client.events(EVENTS)
            assert [next(events)["seq"], next(events)["seq"]] == [1, 2]
            with pytest.raises(NoResponse):
                next(events)

    def test_patience_also_limits_what_a_server_asks_for_after_events(self) -> None:
        asked: list[str] = []

        def close(handler: Other) -> None:
            asked.append(handler.path)
            if len(asked) == 1:
                handler.say(event(1))
            else:
                handler.say(b"{}", 503, Retry_After="86400")

        with serving(close) as url, RoadmapClient(url, patience=5) as client:
            events = client.events(EVENTS)
            assert next(events)["seq"] == 1
            with pytest.raises(ApiProblem) as caught:
                next(events)
        assert caught.value.retry_after == 86_400

    def test_an_event_without_its_end_is_none(self) -> None:
        assert [each["seq"] for each in events_of(event(1) + event(2)[:-1])] == [1]


class TestKey:
    def test_it_goes_to_no_other_host(self) -> None:
        asked: list[str | None] = []
        with serving(lambda other: asked.append(other.headers["authorization"])) as elsewhere:

            def redirect(handler: Other) -> None:
                handler.say(b"", 307, Location=f"{elsewhere}/api/v1/today")

            with serving(redirect) as url, RoadmapClient(url, SECRET) as client:
                with pytest.raises(ApiProblem) as caught:
                    client.get("/api/v1/today")
                for path in (f"{elsewhere}/api/v1/today", "", "api/v1/today"):
                    with pytest.raises(InvalidRequest):
                        client.get(path)
        assert (caught.value.status, caught.value.type, asked) == (307, "about:blank", [])

    def test_it_is_in_no_text(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        errors: list[ApiError] = []
        with serving(lambda handler: handler.say(b"<html>", 500)) as url:
            for key in (SECRET, f"{SECRET}\r", f"{SECRET}\u00e9", f"{SECRET}\udce9"):
                with RoadmapClient(url, key, patience=0) as client, pytest.raises(ApiError) as e:
                    client.get(EVENTS)
                errors.append(e.value)
        assert [type(each) for each in errors] == [
            ApiProblem,
            InvalidRequest,
            ApiProblem,
            ApiProblem,
        ]
        assert SECRET not in f"{client!r} {errors!r} {errors[0]} {errors[1]} {caplog.text}"


class TestAnswer:
    def test_one_that_is_too_long_is_an_error_also_when_it_is_compressed(self) -> None:
        content = gzip.compress(bytes(65 * 1024 * 1024), 1)
        with (
            serving(lambda handler: handler.say(content, Content_Encoding="gzip")) as url,
            RoadmapClient(url) as client,
            pytest.raises(InvalidResponse, match="more than"),
        ):
            client.get(EVENTS)

    def test_one_that_drips_without_end_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("roadmap_client.client.SLOWEST", BRIEF / HANG)  # each byte has its time

        def drip(handler: Other) -> None:
            handler.send_response(200)
            handler.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    handler.wfile.write(b"x")

        with (
            serving(drip) as url,
            RoadmapClient(url, timeout=HANG) as client,
            pytest.raises(InvalidResponse, match=f"over {BRIEF} seconds"),
        ):
            client.get(EVENTS)

    def test_one_that_is_compressed_is_read(self) -> None:
        content = gzip.compress(b'{"a": 1}')
        with (
            serving(lambda handler: handler.say(content, Content_Encoding="gzip")) as url,
            RoadmapClient(url) as client,
        ):
            assert client.get(EVENTS) == {"a": 1}
            assert client.request("GET", EVENTS).json() == {"a": 1}

    def test_its_headers_may_have_any_bytes(self) -> None:
        with (
            serving(lambda handler: handler.say(b"{}", X_Name="\u00e9")) as url,
            RoadmapClient(url) as client,
        ):
            assert client.request("GET", EVENTS).headers["x-name"] == "\u00e9"

    @try_each("content", [b"<html>", b"[1]", b"", b"{" * 100_000, b'{"a":' * 100_000])
    def test_one_that_is_no_object_is_an_error(self, content: bytes) -> None:
        with (
            serving(lambda handler: handler.say(content)) as url,
            RoadmapClient(url) as client,
            pytest.raises(InvalidResponse),
        ):
            client.get(EVENTS)


class TestError:
    @try_each(
        "error",
        [
            ApiProblem(409, {"type": "/a", "detail": "b", "errors": [{"pointer": "#/c"}]}, 3.0),
            NoResponse("A.", broken_streams=True),
            InvalidRequest("a"),
        ],
    )
    def test_it_can_be_pickled(self, error: ApiError) -> None:
        copied = pickle.loads(pickle.dumps(error))
        assert (str(copied), repr(copied), vars(copied)) == (str(error), repr(error), vars(error))

    @try_each(
        "ask",
        [
            lambda client: client.get("/\x00"),
            lambda client: client.get("/", params={"q": "\udce9"}),
            lambda client: client.post("/", {"goal": "\udce9"}),
            lambda client: client.post("/", key="\u043a"),
            lambda client: next(client.events("/\udce9")),
            lambda client: RoadmapClient("localhost:8000").get("/"),
        ],
    )
    def test_a_request_that_cannot_be_sent_is_not_retried(
        self, ask: Callable[[RoadmapClient], object]
    ) -> None:
        with RoadmapClient("http://127.0.0.1:1") as client, pytest.raises(InvalidRequest):
            ask(client)


@pytest.mark.parametrize("client_type", [RoadmapClient, Roadmap])
def test_a_roadmap_with_questions_is_not_waited_for(client_type: Callable[[str], Any]) -> None:
    asked: list[str] = []
    question = event(3).replace(b'"type": "a"', b'"type": "roadmap.awaiting_answers"')

    def answer(handler: Other) -> None:
        asked.append(handler.path)
        if asked.count(EVENTS) > 1:
            handler.say(b"", 204)
        else:
            handler.say(question if handler.path == EVENTS else b'{"status": "awaiting_answers"}')

    with serving(answer) as url:
        assert client_type(url).wait("1")["status"] == "awaiting_answers"
    assert asked == [EVENTS, EVENTS.removesuffix("/events")]


def test_the_blocking_client_works_beside_a_running_loop() -> None:
    async def inside(url: str) -> list[Any]:
        with RoadmapClient(url) as client:
            return [client.get("/"), next(client.events(EVENTS))["seq"]]

    with serving(lambda handler: handler.say(b"{}" if handler.path == "/" else event(7))) as url:
        assert asyncio.run(inside(url)) == [{}, 7]


def types_of(schema: dict[str, Any]) -> set[str]:
    """The JSON types of a part of the description."""
    if "$ref" in schema:
        return types_of(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return set().union(*map(types_of, schema["anyOf"]))
    return {schema["type"]}


def types_of_hint(hint: Any) -> set[str]:
    if args := get_args(hint) if isinstance(hint, UnionType) else ():
        return set().union(*map(types_of_hint, args))
    return {"object" if is_typeddict(hint) else JSON_TYPES[get_origin(hint) or hint]}


def test_results_are_those_of_the_description() -> None:
    for name, schema in SCHEMA_OF.items():
        properties = SCHEMAS[schema]["properties"]
        hints = get_type_hints(getattr(results, f"{name}Json"))
        declared = {field: types_of_hint(hint) for field, hint in hints.items()}
        described = {field: types_of(properties[field]) for field in hints}
        assert declared == described, name


ALONE = """
from mypy.api import run
print(run("--strict --config-file= --no-incremental program.py".split())[0])
import roadmap_client as it
it.RoadmapClient("http://127.0.0.1:1", patience=0).get("/")
"""


def test_a_copy_works_by_itself_and_a_wrong_field_is_an_error_of_types(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "roadmap_client", tmp_path / "roadmap_client")
    shutil.copy(ROOT / "roadmap_client" / "results.py", tmp_path)
    (tmp_path / "program.py").write_text(
        "from results import RoadmapJson\n"
        "def print_(tree: RoadmapJson) -> None:\n"
        "    print(tree['stages'][0]['modules'][0]['concepts'][0]['week'])\n"
        "    print(tree['titel'])\n"
    )
    run = run_alone(ALONE, folder=tmp_path)
    assert "roadmap_client.errors.NoResponse: The service cannot be reached: " in run.stderr
    assert [line for line in run.stdout.splitlines() if "error:" in line] == [
        'program.py:4: error: TypedDict "RoadmapJson" has no key "titel"  [typeddict-item]'
    ]


def test_it_is_short() -> None:
    """At most 400 lines, without blank ones and docstrings."""
    texts = [file.read_text("utf-8") for file in (ROOT / "roadmap_client").glob("*.py")]
    code = "\n".join(re.sub(r'^ *"""[\s\S]*?"""$', "", text, flags=re.MULTILINE) for text in texts)
    assert len([line for line in code.splitlines() if line.strip()]) <= 400
