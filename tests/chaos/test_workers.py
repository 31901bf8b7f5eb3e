"""Consumers that are killed, paused and poisoned, and their clock: what was accepted is built once, and paid for once.

Also the model server of this folder's tests: it answers at once, notes every call, and holds those that a test wants held.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import psycopg2
import pytest
import redis

from tests.chaos.provider import KINDS, WRITTEN, Asked
from tests.chaos.test_faults import assert_built_once
from tests.servers import Postgres, Redis
from tests.stack import ROOT, Service, Stack, embedded_stack, running, server_stack, with_pid_gone
from tests.waiting import wait_until

LONG_CALLS = {"MODEL_TIMEOUT_SECONDS": "60", "LEASE_SECONDS": "90"}  # so that a held call is not given up
WORKERS = 4  # threads of a content consumer
TTL = 2  # seconds, of the stacks of tests
CONTENT, LOGS = "tasks.queues.content_queue", "tasks.queues.logs_queue"
GOAL = "Learn to bake sourdough bread"
THOUGHT = 1.0  # seconds that a model needs for an outline, where that matters
RESCUE = "upkeep.rescue_overdue"

Which = Callable[[Asked], bool]


def no_call(asked: Asked) -> bool:
    return False


def quizzes(asked: Asked) -> bool:
    return asked.kind == "quiz"


def outlines(asked: Asked) -> bool:
    return asked.kind == "outline"


def contents(asked: Asked) -> bool:
    return asked.kind != "outline"


@dataclass
class Call:
    """What was asked for and when (seconds of the monotonic clock); `held` until the test lets it go."""

    asked: Asked
    began: float
    held: bool = False
    freed: threading.Event = field(default_factory=threading.Event)


class Model:
    """A model server. `hold(which)`: such calls wait from now on. `let_go()` answers them."""

    def __init__(self, concepts: int) -> None:
        self.concepts = concepts
        self.calls: list[Call] = []
        self.strike: Callable[[Asked], None] | None = None  # called before the answer
        self._holds: Which = no_call
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], name="Model", daemon=True)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        return {"OPENAI_API_KEY": "sk-of-the-faults", "OPENAI_BASE_URL": url, "OPENAI_MODEL": "gpt-faults"}

    def hold(self, which: Which) -> None:
        """What waits already goes on waiting."""
        self._holds = which

    def let_go(self, some: int | None = None) -> None:
        """All, or so many of the oldest while the others go on waiting."""
        with self._lock:
            if some is None:
                self._holds = no_call
            for call in [call for call in self.calls if call.held][:some]:
                call.held = False
                call.freed.set()

    def held(self) -> list[Asked]:
        return [call.asked for call in self.calls if call.held]

    def let_go_after(self, seconds: float) -> None:
        """Those that have waited for so long."""
        for call in self.calls:
            if call.held and time.monotonic() - call.began > seconds:
                call.held = False
                call.freed.set()

    def counts(self) -> Counter[Asked]:
        """How often each outline and each content was asked for, that is, paid for."""
        return Counter(call.asked for call in self.calls)

    def asked_for(self, which: Which) -> list[Call]:
        return [call for call in self.calls if which(call.asked)]

    def close(self) -> None:
        self.let_go()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def answer(self, posted: dict[str, Any]) -> dict[str, Any]:
        facts = json.loads(posted["messages"][-1]["content"])
        kind = KINDS[posted["response_format"]["json_schema"]["name"]]
        asked = Asked(facts["request"]["goal"], facts.get("concept", {}).get("title", ""), kind)
        call = Call(asked, time.monotonic())
        with self._lock:
            call.held = self._holds(asked)
            self.calls.append(call)
        if self.strike is not None:
            self.strike(asked)
        if call.held:
            call.freed.wait()
        words = self._outline() if kind == "outline" else WRITTEN[kind]
        message = {"role": "assistant", "content": json.dumps(words), "refusal": None}
        return {"object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}

    def _outline(self) -> dict[str, Any]:
        facts = {"description": "What it is.", "hours": 3, "difficulty": 2, "prerequisites": [], "outcomes": ["do it"]}
        concepts = [{"key": f"part-{number}", "title": f"Part {number}", **facts} for number in range(self.concepts)]
        module = {"title": "Basics", "description": "The first steps.", "concepts": concepts}
        return {"title": "Baking bread", "stages": [{"title": "Start", "description": "Where it begins.", "modules": [module]}]}


def _handler(model: Model) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps(model.answer(posted)).encode()
            with suppress(ConnectionError):  # who asked is dead meanwhile
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the calls are the log."""

    return Handler


@contextmanager
def serving(concepts: int) -> Iterator[Model]:
    """A model server whose outlines have so many concepts; each has three contents."""
    model = Model(concepts)
    try:
        yield model
    finally:
        model.close()


@pytest.fixture
def model() -> Iterator[Model]:
    with serving(concepts=6) as made:
        yield made


@contextmanager
def stack_with(model: Model, request: pytest.FixtureRequest, **environment: str) -> Iterator[Stack]:
    """A stack of the mode that the fixture's parameter names, with that model."""
    folder: Path = request.getfixturevalue("tmp_path")
    environment = {**model.environment, **LONG_CALLS, **environment}
    if request.param == "embedded":
        made = embedded_stack(folder, **environment)
    else:
        made = server_stack(folder, request.getfixturevalue("postgres"), request.getfixturevalue("own_broker"), **environment)
    with running(made):
        yield made


@pytest.fixture(params=["embedded", "server"])
def modelled(request: pytest.FixtureRequest, model: Model) -> Iterator[Stack]:
    """A stack of its own in each mode, with a model, for a test to harm."""
    with stack_with(model, request) as made:
        yield made


@pytest.fixture
def servers(tmp_path: Path, model: Model, postgres: Postgres, own_broker: Redis) -> Iterator[Stack]:
    """The same in server mode alone."""
    with running(server_stack(tmp_path, postgres, own_broker, **model.environment, **LONG_CALLS)) as made:
        yield made


def queue_rows(stack: Stack, query: str, *values: object) -> list[tuple]:
    """Rows of embedded mode's queue file."""
    with closing(sqlite3.connect(Path(stack.environment["DATA_DIR"]) / "queue.db", timeout=10)) as connection:
        return connection.execute(query, values).fetchall()


def rows(stack: Stack, query: str) -> list[tuple]:
    """Rows of the application's database in either mode."""
    if stack.mode == "embedded":
        with closing(sqlite3.connect(Path(stack.environment["DATA_DIR"]) / "roadmap.db", timeout=10)) as connection:
            return connection.execute(query).fetchall()
    with closing(psycopg2.connect(stack.environment["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def ready(service: Service, queue: str = "content") -> int:
    """How often this consumer has said that it is at work."""
    return service.output.count(f"huey@{queue} ready") if service.log.exists() else 0


def consumer_pid(stack: Stack, queue: str = CONTENT) -> int:
    """Of the process that consumes, which in embedded mode is a child."""
    if stack.mode == "server":
        return (stack.content if queue == CONTENT else stack.logs).pid
    return stack.content.child(queue)


def start_second(stack: Stack, name: str = "huey_content", **environment: str) -> Service:
    """Another consumer beside the stack's own, at work; it is ended with the stack."""
    made = Service(name, {**stack.environment, **environment}, stack.folder)
    second = stack.services[f"second {name}"] = made.start()
    wait_until(lambda: ready(second, name.removeprefix("huey_")), reason="the second consumer is at work")
    return second


def restart(stack: Stack) -> None:
    """As a platform starts again what has died."""
    stack.start() if stack.mode == "embedded" else stack.content.start()


def kill_in_the_middle_of_quizzes(stack: Stack, model: Model) -> str:
    """SIGKILL of the content consumer when each of its threads waits for a quiz; returns the roadmap's path."""
    model.hold(quizzes)
    path = stack.create(GOAL)
    wait_until(lambda: len(model.held()) == WORKERS, timeout=60, reason="every thread waits for the model")
    stack.content.kill()
    return path


def test_a_worker_killed_in_the_middle_of_model_calls_pays_for_those_again_and_for_no_others(
    modelled: Stack, model: Model
) -> None:
    path = kill_in_the_middle_of_quizzes(modelled, model)
    interrupted = set(model.held())
    model.let_go()

    restart(modelled)

    assert_built_once(modelled, path)
    counts = model.counts()
    assert len(counts) == 1 + 3 * model.concepts
    assert {asked for asked, times in counts.items() if times > 1} == interrupted
    assert {counts[asked] for asked in interrupted} == {2}


def test_a_worker_paused_in_the_middle_of_model_calls_loses_them_to_another_and_saves_nothing_when_it_wakes(
    servers: Stack, model: Model
) -> None:
    model.hold(quizzes)
    path = servers.create(GOAL)
    wait_until(lambda: len(model.held()) == WORKERS, timeout=60, reason="every thread waits for the model")
    interrupted = set(model.held())

    servers.content.signal(signal.SIGSTOP)
    model.hold(interrupted.__contains__)  # what nobody has begun is answered
    second = start_second(servers)
    wait_until(lambda: len(model.held()) == 2 * WORKERS, timeout=60, reason="the second waits for the same")
    assert Counter(model.held()) == dict.fromkeys(interrupted, 2)
    servers.content.signal(signal.SIGCONT)
    model.let_go()  # both hear the answer to the same question

    assert_built_once(servers, path)
    counts = model.counts()
    assert {asked: times for asked, times in counts.items() if times > 1} == dict.fromkeys(interrupted, 2)
    assert len(counts) == 1 + 3 * model.concepts
    assert (servers.content.stop(), second.stop()) == (0, 0)


def test_a_content_consumer_that_is_paused_alone_goes_on_where_it_was(tmp_path: Path, model: Model) -> None:
    with running(embedded_stack(tmp_path, **model.environment, **LONG_CALLS)) as stack:
        model.hold(quizzes)
        path = stack.create(GOAL)
        wait_until(lambda: len(model.held()) == WORKERS, timeout=60, reason="every thread waits for the model")
        pid = consumer_pid(stack)

        os.kill(pid, signal.SIGSTOP)
        try:
            silent = "select 1 from consumer where queue = 'content' and alive_until >= ?"
            wait_until(lambda: not queue_rows(stack, silent, time.time()), reason="the consumer counts as dead")
            late = "select status from content where lease_until >= '{}'"
            wait_until(lambda: not rows(stack, late.format(utc_now())), reason="its leases have run out")
        finally:
            os.kill(pid, signal.SIGCONT)
        model.let_go()

        assert_built_once(stack, path)
        assert stack.content.alive()
        assert len(model.counts()) == 1 + 3 * model.concepts


def utc_now() -> str:
    """As the databases write it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())


@pytest.mark.parametrize("kills", [10, pytest.param(20, marks=pytest.mark.long)])
@pytest.mark.timeout(300)
def test_an_idle_worker_that_is_killed_again_and_again_while_goals_arrive_loses_none(
    tmp_path: Path, postgres: Postgres, own_broker: Redis, kills: int
) -> None:
    chance = random.Random(seed := 7)
    print(f"seed {seed}")
    with serving(concepts=1) as model, running(server_stack(tmp_path, postgres, own_broker, **model.environment)) as stack:
        stack.content.kill()
        paths: list[str] = []
        with posting(stack, paths):
            following = Service("huey_content", stack.environment, tmp_path).start()
            for _ in range(kills):
                victim, following = following, Service("huey_content", stack.environment, tmp_path).start()
                stack.services["huey_content"], stack.services["following"] = victim, following
                wait_until(lambda victim=victim: ready(victim), timeout=60, reason="the consumer is at work")
                more = len(paths) + chance.randint(1, 4)
                wait_until(lambda more=more: len(paths) >= more, reason="goals are posted")
                victim.kill()
        del stack.services["huey_content"]

        assert len(paths) >= kills
        for path in paths:
            stack.finished(path, timeout=130)
            assert_built_once(stack, path)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_an_instance_that_is_killed_again_and_again_while_goals_arrive_loses_none_that_it_accepted(tmp_path: Path) -> None:
    chance = random.Random(seed := 11)
    print(f"seed {seed}")
    with serving(concepts=1) as model, running(embedded_stack(tmp_path, **model.environment)) as stack:
        paths: list[str] = []
        with posting(stack, paths):
            for _ in range(8):
                more = len(paths) + chance.randint(1, 4)
                wait_until(lambda more=more: len(paths) >= more, timeout=60, reason="goals are accepted")
                stack.content.kill()
                stack.content.start()
        stack.wait_ready()
        for path in paths:
            stack.finished(path, timeout=130)
            assert_built_once(stack, path)


@contextmanager
def posting(stack: Stack, paths: list[str], pause: float = 0.25) -> Iterator[None]:
    """A person who posts one goal after another, in a thread, until the block ends."""
    ended = threading.Event()

    def post() -> None:
        while not ended.wait(pause):
            with suppress(httpx2.TransportError):  # while nobody is there to accept it
                paths.append(stack.create(f"{GOAL} number {len(paths)}"))

    thread = threading.Thread(target=post, name="Person", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)


class Poison:
    """A goal whose outline kills the process that asks for it, which the test starts again, as a platform does."""

    goal = "Learn to kill the worker"

    def __init__(self, stack: Stack, model: Model, *, waits_for: int = 0) -> None:
        """It strikes when so many others are under way, if they are within THOUGHT seconds."""
        self.stack, self.deaths = stack, 0
        self._model, self._waits_for = model, waits_for
        self.pid = consumer_pid(stack)
        model.strike = self._strike

    def restarted(self) -> bool:
        """Whether a death was seen and mended just now."""
        if self.stack.content.alive():
            return False
        restart(self.stack)
        self.pid = consumer_pid(self.stack)
        return True

    def given_up(self, path: str) -> bool:
        return not self.restarted() and status(self.stack, path) == "failed"

    def _strike(self, asked: Asked) -> None:
        if asked.goal == self.goal:
            with suppress(AssertionError):
                wait_until(lambda: len(self._model.held()) >= self._waits_for, timeout=THOUGHT)
            self.deaths += 1
            with_pid_gone(self.pid, signal.SIGKILL)


def dead_command(stack: Stack, *words: str) -> str:
    """What a person sees who lists the dead letters of the content queue, or does something with them."""
    command = [str(ROOT / ".venv/bin/python"), "roadmap_cli.py", "dead", *words]
    environment = {**stack.environment, "COLUMNS": "250"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


def status(stack: Stack, path: str) -> str:
    """Empty while the API is away."""
    with suppress(httpx2.TransportError):
        answer = stack.get(path)
        return answer.json()["status"] if answer.status_code == 200 else ""
    return ""


def dead_count(stack: Stack) -> int:
    with suppress(httpx2.TransportError):
        answer = stack.get("/health/ready")
        return answer.json()["queues"]["content"]["dead"] if answer.status_code == 200 else 0
    return 0


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_task_that_kills_its_worker_is_put_aside_after_three_deaths_and_the_others_go_on(modelled: Stack, model: Model) -> None:
    poison = Poison(modelled, model)
    poisonous = modelled.create(poison.goal)

    def put_aside_or_given_up() -> bool:
        poison.restarted()
        return dead_count(modelled) > 0 or status(modelled, poisonous) == "failed"

    wait_until(put_aside_or_given_up, timeout=100, reason="the message is put aside")
    assert (poison.deaths, status(modelled, poisonous)) == (3, "planning")
    listed = dead_command(modelled, "list")
    assert "plan_roadmap" in listed
    assert poisonous.rpartition("/")[2] in listed
    assert "its consumer died 3 times" in listed
    assert_built_once(modelled, modelled.create(GOAL))


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_goal_that_kills_its_worker_ends_with_a_reason_and_one_that_comes_meanwhile_ends_ready(
    modelled: Stack, model: Model
) -> None:
    poison = Poison(modelled, model)
    poisonous = modelled.create(poison.goal)
    wait_until(lambda: not poison.restarted() and poison.deaths >= 3, timeout=100, reason="three deaths")

    def accepted_meanwhile() -> str:
        poison.restarted()
        with suppress(httpx2.TransportError):
            return modelled.create(GOAL)
        return ""

    other = wait_until(accepted_meanwhile, reason="another goal is accepted")

    wait_until(lambda: poison.given_up(poisonous), timeout=250, reason="the roadmap that kills its worker is given up")

    tree = modelled.get(poisonous).json()
    assert "Its worker died" in tree["error"]
    assert "Create the roadmap again" in tree["error"]
    assert poison.deaths == 6
    assert_built_once(modelled, other)
    assert modelled.events(poisonous)[-1]["event"] == "roadmap.failed"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_goals_that_are_under_way_beside_one_that_kills_its_worker_are_not_given_up_with_it(
    modelled: Stack, model: Model
) -> None:
    poison = Poison(modelled, model, waits_for=2)
    model.hold(lambda asked: asked.kind == "outline" and asked.goal == GOAL)
    others = [modelled.create(GOAL)]
    poisonous = modelled.create(poison.goal)
    others.append(modelled.create(GOAL))

    def given_up() -> bool:
        model.let_go_after(THOUGHT)
        return poison.given_up(poisonous)

    wait_until(given_up, timeout=250, reason="the roadmap that kills its worker is given up")
    model.let_go()

    for path in others:
        assert_built_once(modelled, path)


@pytest.mark.long
def test_a_message_whose_consumer_dies_three_times_before_it_begins_is_put_aside_and_built_once_it_is_replayed(
    servers: Stack, model: Model
) -> None:
    wait_until(lambda: ready(servers.content), timeout=60, reason="the consumer is at work")
    assert (servers.content.stop(), servers.logs.stop()) == (0, 0)  # without logs no rescue enqueues it meanwhile
    path = servers.create(GOAL)
    client = redis.Redis.from_url(servers.environment["REDIS_URL"], decode_responses=True)
    dead: set[str] = set()
    with closing(client), closing(psycopg2.connect(servers.environment["DATABASE_URL"])) as connection:
        connection.cursor().execute("lock table roadmap in share row exclusive mode")  # claiming the row waits for this
        for _ in range(3):
            servers.content.start()
            wait_until(lambda: holders(client) - dead, timeout=60, reason="a worker has the message")
            servers.content.kill()
            dead.update(holders(client))
        connection.rollback()
        servers.content.start()
        wait_until(lambda: client.llen("{huey.content}:dead") == 1, timeout=60, reason="the message is put aside")
    assert status(servers, path) == "queued"
    assert model.calls == []
    listed = dead_command(servers, "list")
    assert "plan_roadmap" in listed
    assert path.rpartition("/")[2] in listed
    assert "its consumer died 3 times" in listed

    assert "1 of the content queue are delivered again" in dead_command(servers, "replay", "--all")

    assert_built_once(servers, path)
    assert "No message of the content queue is put aside" in dead_command(servers, "list")
    assert set(model.counts().values()) == {1}


def holders(client: redis.Redis) -> set[str]:
    """Consumers that have messages of contents in their hands."""
    prefix = "{huey.content}:held:"
    return {key.removeprefix(prefix) for key in client.scan_iter(match=f"{prefix}*")}


class Pushes:
    """Watches the broker: which minutes the rescue job was asked for, and how often it was really enqueued."""

    def __init__(self, broker: Redis) -> None:
        self.asked: list[str] = []
        self.pushed = 0
        self._client = redis.Redis(port=broker.port)
        self._thread = threading.Thread(target=self._listen, name="Pushes", daemon=True)
        self._monitor = self._client.monitor()
        self._monitor.__enter__()
        self._thread.start()

    def _listen(self) -> None:
        with suppress(redis.RedisError, OSError, ValueError):  # the connection is closed at the end
            for seen in self._monitor.listen():
                words = seen["command"]
                if words.startswith("SET ") and "once:" in words and RESCUE in words:
                    self.asked.append(words.split()[1].rpartition(":")[2])
                elif words.startswith("LPUSH ") and "huey.logs}:ready:1" in words and "rescue_overdue" in words:
                    self.pushed += 1

    def close(self) -> None:
        self._monitor.connection.disconnect()
        self._client.close()
        self._thread.join(10)


@pytest.mark.long
def test_consumers_that_start_in_the_same_minute_run_a_periodic_task_once_in_it(
    tmp_path: Path, postgres: Postgres, own_broker: Redis
) -> None:
    pushes = Pushes(own_broker)
    try:
        with running(server_stack(tmp_path, postgres, own_broker)) as stack:
            start_second(stack, "huey_logs")
            wait_until(lambda: len(pushes.asked) >= 2, reason="both have asked for the job")
            for restarts in range(3):
                stack.logs.kill()
                stack.logs.start()
                wait_until(lambda enough=restarts + 3: len(pushes.asked) >= enough, reason="it has asked for it again")
            wait_until(lambda: pushes.pushed >= len(set(pushes.asked)), reason="the job is enqueued")
            stack.stop()
    finally:
        pushes.close()
    assert len(pushes.asked) >= 5
    assert len(set(pushes.asked)) < len(pushes.asked)
    assert pushes.pushed == len(set(pushes.asked))


@pytest.mark.long
def test_one_instance_that_is_restarted_in_the_same_minute_runs_a_periodic_task_once_in_it(tmp_path: Path) -> None:
    minutes = "select key from once where queue = 'logs'"
    with running(embedded_stack(tmp_path)) as stack:
        wait_until(lambda: queue_rows(stack, minutes), reason="the job is enqueued")
        with closing(sqlite3.connect(tmp_path / "data" / "queue.db", timeout=10)) as connection, connection:
            connection.executescript(
                """create table seen (at text);
                create trigger pushed after insert on message
                when new.queue = 'logs' and instr(new.data, cast('rescue_overdue' as blob)) > 0
                begin insert into seen values (datetime('now')); end"""
            )
        before = set(queue_rows(stack, minutes))
        for _ in range(3):
            stack.content.kill()
            stack.start()
            wait_until(lambda: ready(stack.logs, "logs"), reason="the consumer is at work")
            path = stack.create()
            assert stack.finished(path)["status"] == "ready"
        after = set(queue_rows(stack, minutes))
        assert before <= after
        assert len(after) < 1 + 3
        assert len(queue_rows(stack, "select at from seen")) == len(after - before)
        stack.content.kill()
        with closing(sqlite3.connect(tmp_path / "data" / "queue.db", timeout=10)) as connection, connection:
            connection.execute("delete from once")
        stack.start()
        enough = len(after - before) + 1  # nothing but its memory kept it from being enqueued again
        wait_until(lambda: len(queue_rows(stack, "select at from seen")) >= enough, reason="the job is enqueued again")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_after_a_minute_with_no_consumer_at_all_what_was_lost_in_it_is_found_at_the_next_start(
    modelled: Stack, model: Model
) -> None:
    path = modelled.create(GOAL)
    modelled.finished(path)
    if modelled.mode == "server":
        modelled.content.stop()
        modelled.logs.stop()
        lost = modelled.create(GOAL)
        ready_lane = "{huey.content}:ready:1"
        client = redis.Redis.from_url(modelled.environment["REDIS_URL"])
        wait_until(lambda: client.llen(ready_lane), reason="the message is there")
        client.delete(ready_lane)
        client.close()
    else:
        model.hold(outlines)
        lost = modelled.create(GOAL)
        wait_until(lambda: model.held(), reason="the outline is under way")
        assert modelled.content.stop() == 0  # it hands its message back
        model.let_go()
        with closing(sqlite3.connect(Path(modelled.environment["DATA_DIR"]) / "queue.db", timeout=10)) as connection, connection:
            assert connection.execute("delete from message where queue = 'content'").rowcount == 1
    minute = int(time.time() // 60)
    wait_until(lambda: int(time.time() // 60) > minute, timeout=61, reason="a full minute passes")

    if modelled.mode == "server":
        modelled.logs.start()
        modelled.content.start()
    else:
        modelled.start()

    started = time.monotonic()
    assert modelled.finished(lost)["status"] == "ready"
    assert_built_once(modelled, lost)
    assert time.monotonic() - started < 50  # found at the start: the next minute had not come
