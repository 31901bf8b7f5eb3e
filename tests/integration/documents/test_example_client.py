"""examples/client.py, as a person would copy it: against the service in both modes, also when what lies between fails."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import pytest

from examples import client
from examples.client import Roadmap, RoadmapError
from tests.servers import free_port
from tests.stack import CONCEPTS, GOAL, ROOT, Stack, clean_environment

HOP = ("connection", "transfer-encoding", "content-length", "host")


class Faulty(ThreadingHTTPServer):
    """Stands before the service and fails as it is told."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = port
        self.refusals: list[
            dict[str, str]
        ] = []  # headers of answers 503 to POST, instead of passing it on
        self.lost = 0  # answers to POST that are not passed back
        self.cut_after: list[int] = []  # bytes of the next streams that are passed back
        self.seen: list[
            tuple[str, str, str | None]
        ] = []  # method, status or what was done, key or Last-Event-ID
        self.at: list[float] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Faulty

    def do_GET(self) -> None:
        self.close_connection = True
        with passed_on(self, b"") as answer:
            self.server.seen.append(("GET", str(answer.status), self.headers.get("Last-Event-ID")))
            self._pass_back(
                answer,
                self._stream_length()
                if answer.status == 200 and self.path.endswith("/events")
                else None,
            )

    def do_POST(self) -> None:
        self.close_connection = True
        key = self.headers.get("Idempotency-Key")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.at.append(time.monotonic())
        if self.server.refusals:
            self.server.seen.append(("POST", "refused", key))
            self.send_response(503)
            for name, value in {**self.server.refusals.pop(0), "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()
            return
        with passed_on(self, body) as answer:
            if self.server.lost:
                self.server.lost -= 1
                self.server.seen.append(("POST", "lost", key))
                answer.read()
                return
            self.server.seen.append(("POST", str(answer.status), key))
            self._pass_back(answer, None)

    def _stream_length(self) -> int | None:
        return self.server.cut_after.pop(0) if self.server.cut_after else None

    def _pass_back(self, answer: HTTPResponse, most: int | None) -> None:
        """As chunks, without an end when only so many bytes are passed."""
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        if answer.status == 204:
            self.end_headers()
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        left = 2**31 if most is None else most
        while left and (piece := answer.read1(min(left, 65536))):
            left -= len(piece)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if most is None:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *given: object) -> None:
        pass


@contextmanager
def passed_on(handler: Handler, body: bytes) -> Iterator[HTTPResponse]:
    connection = HTTPConnection("127.0.0.1", handler.server.behind, timeout=30)
    try:
        headers = {
            name: value for name, value in handler.headers.items() if name.lower() not in HOP
        }
        connection.request(handler.command, handler.path, body or None, headers)
        yield connection.getresponse()
    finally:
        connection.close()


@pytest.fixture
def faulty(shared_server: Stack) -> Iterator[Faulty]:
    """Before a service in server mode: what goes wrong on the way is the same in both."""
    with Faulty(shared_server.port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def goal() -> str:
    """That no other test has."""
    return f"{GOAL}, for project {uuid4().hex}"


def token(stack: Stack) -> str | None:
    return stack.headers["Authorization"].split()[1] if stack.headers else None


def made(service: Roadmap, goal: str) -> list[str]:
    """Ids of the roadmaps with this goal."""
    return [each["id"] for each in service.roadmaps(limit=100) if each["goal"] == goal]


def test_as_a_program_it_makes_a_roadmap_and_prints_the_plan(stack: Stack, goal: str) -> None:
    environment = {**clean_environment(), "ROADMAP": stack.url, "ROADMAP_TOKEN": token(stack) or ""}
    command = [sys.executable, "-W", "error", "examples/client.py", goal]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Backend engineer with Python: ready\n")
    assert result.stdout.count("  week ") == len(CONCEPTS)
    contents = 3 * len(CONCEPTS)
    assert f" {contents + 6} roadmap.ready {contents} of {contents}" in result.stderr
    assert len(made(Roadmap(stack.url, token(stack)), goal)) == 1


def test_a_goal_that_is_refused_is_said_with_its_rule(stack: Stack) -> None:
    environment = {**clean_environment(), "ROADMAP": stack.url, "ROADMAP_TOKEN": token(stack) or ""}
    command = [sys.executable, "examples/client.py", "Bake sourdough bread"]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert "No built-in track fits this goal" in result.stderr
    assert "Traceback" not in result.stderr


def test_everything_that_it_can(stack: Stack, goal: str) -> None:
    service = Roadmap(stack.url, token(stack))
    roadmap_id = service.create(goal, level="intermediate")["id"]
    tree = service.wait(roadmap_id)
    assert tree["status"] == "ready"
    modules = [module for stage in tree["stages"] for module in stage["modules"]]
    last = 6 + 3 * sum(len(module["concepts"]) for module in modules)
    after = [event["seq"] for event in service.events(roadmap_id, after=last - 3)]
    assert after == [last - 2, last - 1, last]
    concept = service.concept(roadmap_id, tree["stages"][0]["modules"][0]["concepts"][0]["id"])
    assert concept["tutorial"]["markdown"]
    empty: list[list[int]] = [[] for _ in concept["quiz"]["questions"]]
    attempt = service.answer_quiz(roadmap_id, concept["id"], concept["quiz"]["version"], empty)
    right = [each["right"] or each["accepted"][0] for each in attempt["questions"]]
    assert attempt["score"] == 0
    assert service.answer_quiz(roadmap_id, concept["id"], 1, right)["score"] == len(right)


def test_a_plan_that_waits_for_approval_is_not_waited_for(stack: Stack, goal: str) -> None:
    service = Roadmap(stack.url, token(stack))
    assert service.wait(service.create(goal, review=True)["id"])["status"] == "awaiting_review"


def test_the_list_is_read_over_all_pages(stack: Stack, goal: str) -> None:
    service = Roadmap(stack.url, token(stack))
    ids = [service.create(goal, review=True)["id"] for _ in range(5)]
    found = []
    for each in service.roadmaps(limit=2):
        if each["goal"] == goal:
            found.append(each["id"])
        if len(found) == 5:
            break
    assert found == ids[::-1]


def test_an_error_says_what_the_problem_document_says(stack: Stack) -> None:
    with pytest.raises(RoadmapError) as caught:
        Roadmap(stack.url, token(stack)).create(GOAL, hours_per_week=100)
    error = caught.value
    assert (error.status, error.type) == (422, "/problems/invalid")
    assert error.errors == [
        {"pointer": "#/hours_per_week", "detail": "should be less than or equal to 80"}
    ]
    assert error.request_id
    with pytest.raises(RoadmapError) as caught:
        Roadmap(stack.url, token(stack)).roadmap("nothing")
    assert caught.value.type == "/problems/not-found"


def test_refused_twice_and_then_accepted_it_is_made_once(
    faulty: Faulty, shared_server: Stack, goal: str
) -> None:
    faulty.refusals = [{"Retry-After": "1"}, {}]
    service = Roadmap(faulty.url, token(shared_server))
    roadmap_id = service.create(goal, review=True)["id"]
    (key,) = {text for _, _, text in faulty.seen}
    assert key
    assert [done for _, done, _ in faulty.seen] == ["refused", "refused", "202"]
    assert faulty.at[1] - faulty.at[0] >= 1  # Retry-After
    assert made(service, goal) == [roadmap_id]


def test_when_the_answer_is_lost_it_is_made_once(
    faulty: Faulty, shared_server: Stack, goal: str
) -> None:
    faulty.lost = 2
    service = Roadmap(faulty.url, token(shared_server))
    roadmap_id = service.create(goal, review=True)["id"]
    assert [done for _, done, _ in faulty.seen] == ["lost", "lost", "202"]
    assert made(service, goal) == [roadmap_id]


def test_a_key_of_ones_own_makes_it_once_over_restarts(stack: Stack, goal: str) -> None:
    key = uuid4().hex
    first, second = (
        Roadmap(stack.url, token(stack)).create(goal, key=key, review=True) for _ in range(2)
    )
    assert first == second


def test_a_stream_that_is_cut_is_read_to_its_end_without_gaps(
    faulty: Faulty, shared_server: Stack, goal: str
) -> None:
    service = Roadmap(faulty.url, token(shared_server))
    roadmap_id = service.create(goal)["id"]
    faulty.cut_after = [0, 150, 400, 5000, 7]  # before anything, and in the middle of a line
    seen = [event["seq"] for event in service.events(roadmap_id)]
    last = 3 * len(CONCEPTS) + 6  # of a plan without approval
    assert seen == list(range(1, last + 1))
    assert faulty.cut_after == []
    asked = [int(after or 0) for method, _, after in faulty.seen if method == "GET"]
    assert asked[0] == 0
    assert asked[-1] == last
    assert len(asked) >= 7
    assert asked == sorted(asked)


def test_its_patience_has_an_end(faulty: Faulty, shared_server: Stack) -> None:
    faulty.refusals = [{} for _ in range(100)]
    began = time.monotonic()
    with pytest.raises(RoadmapError) as caught:
        Roadmap(faulty.url, token(shared_server), patience=0.5).create(GOAL)
    assert (caught.value.status, caught.value.type) == (503, "about:blank")
    faulty.refusals = [{"Retry-After": "3600"}]
    with pytest.raises(RoadmapError):
        Roadmap(faulty.url, token(shared_server), patience=0.5).create(GOAL)
    faulty.cut_after = [7] * 100
    roadmap_id = shared_server.create(review=True).rpartition("/")[2]
    with pytest.raises(ConnectionError):
        list(Roadmap(faulty.url, token(shared_server), patience=0.5).events(roadmap_id))
    with pytest.raises(OSError, match="refused"):
        Roadmap(f"http://127.0.0.1:{free_port()}", patience=0.5).create(GOAL)
    assert time.monotonic() - began < 10


def test_it_needs_the_standard_library_only_and_is_short() -> None:
    source = (ROOT / "examples" / "client.py").read_text(encoding="utf-8")
    imported = {
        line.split()[1].split(".")[0]
        for line in source.splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported <= sys.stdlib_module_names
    assert source.count("\n") <= 244
    assert client.__doc__
