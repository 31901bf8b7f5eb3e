"""Use of resources: how it is measured, the stand-in model, and the committed results."""

import gzip
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from benchmarks.ground import BenchmarkFailed, machine, release_number
from benchmarks.processes import alone, cpu
from benchmarks.targets import PREFORK
from benchmarks.usage import measuring
from benchmarks.usage.__main__ import FULL, table
from benchmarks.usage.commands import Commands, tally
from benchmarks.usage.learning import Learner, document_of, exchanged
from benchmarks.usage.measuring import (
    Subject,
    beyond,
    come_to_rest,
    most_memory,
    rounded,
    size_of_tree,
)
from benchmarks.usage.model import text_for
from benchmarks.usage.stacks import APART, STACKS, TOGETHER, WITH_MODEL
from cli.costs.measured import MeasuredUsage, RoadmapSize, load
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.catalogue.loader import load_concept
from roadmap.generation.context import DesignBrief
from roadmap.generation.llm.schemas import (
    AnalysisDraft,
    OutlineDraft,
    QuizDraft,
    ResourcesDraft,
    TutorialDraft,
)
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.validation import problems
from testing.stack import GOAL, ROOT
from testing.waiting import BRIEF, HANG

REQUEST = RoadmapRequest(goal=GOAL)
PART = {"memory": 50.0, "memory_busy": 60.0, "cpu_idle": 0.001, "cpu_per_roadmap": 0.5}
STACK = {
    "parts": {
        "api": {**PART, "cpu_per_request": 0.002},
        "postgres": PART,
        "redis": {**PART, "cpu_idle": 0.0},
    },
    "commands_idle": 1.5,
    "commands_per_roadmap": 130,
    "commands_inside_scripts_per_roadmap": 900,
    "commands_per_request": 0,
    "stored_per_roadmap": 500_000,
    "sent_per_roadmap": 33_000,
    "sent_per_request": 9_600,
    "servers_cpu_per_request": {"postgres": 0.0007, "redis": 0.0},
}
DOCUMENT = {
    "date": "2026-01-05",
    "command": "make bench-usage WRITE=1",
    "seconds": 600,
    "machine": {"cores": "2"},
    "versions": {"Python": "3.11"},
    "settings": {"Redis": "8"},
    "effort": {"idle_seconds": 60, "roadmaps": 60, "requests": 400},
    "roadmap": {"concepts": 30, "contents": 90},
    "stacks": {"one": STACK, "other": {**STACK, "note": "Of another kind."}},
}


def subject(**changes: Any) -> Subject:
    return Subject(
        **{
            "name": "it",
            "parts": {},
            "api": "api",
            "database": "",
            "learner": Learner(1, {}),
            **changes,
        }
    )


def test_what_one_costs_is_what_all_cost_beyond_doing_nothing_and_never_less_than_nothing() -> None:
    assert beyond(spent=7.0, seconds=10, idle=0.1, count=60) == 0.1
    assert beyond(spent=0.9, seconds=10, idle=0.1, count=60) == 0


def test_figures_have_the_digits_that_they_can_mean() -> None:
    assert [rounded(value) for value in (123456, 0.000123456, 0)] == [123500, 0.0001235, 0]


def test_commands_count_from_the_begin_to_the_end_and_by_who_calls() -> None:
    class Monitor:
        commands = iter(
            [
                ("GET before", "tcp"),
                ("ECHO a", "tcp"),
                ("EVALSHA 1", "tcp"),
                ("GET x", "lua"),
                ("SET y", "lua"),
                ("ECHO b", "tcp"),
            ]
        )

        def next_command(self) -> dict[str, str]:
            command, kind = next(self.commands)
            return {"command": command, "client_type": kind}

    found = Commands()
    tally(Monitor(), found, "ECHO a", "ECHO b")
    assert found == Commands(of_clients=1, inside_scripts=2)


def test_the_time_of_a_child_that_has_ended_counts_once() -> None:
    before = cpu([os.getpid()])
    subprocess.run(
        [sys.executable, "-c", "import time\nwhile time.process_time() < 1: pass"], check=True
    )
    assert 0.9 < cpu([os.getpid()]) - before < 1.8


def test_the_most_memory_is_that_of_the_largest_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, enough = iter([1.0, 5.0]), threading.Event()

    def memory(_: object) -> float:
        found = next(seen, None)
        if found is None:
            enough.set()
        return found or 2.0

    monkeypatch.setattr(measuring, "LOOKS", 0.001)
    monkeypatch.setattr(measuring, "alone", memory)
    with most_memory({"api": 1}) as most:
        assert enough.wait(HANG)
    assert most == {"api": 5.0}


def test_at_rest_is_who_has_nothing_to_do_and_writes_nothing_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = iter([(1, 5), (1, 5), (0, 9), (0, 12), (0, 12), (0, 99)])
    monkeypatch.setattr(measuring, "STEADY", 0)
    monkeypatch.setattr(measuring, "ask", lambda *_: [next(looks)])
    come_to_rest(subject())
    assert next(looks) == (0, 99)
    monkeypatch.setattr(measuring, "ask", lambda *_: [(3, 7)])
    monkeypatch.setattr(measuring, "LONGEST", 0)
    with pytest.raises(
        BenchmarkFailed, match="it: after 0 s 3 roadmaps wait, and the log has 7 records"
    ):
        come_to_rest(subject())


@contextmanager
def server(says: Callable[[socket.socket, bytes], None]) -> Iterator[int]:
    """Its port; each connection sends one request, and is closed when it was answered."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    says(connection, connection.recv(65536))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


TREE = {
    "stages": [
        {
            "modules": [
                {"concepts": [{"contents": {"quiz": 1, "tutorial": 1}}, {"contents": {"quiz": 1}}]}
            ]
        }
    ]
}


def test_a_learner_counts_all_bytes_of_what_is_answered() -> None:
    accepted = b"HTTP/1.1 202 Accepted\r\nLocation: /api/v1/roadmaps/1\r\n\r\n{}"
    events = b"HTTP/1.1 200 OK\r\n\r\nevent: roadmap.ready\ndata: {}\n\n"
    zipped = gzip.compress(json.dumps(TREE).encode())
    tree = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (
        len(zipped),
        zipped,
    )

    def says(connection: socket.socket, asked: bytes) -> None:
        assert b"\r\nAccept-Encoding: gzip\r\nConnection: close\r\n" in asked
        connection.sendall(
            accepted if asked.startswith(b"POST") else events if b"/events " in asked else tree
        )

    with server(says) as port:
        learner = Learner(port, {"Authorization": "Bearer x"})
        assert learner.make(0, 3) == 3 * len(accepted + events)
        assert Learner(port, {}, follows=False).make(0, 3) == 3 * len(accepted)
        assert size_of_tree(document_of(learner.read("/api/v1/roadmaps/1"))) == RoadmapSize(
            concepts=2, contents=3
        )
    assert document_of(b"HTTP/1.1 200 OK\r\n\r\n[1]") == [1]


def test_a_roadmap_that_does_not_become_ready_fails_the_run() -> None:
    def says(connection: socket.socket, asked: bytes) -> None:
        answer = (
            b"HTTP/1.1 202 Accepted\r\nLocation: /1\r\n\r\n"
            if asked.startswith(b"POST")
            else b"HTTP/1.1 200 OK\r\n\r\n"
        )
        connection.sendall(answer + b"event: roadmap.failed\n\n")

    with server(says) as port, pytest.raises(BenchmarkFailed, match="did not become ready"):
        Learner(port, {}).make(0, 1)


def test_another_answer_than_the_expected_one_fails_the_run() -> None:
    with (
        server(
            lambda connection, _: connection.sendall(
                b"HTTP/1.1 503 Service Unavailable\r\n\r\nlater"
            )
        ) as port,
        pytest.raises(
            BenchmarkFailed, match=r"POST /api/v1/roadmaps was answered with .*503.*later"
        ),
    ):
        Learner(port, {}).make(0, 1)


def test_a_stream_that_never_ends_is_given_up() -> None:
    given_up = threading.Event()

    def says(connection: socket.socket, _: bytes) -> None:
        while not given_up.wait(BRIEF):
            connection.sendall(b": still there\n\n")

    with server(says) as port:
        try:
            with pytest.raises(BenchmarkFailed, match=r"GET / HTTP/1.1 has no answer within 0.5 s"):
                exchanged(port, "GET / HTTP/1.1\r\n\r\n", longest=0.5)
        finally:
            given_up.set()


def test_the_model_says_what_the_catalogue_would_in_the_form_that_it_is_asked_for() -> None:
    facts = {"request": REQUEST.model_dump(mode="json")}
    analysis = AnalysisDraft.model_validate_json(text_for("AnalysisDraft", facts)).to_analysis()
    assert analysis.subjects == CatalogueGenerator().analyse(REQUEST).subjects
    outline = OutlineDraft.model_validate_json(text_for("OutlineDraft", facts)).to_outline()
    assert problems(outline) == []
    assert outline == CatalogueGenerator().outline(DesignBrief(REQUEST, analysis))
    for concept in outline.concepts():
        written = load_concept(*concept.key.split("/"))
        facts = {"concept": {"title": concept.title}}
        tutorial = TutorialDraft.model_validate_json(text_for("TutorialDraft", facts)).to_content()
        assert tutorial.markdown == written.tutorial.strip()
        assert ResourcesDraft.model_validate_json(
            text_for("ResourcesDraft", facts)
        ).to_content().items == tuple(written.resources)
        quiz = QuizDraft.model_validate_json(text_for("QuizDraft", facts)).to_content()
        right = [{each.options[index] for index in each.answers} for each in quiz.questions]
        assert right == [
            {each.options[index] for index in each.answers} for each in written.questions
        ]


def test_a_document_is_read_as_it_was_written_and_nothing_else_is_taken_for_one() -> None:
    document = MeasuredUsage.model_validate(DOCUMENT)
    assert (
        MeasuredUsage.model_validate_json(document.model_dump_json(exclude_defaults=True))
        == document
    )
    assert document.model_dump(mode="json", exclude_defaults=True) == DOCUMENT
    for wrong in ({"memory": 0}, {"cpu_idle": -0.1}, {"cpu_idle": float("nan")}, {"another": 1}):
        broken = {**DOCUMENT, "stacks": {"one": {**STACK, "parts": {"api": {**PART, **wrong}}}}}
        with pytest.raises(ValidationError):
            MeasuredUsage.model_validate(broken)


def test_the_table_has_a_row_for_each_part_and_their_sum() -> None:
    lines = list(table(MeasuredUsage.model_validate(DOCUMENT)))
    rows = [line for line in lines if line.startswith("|")]
    assert {row.count("|") for row in rows} == {7}
    assert rows[2:6] == [
        "| api | 50 | 60 | 0.001 | 0.5 | 2 |",
        "| postgres | 50 | 60 | 0.001 | 0.5 | 0.7 |",
        "| redis | 50 | 60 | 0 | 0.5 | 0 |",
        "| together | 150 | 180 | 0.002 | 1.5 | |",
    ]
    assert "\nOf another kind." in lines
    assert "Commands of Redis: 1.5 a second" in "\n".join(lines)


SERVERS = {"postgres", "redis"}


def test_what_was_written_last_is_of_all_stacks_and_can_be_true() -> None:
    found = load()
    assert date.fromisoformat(found.date)
    assert found.command == "make bench-usage WRITE=1"
    assert found.effort == FULL
    assert found.roadmap == RoadmapSize(concepts=30, contents=90)
    assert list(found.stacks) == list(STACKS)
    parts = {name: set(stack.parts) - SERVERS for name, stack in found.stacks.items()}
    assert parts[APART] == parts[WITH_MODEL] == {"api", "huey_logs", "huey_content"}
    assert parts[TOGETHER] == {"all"}
    assert parts[PREFORK] == {"api", "worker content", "worker logs", "flower"}
    for name, stack in found.stacks.items():
        assert set(stack.parts) > SERVERS
        assert [part for part, usage in stack.parts.items() if usage.cpu_per_request] == [
            "all" if name == TOGETHER else "api"
        ]
        assert set(stack.servers_cpu_per_request) == SERVERS
        for usage in stack.parts.values():
            assert 4 < usage.memory <= usage.memory_busy < 1000
            assert usage.cpu_idle < 0.2
        assert 0 < stack.commands_idle < 50
        assert stack.commands_per_roadmap > 0
        assert sum(usage.cpu_per_roadmap for usage in stack.parts.values()) > 0
        assert 100 < stack.sent_per_roadmap < 200_000
        assert 5_000 < stack.sent_per_request < 100_000
    assert {name for name, stack in found.stacks.items() if stack.note} == {WITH_MODEL, PREFORK}


def test_what_was_written_last_agrees_with_itself() -> None:
    stacks = load().stacks
    memory = {
        name: sum(usage.memory for part, usage in stack.parts.items() if part not in SERVERS)
        for name, stack in stacks.items()
    }
    work = {
        name: sum(usage.cpu_per_roadmap for usage in stack.parts.values())
        for name, stack in stacks.items()
    }
    assert memory[TOGETHER] < memory[APART] < memory[PREFORK]  # one instance shares more
    assert work[PREFORK] < work[TOGETHER]  # whose task makes no roadmap
    assert work[APART] < work[WITH_MODEL]  # whose calls cost, too
    assert (
        stacks[WITH_MODEL].parts["huey_content"].memory > stacks[APART].parts["huey_content"].memory
    )  # the client is loaded
    assert 0.7 < stacks[APART].stored_per_roadmap / stacks[TOGETHER].stored_per_roadmap < 1.4


HOLDS_MUCH = """
import os, signal, sys
much = os.urandom(30_000_000)
print("holds it", flush=True)
sys.stdin.readline()
child = os.fork()
if child:
    print("has a child", flush=True)
    sys.stdin.readline()
    os.kill(child, 9)
else:
    signal.pause()
"""


def test_what_processes_share_counts_once_and_what_they_share_with_others_in_full() -> None:
    """A child of which nothing is written over: its parent's memory is not counted again."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_MUCH], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin
        assert program.stdout
        program.stdout.readline()
        one, status = alone([program.pid]), Path(f"/proc/{program.pid}/status").read_text()
        program.stdin.write("\n")
        program.stdin.flush()
        program.stdout.readline()
        both = alone([program.pid])
        program.stdin.close()  # and it ends, with its child
    resident = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert resident
    assert one == pytest.approx(int(resident[1]) * 1024 / 1e6, rel=0.1)
    assert one > 30
    assert both < one + 15  # and not 30 more


@pytest.mark.parametrize(
    ("release", "number"),
    [
        ("6.18.44-ab-v3", "6.18.44"),
        ("5.15.0-91-generic", "5.15.0"),
        ("6.1", "6.1"),
        ("4.19.+", "4.19"),
        ("unknown", "unknown"),
    ],
)
def test_a_machine_is_named_by_the_number_of_its_kernel(release: str, number: str) -> None:
    """Its builder says nothing about what was measured."""
    assert release_number(release) == number
    assert re.fullmatch(r"\w+( [0-9.]+)?", machine()["system"])


def test_no_document_names_the_build_of_a_kernel() -> None:
    written = [ROOT / "cli" / "costs" / "measured.json", ROOT / "docs" / "PERFORMANCE.md"]
    written += [*(ROOT / "benchmarks").glob("*.json"), ROOT / "docs" / "SCALING.md"]
    assert [
        file.name for file in written if re.search(r"Linux [0-9.]+[-+]", file.read_text("utf-8"))
    ] == []
