"""`roadmap mcp` as a process of its own, started by the official client, and its server here."""

import asyncio
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from mcp import Client

from mcp_server.server import AgentSession, agent_session, server
from roadmap_client import AsyncRoadmapClient
from testing.commands import ROADMAP, command
from testing.servers import free_port
from testing.stack import GOAL, Stack, answer_to
from testing.waiting import HANG, wait_until
from tests.agents import HELLO, call, learn, over_stdio, refusal


def test_the_whole_path_over_standard_input_and_output(
    shared_embedded: Stack, tmp_path: Path
) -> None:
    log = tmp_path / "stderr"
    shared_embedded.request("PUT", "/api/v1/review-limits", json={"reviews": 500, "new": 500})
    place = over_stdio({"ROADMAP_URL": shared_embedded.url}, learn, log=log)
    assert log.read_text() == ""
    assert int(place["reports"]) > 0
    entries = shared_embedded.get("/api/v1/admin/audit?limit=100").json()["items"]
    its = {"roadmap": place["roadmap_id"]}
    targets = {each["target"] for each in entries if each["details"] == its}
    assert targets >= {"create_roadmap", "answer_quiz", "finish_part", "set_progress"}
    assert entries[0]["target"] == "rate_review"  # perhaps of another roadmap of this service


def refused(url: str, key: str | None = None) -> str:
    """The sentence of a tool for that service, without a process."""

    async def ask() -> str:
        async with AsyncRoadmapClient(url, key, patience=3) as service:
            agent_session.set(AgentSession(service))
            async with Client(server) as client:
                return await refusal(client, "today")

    return asyncio.run(ask())


def test_without_a_service_tools_say_what_to_do() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert refused(url).endswith(f"Start the service at {url} (`make run`), or set ROADMAP_URL.")


def test_a_wrong_key_is_named_but_not_shown(shared_server: Stack) -> None:
    answer = refused(shared_server.url, "rmk_wrong")
    assert "The API key is unknown, expired or revoked." in answer
    assert "Set ROADMAP_API_KEY" in answer
    assert "rmk_wrong" not in answer


def processes(folder: Path) -> list[int]:
    """The processes whose data is in this folder."""
    variable = f"DATA_DIR={folder}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if variable in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:
            continue
    return found


@contextmanager
def said_hello(environment: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A server that has answered, started by a client which speaks for itself."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [ROADMAP, "mcp", *arguments],
        env=command(environment),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(HELLO).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "roadmap"
        yield process


def ended(process: "subprocess.Popen[bytes]", number: signal.Signals) -> int:
    """The exit code after a signal; it has printed no more."""
    os.kill(process.pid, number)
    code = process.wait(HANG)
    assert process.stdout
    assert process.stdout.read() == b""
    return code


def test_a_signal_ends_it_and_the_service_whose_data_stay(tmp_path: Path) -> None:
    environment = {"PORT": str(free_port()), "DATA_DIR": str(tmp_path)}
    roadmaps = f"http://127.0.0.1:{environment['PORT']}/api/v1/roadmaps"
    for count, (number, code) in enumerate([(signal.SIGTERM, 143), (signal.SIGKILL, -9)]):
        with said_hello(environment, "--start") as process:
            assert len(answer_to("GET", roadmaps).json()["items"]) == count
            made = answer_to("POST", roadmaps, json={"goal": GOAL, "review": True})
            assert made.status_code == 202
            assert ended(process, number) == code
        wait_until(lambda: not processes(tmp_path), reason="the services have ended")
    with said_hello({}) as process:
        assert ended(process, signal.SIGINT) == 130


def test_two_at_once_share_one_service(tmp_path: Path) -> None:
    environment = {"PORT": str(free_port()), "DATA_DIR": str(tmp_path)}

    async def use(client: Client) -> int:
        made = await call(client, "create_roadmap", goal=GOAL)
        assert made["page"].startswith(f"http://127.0.0.1:{environment['PORT']}/roadmaps/")
        both.wait(HANG)
        found = await call(client, "list_roadmaps")
        both.wait(HANG)  # the service ends with the one that has started it
        return len(found["roadmaps"])

    both = threading.Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(over_stdio, environment, use, "--start") for _ in range(2)]
        assert [each.result() for each in asked] == [2, 2]
    wait_until(lambda: not processes(tmp_path), reason="the services have ended")


def test_a_client_that_reads_no_more_ends_it_quietly() -> None:
    with said_hello({}) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.write(json.dumps({**HELLO, "method": "ping"}).encode() + b"\n")
        process.stdin.close()
        assert process.stderr.read() == b""
