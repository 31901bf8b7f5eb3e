"""Agents: the official client of MCP, at `/mcp` of a service or beside `roadmap mcp`."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from roadmap.learning.progress import PASSING_PERCENT
from testing.commands import ROADMAP, command
from testing.stack import GOAL, NO_TLS, Stack
from testing.waiting import HANG

Result = TypeVar("Result")
Use = Callable[[Client], Awaitable[Result]]

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}  # the first message of a client


def over_http(
    stack: Stack, use: Use[Result], headers: Mapping[str, str], *, mode: str = "auto"
) -> Result:
    """The result of `use` with a client at /mcp that sends these headers.

    By default it speaks the newest protocol, and in the mode `legacy` that before 2026.
    """

    async def run() -> Result:
        async with httpx2.AsyncClient(headers=dict(headers), timeout=HANG, verify=NO_TLS) as http:
            transport = streamable_http_client(f"{stack.url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                return await use(client)

    return asyncio.run(run())


def over_stdio(
    environment: dict[str, str], use: Use[Result], *arguments: str, log: Path | None = None
) -> Result:
    """The result of `use` with a client that has started `roadmap mcp` and ends it afterwards."""
    server = StdioServerParameters(
        command=ROADMAP, args=["mcp", *arguments], env=command(environment)
    )

    async def run() -> Result:
        with (log or Path(os.devnull)).open("w") as errors:
            async with Client(stdio_client(server, errlog=errors)) as client:
                return await use(client)

    return asyncio.run(run())


def text_of(result: CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


async def call(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    """The data of a tool that succeeds."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    assert text_of(result)
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: object) -> str:
    """The sentence of a tool that fails."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert "Traceback" not in text_of(result)
    return text_of(result)


async def learn(client: Client) -> dict[str, str]:
    """The whole path, from a goal to a review. Returns its concept, and the reports of progress."""
    made = await call(client, "create_roadmap", goal=GOAL, level="advanced", hours_per_week=6)
    roadmap = {"roadmap_id": made["roadmap_id"]}
    seen: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    status = "queued"
    while status in ("queued", "planning", "building"):
        result = await client.call_tool("follow_roadmap", roadmap, progress_callback=note)
        assert isinstance(result.structured_content, dict)
        status = result.structured_content["status"]
    assert status == "ready"
    assert seen == sorted(set(seen))
    listed = await call(client, "list_roadmaps", words="Backend engineer")
    assert listed["roadmaps"][0]["roadmap_id"] == made["roadmap_id"]
    stages = (await call(client, "read_plan", **roadmap))["stages"]
    only = (await call(client, "read_plan", **roadmap, stage=2))["stages"]
    assert [each["title"] for each in only] == [stages[1]["title"]]
    beyond = await refusal(client, "read_plan", **roadmap, stage=99)
    assert beyond.endswith(f"Stage 99 does not exist; the plan has {len(stages)}.")
    place = {**roadmap, "concept_id": stages[0]["concepts"][0]["concept_id"]}

    piece = await call(client, "read_lesson", **place)
    whole: str = piece["markdown"]
    while piece["next_offset"]:
        piece = await call(client, "read_lesson", **place, offset=piece["next_offset"])
        whole += piece["markdown"]
    assert piece["resources"]
    assert "## Exercise" in whole
    assert "## Solution" not in whole
    solution = (await call(client, "read_lesson", **place, solution=True))["markdown"]
    assert solution.startswith("## Solution")
    text = text_of(await client.call_tool("read_lesson", place))
    assert "(Let the user try the exercise first." in text
    assert solution not in text
    [resource] = (
        await client.read_resource(
            f"roadmap://roadmaps/{place['roadmap_id']}/concepts/{place['concept_id']}"
        )
    ).contents
    assert getattr(resource, "text", "") == text

    quiz = await call(client, "take_quiz", **place)
    assert all(each.keys() == {"id", "type", "prompt", "options"} for each in quiz["questions"])
    empty: list[object] = [[] for _ in quiz["questions"]]
    attempt = {**place, "version": quiz["version"]}
    failed = await client.call_tool("answer_quiz", {**attempt, "answers": empty})
    assert (
        f"Not passed: this takes an answer to every question, and {PASSING_PERCENT} %"
        in text_of(failed)
    )
    assert "Do not submit corrected answers yourself" in text_of(failed)
    graded: Any = failed.structured_content
    assert not graded["passed"]
    right = [each["accepted"][:1] or each["right"] for each in graded["questions"]]
    answers = [each[0] if isinstance(each[0], str) else each for each in right]
    early = await client.call_tool("answer_quiz", {**attempt, "answers": answers})
    assert early.is_error
    assert "Read the lesson again before you retry its quiz" in text_of(early)
    assert (await call(client, "take_quiz", **place))["opens_at"]
    assert (await call(client, "record_progress", **place, lesson_read=True))["learned_at"] is None
    assert (await call(client, "take_quiz", **place))["opens_at"] is None
    passed = await call(client, "answer_quiz", **attempt, answers=answers)
    assert passed["passed"]

    other = {**roadmap, "concept_id": stages[0]["concepts"][1]["concept_id"]}
    assert "from the introduction, " in text_of(await client.call_tool("today", {}))
    finished = text_of(await client.call_tool("record_progress", {**other, "part": 1}))
    assert finished == "Part 1 finished. The concept is now: learning."
    empty_handed = await client.call_tool("record_progress", {**other, "exercise_done": True})
    assert "Write your attempt at the exercise" in text_of(empty_handed)
    tried = {**other, "exercise_attempt": "My own attempt.", "exercise_done": True}
    assert (await call(client, "record_progress", **tried))["progress"] == "done"
    stated = await call(client, "record_progress", **other, progress="done", spent_minutes=40)
    assert stated["spent_minutes"] == 40
    assert (await call(client, "record_progress", **other, progress="done"))["progress"] == "done"
    result = await client.call_tool("today", {})
    assert " min on 1 day.\n" in text_of(result)
    now: Any = result.structured_content
    assert now["review"]["question"].keys() >= {"prompt", "options"}
    assert f"\n({now['review']['question']['type']}) " in text_of(result)
    card = now["review"]["card_id"]
    reviewed = await call(client, "answer_review", card_id=card, answer=[])
    assert not reviewed["graded"]["is_right"]
    assert reviewed["review"]["card_id"] != card
    return {**place, "reports": str(len(seen))}
