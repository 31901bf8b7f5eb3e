"""`roadmap mcp` as a process of its own, started by the official client."""

import json
import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mcp import Client

from testing.commands import ROADMAP, command
from testing.servers import free_port
from testing.stack import Stack, answer_to
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


async def first(client: Client) -> str:
    return await refusal(client, "today")


def test_without_a_service_tools_say_what_to_do() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    answer = over_stdio({"ROADMAP_URL": url}, first)
    assert answer.endswith(f"Start the service at {url} (`make run`), or set ROADMAP_URL.")


def test_a_wrong_key_is_named_but_not_shown(shared_server: Stack) -> None:
    environment = {"ROADMAP_URL": shared_server.url, "ROADMAP_API_KEY": "rmk_wrong"}
    answer = over_stdio(environment, first)
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


def test_it_starts_a_service_whose_data_stay_and_ends_it(tmp_path: Path) -> None:
    port = free_port()
    environment = {"PORT": str(port), "DATA_DIR": str(tmp_path)}

    async def use(client: Client) -> int:
        made = await call(client, "create_roadmap", goal="Become a backend engineer in Python")
        assert made["page"].startswith(f"http://127.0.0.1:{port}/roadmaps/")
        return len((await call(client, "list_roadmaps"))["roadmaps"])

    assert [over_stdio(environment, use, "--start") for _ in range(2)] == [1, 2]
    wait_until(lambda: not processes(tmp_path), reason="the services have ended")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_a_signal_ends_it_and_its_service(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    port = free_port()
    process = subprocess.Popen(
        [ROADMAP, "mcp", "--start"],
        env=command({"PORT": str(port), "DATA_DIR": str(tmp_path)}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    with process:
        process.stdin.write(json.dumps(HELLO).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "roadmap"
        url = f"http://127.0.0.1:{port}/health"
        assert answer_to("GET", url).status_code == 200
        os.kill(process.pid, number)
        assert process.wait(HANG) == code
        assert process.stdout.read() == b""
    wait_until(lambda: not processes(tmp_path), reason="the services have ended")


def test_two_at_once_share_one_service(tmp_path: Path) -> None:
    environment = {"PORT": str(free_port()), "DATA_DIR": str(tmp_path)}

    async def use(client: Client) -> int:
        found = await call(client, "list_roadmaps")
        both.wait(HANG)  # the service ends with the one that has started it
        return len(found["roadmaps"])

    both = threading.Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(over_stdio, environment, use, "--start") for _ in range(2)]
        assert [each.result() for each in asked] == [0, 0]
    wait_until(lambda: not processes(tmp_path), reason="the services have ended")


def test_a_client_that_reads_no_more_ends_it_quietly() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [ROADMAP, "mcp"], env=command({}), stdin=pipe, stdout=pipe, stderr=pipe
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(json.dumps(HELLO).encode() + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(json.dumps({**HELLO, "method": "ping"}).encode() + b"\n")
        process.stdin.close()
        assert process.stderr.read() == b""
