"""The extra `mcp`: small descriptions, and a service that works without it."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent

from mcp_server.results import LARGEST as LARGEST_RESULT
from mcp_server.results import MOST_CONCEPTS, explain, plan_result, result_of
from mcp_server.server import AgentSession, agent_session, server
from roadmap_client import ApiProblem, AsyncRoadmapClient, InvalidRequest
from testing.waiting import BRIEF
from tests.agents import refusal, text_of
from tests.unit.alone import run_alone

LARGEST = 12 * 1024  # bytes of all descriptions, which a model reads before it begins
WITHOUT = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("mcp", "mcp_types"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import roadmap_app, roadmap_cli, tasks
from pathlib import Path
for file in Path("cli").glob("*.py"):
    importlib.import_module(f"cli.{file.stem}")
extra = {"mcp", "mcp_types", "mcp_server"}
loaded = [name for name in sys.modules if name.partition(".")[0] in extra]
assert not loaded, loaded
from core.db import settings
from core.migrate import migrate
from starlette.testclient import TestClient
migrate(settings)
with TestClient(roadmap_app.app, base_url="http://127.0.0.1") as client:
    answer = client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    print(answer.status_code, answer.json()["detail"])
    assert client.get("/api/v1/today").status_code == 200
roadmap_cli.main(["mcp"])
"""


def test_the_tools_are_few_described_in_few_words_and_annotated() -> None:
    async def read() -> tuple[str, int, set[bool | None]]:
        async with Client(server) as client:
            listed = await client.list_tools()
        text = listed.model_dump_json(by_alias=True, exclude_none=True)
        hints = {each.annotations and each.annotations.read_only_hint for each in listed.tools}
        return text, len(listed.tools), hints

    text, count, hints = asyncio.run(read())
    assert 8 <= count <= 11
    assert len(text.encode()) <= LARGEST
    assert hints == {True, False}
    for tool in json.loads(text)["tools"]:
        assert len(tool["description"]) > 40
        assert all(
            "description" in field or {"enum", "default"} & field.keys()
            for field in tool["inputSchema"]["properties"].values()
        ), tool["name"]


def test_wrong_arguments_have_one_sentence_each() -> None:
    async def refused() -> str:
        place = {"roadmap_id": "1", "version": 1, "answers": [{}]}
        async with Client(server) as client:
            return await refusal(client, "answer_quiz", **place)

    assert asyncio.run(refused()) == (
        "roadmap_id: Input should be a valid UUID, invalid length: found 1. "
        "concept_id: Field required. "
        "answers: Input should be a valid list, or Input should be a valid string."
    )


@pytest.mark.parametrize(
    ("count", "stage", "end"),
    [
        (MOST_CONCEPTS, None, ""),
        (MOST_CONCEPTS + 2, None, "are shown, 2 are not. Pass `stage` to read one stage."),
        (MOST_CONCEPTS + 2, 1, "are shown, 2 are not."),
    ],
)
def test_a_plan_says_how_many_concepts_it_leaves_out(
    count: int, stage: int | None, end: str
) -> None:
    concept = {
        **{"id": "1", "title": "a", "hours": 1, "week": 1, "progress": "todo"},
        "reading_minutes": 9,
        "contents": {"tutorial": {"version": 1}},
    }
    modules = [{"title": "a", "concepts": [concept] * count}]
    tree = {
        **{"id": "1", "title": "a", "goal": "a", "status": "ready", "error": "", "weeks": 1},
        **{"hours_per_week": 1, "progress": {"ready": 1, "total": 1}},
        **{"learned": {"done": 0, "learned": 0, "total": count}},
        "stages": [{"title": "a", "hours": count, "modules": modules}],
    }
    text, _ = plan_result(tree, stage)
    assert text.count("concept_id") == MOST_CONCEPTS
    assert text.splitlines()[-1].endswith(end)
    assert ("shown" in text) is bool(end)


def test_the_prompt_asks_for_what_is_not_given() -> None:
    async def asked(**given: str) -> str:
        async with Client(server) as client:
            [message] = (await client.get_prompt("plan_my_learning", given)).messages
        assert isinstance(message.content, TextContent)
        return message.content.text.split(". Then")[0]

    assert asyncio.run(asked(goal="SQL", level="beginner")) == (
        "I want to learn: SQL. Level: beginner.\nAsk me for: hours per week, what I already know"
    )
    assert asyncio.run(asked(goal="SQL", level="beginner", hours_per_week="5")) == (
        "I want to learn: SQL. Level: beginner. Hours per week: 5.\nAsk me for: what I already know"
    )


def test_a_mistake_with_a_prompt_has_a_sentence_and_no_log_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refused() -> None:
        async with Client(server) as client:
            with pytest.raises(MCPError, match="Missing required arguments"):
                await client.get_prompt("plan_my_learning")
            with pytest.raises(MCPError, match="Unknown prompt: unknown"):
                await client.get_prompt("unknown")

    asyncio.run(refused())
    assert caplog.records == []


def test_a_response_that_never_ends_holds_no_tool_or_resource(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mcp_server.server.LONGEST_CALL", BRIEF)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        never = asyncio.get_running_loop().create_future()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with suppress(ConnectionError):  # the client has gone
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.wait([never], timeout=BRIEF / 4)

    async def refused() -> str:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as service:
            port = service.sockets[0].getsockname()[1]
            async with AsyncRoadmapClient(f"http://127.0.0.1:{port}") as roadmap:
                agent_session.set(AgentSession(roadmap))
                async with Client(server) as client:
                    with pytest.raises(MCPError, match=f"did not answer within {BRIEF} s"):
                        await client.read_resource(f"roadmap://roadmaps/{uuid4()}")
                    return await refusal(client, "today")

    assert asyncio.run(refused()).startswith(f"The service did not answer within {BRIEF} s.")


def test_an_error_names_problem_cause_and_remedy() -> None:
    busy = ApiProblem(429, {"detail": "Rate limit exceeded."}, retry_after=7)
    assert explain(busy, "") == "Rate limit exceeded. Wait 7 s, then repeat it."
    wrong = {"pointer": "#/goal", "detail": "should have at least 2 characters"}
    invalid = ApiProblem(422, {"detail": "Some fields are not valid.", "errors": [wrong]}, None)
    assert explain(invalid, "") == f"Some fields are not valid. #/goal {wrong['detail']}."
    foreign = ApiProblem(422, {"detail": "No.", "errors": [{"pointer": "/a"}]}, None)
    assert explain(foreign, "") == "No. /a."
    assert explain(InvalidRequest("A header is not valid."), "") == (
        "A header is not valid. Check ROADMAP_URL, ROADMAP_API_KEY and the arguments."
    )


def test_a_result_that_is_too_long_says_how_to_get_less() -> None:
    assert not result_of("a" * LARGEST_RESULT, {}).is_error
    refused = result_of("a" * (LARGEST_RESULT + 1), {})
    assert refused.is_error
    assert text_of(refused) == (
        "The result is too long (64,001 characters). Ask for less: a smaller limit, or one stage."
    )


def test_everything_else_works_without_it(tmp_path: Path) -> None:
    run = run_alone(WITHOUT, {"SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path)})
    assert run.stdout.startswith("404 The MCP server is not installed here."), run
    assert run.returncode == 1, run
    assert "Error: The MCP server is not installed. Run `make mcp` in a checkout" in run.stderr
    assert "pip install" not in run.stdout + run.stderr, "no name that an index may not have"
