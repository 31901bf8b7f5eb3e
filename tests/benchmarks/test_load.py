"""The load generator against a real server, and the smallest run of a subject by its command."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.contenders import PATH, Bare
from benchmarks.ground import Ground
from benchmarks.load import LoadFailed, Plan, held, load, request
from testing.stack import ROOT, clean_environment
from testing.waiting import wait_until

SECONDS = 0.3
pytestmark = pytest.mark.timeout(1800)  # whole benchmarks run


@pytest.fixture(scope="module")
def bare() -> Iterator[Bare]:
    contender = Bare()
    with Ground() as ground, contender.serving(ground):
        yield contender


def test_a_closed_load_keeps_every_connection_busy(bare: Bare) -> None:
    found = load(Plan(bare.port, bare.posts(named=True), 202, SECONDS, warm_up=0.1, connections=4))
    assert found.rate * SECONDS <= found.answered
    assert 0 < found.latencies["p50"] <= found.latencies["p99"] <= found.latencies["max"]
    assert found.cpu > 0


def test_an_open_load_sends_at_its_rate(bare: Bare) -> None:
    found = load(Plan(bare.port, bare.posts(), 202, SECONDS, warm_up=0.1, connections=4, rate=100))
    assert found.answered == 40  # those of the warm-up, too
    assert 0 < found.latencies["p50"] <= found.latencies["max"]


def test_another_answer_than_the_expected_one_fails_the_load(bare: Bare) -> None:
    with pytest.raises(
        LoadFailed, match=r"expected 202, but there were answers \{'404': .*Not Found"
    ):
        load(Plan(bare.port, [request("GET", "/nowhere", {})], 202, SECONDS, connections=2))


def test_a_server_that_is_away_fails_the_load() -> None:
    with pytest.raises(LoadFailed, match=r"Connect|refused"):
        load(Plan(1, [request("GET", PATH, {})], 200, SECONDS))


def connections_of(port: int) -> list[str]:
    """Of the server at this port, those that are open; as the kernel has them."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [line[1] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "01"]


def test_streams_that_end_are_noticed(bare: Bare) -> None:
    with (
        pytest.raises(LoadFailed, match="0 of 2 streams are open"),
        held(bare.port, [request("GET", "/health", {"Connection": "close"})] * 2),
    ):
        wait_until(lambda: not connections_of(bare.port), reason="the server has ended both")


def test_a_run_leaves_figures_and_prints_a_table(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "embedded", "--quick", "--rounds", "2"]
    command += ["--json", str(tmp_path / "figures.json")]
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [(sample["measure"], sample["round"]) for sample in figures["samples"]] == [
        ("goal to ready, s", 0),
        ("goal to ready, s", 1),
    ]
    assert "round 2 of 2" in ended.stderr
    assert "| embedded mode: goal to all contents | " in ended.stdout
