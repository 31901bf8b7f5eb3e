"""Each process killed at each point that could lose or repeat something: what was accepted is built, and built once.

A process dies by itself at a point of `kill_points.py`; the test starts it again, as a platform would. The trials of all tests
that were selected run side by side, a few at a time: most of the time they wait for a lease or a heartbeat to run out.
"""

import asyncio
import contextlib
import random
import signal
import socket
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg2
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from delivery.redis_storage import ReliableRedisStorage
from delivery.sqlite_storage import ReliableSqliteStorage
from tests.chaos.kill_points import POINTS, ServiceName
from tests.chaos.provider import Provider, _asked, concept_keys
from tests.chaos.test_faults import assert_built_once
from tests.servers import Postgres, Redis, scratch_folder
from tests.stack import ROOT, SHORT, Service, Stack, embedded_stack, server_stack
from tests.waiting import wait_until

SEED = 20
LANES = 4  # trials at a time
INJECT = ROOT / "tests" / "chaos" / "inject"
CONTENTS = 6  # of two concepts
GARBAGE = b"garbage"
RESCUED = 90  # seconds: the rescue job runs every minute, and a machine may be slow
IN_THIS_MINUTE = 50  # seconds: before the rescue job of the next minute
ANSWER = tuple[str, str]  # the concept's title, and the kind; an outline has no concept


class Model(Provider):
    """A provider that can stall or fail for one goal, and knows which answers have been heard, that is, paid for and received."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.stalled: dict[str, asyncio.Event] = {}  # by goal
        self.waiting: Counter[str] = Counter()  # by goal
        self.failures: set[tuple[str, str]] = set()  # (goal, kind): the next call of it is answered 500
        self._loop: asyncio.AbstractEventLoop | None = None

    def release(self, goal: str) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.stalled[goal].set)

    def heard(self, goal: str) -> Counter[ANSWER]:
        calls = {asked: list(made) for asked, made in list(self.calls.items()) if asked.goal == goal}
        return Counter({(asked.concept, asked.kind): sum(call.heard for call in made) for asked, made in calls.items()})

    async def _complete(self, request: Request) -> Response:
        asked = _asked(await request.json())
        if asked.goal in self.stalled:
            self._loop = asyncio.get_running_loop()
            self.waiting[asked.goal] += 1
            await self.stalled[asked.goal].wait()
        if (asked.goal, asked.kind) in self.failures:
            self.failures.remove((asked.goal, asked.kind))
            return JSONResponse({"error": {"message": "We broke."}}, 500)
        return await super()._complete(request)


@dataclass(frozen=True)
class Case:
    """A kill point, as ROADMAP_KILL_AT names it, and what happens until the process gets there and afterwards."""

    at: str
    story: Callable[["Trial"], None]


class Trial:
    """A stack whose processes carry the injection, a goal of its own, and what is told about its process that dies."""

    def __init__(self, at: str, stack: Stack, model: Model, goal: str) -> None:
        self.stack, self.model, self.goal = stack, model, goal
        self.saved: set[ANSWER] = set()  # before the content worker's last death
        self.excused = False  # answers may be paid for twice unless they were saved by then: the content worker has died
        self.at = at
        self.arm(at)

    def arm(self, at: str, *, at_once: bool = True) -> None:
        """Processes that are started from now on die at this point; if not at once, then after `since` is there."""
        self.point = POINTS[at.partition(":")[0]]
        self.mark = self.stack.folder / f"mark-{uuid.uuid4().hex[:6]}"
        self.since = self.mark.with_suffix(".since")
        if at_once:
            self.since.touch()
        armed = {
            "PYTHONPATH": str(INJECT),
            "ROADMAP_KILL_AT": at,
            "ROADMAP_KILL_MARK": str(self.mark),
            "ROADMAP_KILL_SINCE": str(self.since),
        }
        for service in self.stack.services.values():
            service.log.touch()  # a diagnosis reads all of them
            service.environment |= armed

    @property
    def victim(self) -> Service:
        of_service: dict[ServiceName, Service] = {
            "api": self.stack.api,
            "content": self.stack.content,
            "logs": self.stack.logs,
        }
        return of_service[self.point.service]

    def start(self, *names: str) -> None:
        """These services of server mode, or the one process tree of embedded mode."""
        for service in {self.stack.services.get(name, self.stack.api) for name in names}:
            service.start()
        if {"api", self.stack.api.name} & set(names):
            wait_until(lambda: listens(self.stack.port) or not self.stack.api.alive(), timeout=60, reason="the API listens")
            self.stack.wait_ready()
            self.stack.headers = self.stack.headers or self.stack.register()

    def create(self) -> str:
        return self.stack.create(self.goal)

    def died(self, *, told: bool = False) -> None:
        """The process has killed itself at its point; in embedded mode the whole tree ends after it."""
        victim = self.victim
        wait_until(lambda: self.mark.exists() or not victim.alive(), timeout=60, reason=f"{victim.name} dies {self.stack.folder}")
        assert self.mark.exists(), f"{victim.name} ended elsewhere:\n{victim.output[-3000:]}"
        assert victim.process is not None
        expected = -signal.SIGKILL if self.stack.mode == "server" else 0 if told else 1
        assert victim.process.wait(30) == expected
        if self.point.service == "content":
            self.take_stock()

    def take_stock(self) -> None:
        """The content worker has died: what it had saved must not be asked for again."""
        self.excused = True
        of_contents = "from content join concept on content.concept_id = concept.id where content.status = 'ready'"
        self.saved = {(title, kind) for title, kind in self.rows(f"select concept.title, content.kind {of_contents}")}
        self.saved |= {("", "outline") for _ in self.rows("select id from roadmap where contents_total > 0")}

    def restart(self) -> None:
        self.start(self.victim.name)

    def stall(self) -> None:
        self.model.stalled[self.goal] = asyncio.Event()

    def release(self) -> None:
        self.model.release(self.goal)

    def assert_built(self, path: str, *, timeout: float = 60) -> None:
        """Built once, nothing that was saved paid for again, and no message left anywhere."""
        finished = "select id from roadmap where finished_at is not null"
        try:
            with self.database() as ask:
                wait_until(lambda: ask(finished), timeout=timeout, reason=f"{path} reaches its end")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.stack.diagnosis(path)}") from None
        assert_built_once(self.stack, path)
        heard = self.model.heard(self.goal)
        assert len(heard) == 1 + CONTENTS
        assert {answer: times for answer, times in heard.items() if times > self.allowed(answer)} == {}
        self.assert_nothing_waits("content")

    def assert_nothing_waits(self, queue: str) -> None:
        """No message is ready or held, nor, but for the next times of the rescue job, on the schedule; none was put aside."""
        with self.storage(queue) as left:

            def waiting() -> int:
                """In the order in which a message goes, so that none that moves meanwhile is overlooked."""
                now = int(left.queue_size() + left.held_count())
                return now + sum(b"rescue_again" not in message for message in left.scheduled_items())

            wait_until(lambda: waiting() + waiting() == 0, reason=f"no message waits in {queue}")
            assert [letter for letter in left.dead_letters() if letter.data != GARBAGE] == []

    def allowed(self, answer: ANSWER) -> int:
        return 2 if self.excused and answer not in self.saved else 1

    @contextmanager
    def database(self) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
        """A function that asks the application's database."""
        if self.stack.mode == "embedded":
            opened: Any = sqlite3.connect(self.stack.folder / "data" / "roadmap.db", timeout=10, isolation_level=None)
        else:
            opened = psycopg2.connect(self.stack.environment["DATABASE_URL"])
            opened.autocommit = True

        def ask(query: str) -> list[tuple[Any, ...]]:
            with contextlib.closing(opened.cursor()) as cursor:
                cursor.execute(query)
                return list(cursor.fetchall())

        with contextlib.closing(opened):
            yield ask

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.database() as ask:
            return ask(query)

    @contextmanager
    def storage(self, queue: str = "content") -> Iterator[Any]:
        """The broker's side of a queue, as another consumer would see it."""
        if self.stack.mode == "embedded":
            made: Any = ReliableSqliteStorage(queue, filename=str(self.stack.folder / "data" / "queue.db"))
        else:
            made = ReliableRedisStorage(queue, url=self.stack.environment["REDIS_URL"])
        with contextlib.closing(made):
            yield made


# What happens


def a_goal_is_posted(trial: Trial) -> None:
    trial.start("api", "huey_content")
    path = trial.create()
    trial.died()
    trial.restart()
    trial.assert_built(path)


def the_model_fails_an_outline(trial: Trial) -> None:
    trial.model.failures.add((trial.goal, "outline"))
    a_goal_is_posted(trial)
    assert (trial.goal, "outline") not in trial.model.failures


def the_model_fails_a_content(trial: Trial) -> None:
    trial.model.failures.add((trial.goal, "quiz"))
    a_goal_is_posted(trial)
    assert (trial.goal, "quiz") not in trial.model.failures


def its_task_is_running(trial: Trial) -> None:
    trial.arm(trial.at, at_once=False)
    trial.stall()
    trial.start("api", "huey_content")
    path = trial.create()
    wait_until(lambda: trial.model.waiting[trial.goal], reason="the model is asked")
    trial.since.touch()
    trial.died()
    trial.release()
    trial.restart()
    trial.assert_built(path)


def another_has_died_before(trial: Trial) -> None:
    trial.stall()
    trial.start("api", "huey_content")
    path = trial.create()
    wait_until(lambda: trial.model.waiting[trial.goal], reason="the model is asked")
    trial.victim.kill()
    trial.release()
    trial.victim.start()  # in embedded mode it may die before the API is ready
    trial.died()
    trial.restart()
    trial.assert_built(path)


def it_is_told_to_stop(trial: Trial) -> None:
    trial.stall()
    for service in trial.stack.services.values():
        service.environment["SHUTDOWN_GRACE_SECONDS"] = "1"  # shorter than MODEL_TIMEOUT_SECONDS
    trial.start("api", "huey_content")
    path = trial.create()
    wait_until(lambda: trial.model.waiting[trial.goal], reason="the model is asked")
    trial.victim.signal(signal.SIGTERM)
    trial.died(told=True)
    trial.release()
    trial.restart()
    trial.assert_built(path)


def garbage_arrives(trial: Trial) -> None:
    trial.start("api", "huey_content")
    with trial.storage() as content:
        content.enqueue(GARBAGE)
    trial.died()
    trial.restart()
    trial.assert_built(trial.create())
    with trial.storage() as content:
        assert [letter.data for letter in content.dead_letters()] == [GARBAGE]


def records_arrive(trial: Trial) -> None:
    """Everything that was recorded is there once, and counted once."""
    trial.start("api", "huey_content", "huey_logs")
    path = trial.create()
    trial.died()
    trial.restart()
    trial.assert_built(path)
    making = "select step, count(*) from execution_log where category in ('planning', 'building') group by step order by step"
    expected = [("finish", 1), ("outline", 1), ("quiz", 2), ("resources", 2), ("tutorial", 2)]
    wait_until(lambda: sum(count for _, count in trial.rows(making)) >= 2 + CONTENTS, reason="the records are stored")
    trial.assert_nothing_waits("logs")
    assert trial.rows(making) == expected
    counted = "select (select count(*) from execution_log), sum(stored), sum(last_seq), sum(dropped) from log_source"
    [(there, stored, numbered, dropped)] = trial.rows(counted)
    assert (stored, numbered, dropped) == (there, there, 0)


def a_goal_is_accepted_perhaps(trial: Trial) -> None:
    """No answer, or 202: whatever was committed is built, by rescue where no message was sent."""
    trial.start("api", "huey_content")
    answered = posted(trial)
    trial.died()
    wait_until(lambda: overdue(trial), reason="what was committed is overdue")
    trial.restart()
    if trial.stack.mode == "server":
        trial.start("huey_logs")
    if trial.at == "accept.before":
        assert (answered, listed(trial)) == ([], [])
        trial.assert_built(trial.create())
        return
    [path] = listed(trial)
    assert answered in ([], [path])
    assert trial.at != "accept.committed" or answered == []
    trial.assert_built(path, timeout=RESCUED)


def a_goal_waits_for_rescue(trial: Trial) -> None:
    """Its message was never sent, and the logs consumer dies over the job that would notice."""
    trial.arm("accept.committed")
    trial.start("api", "huey_content")
    assert posted(trial) == []
    trial.died()
    wait_until(lambda: overdue(trial), reason="what was committed is overdue")
    forget_the_minute(trial)
    trial.arm(trial.at)
    if trial.stack.mode == "server":
        trial.start("api")
    trial.victim.start()  # in embedded mode it dies before the API is ready
    trial.died()
    with trial.storage("logs") as logs:
        jobs = sum(b"rescue_overdue" in message for message in logs.enqueued_items()) + logs.held_count()
    assert jobs == (0 if trial.at == "periodic.before" else 1)
    trial.restart()
    [path] = listed(trial)
    trial.assert_built(path, timeout=IN_THIS_MINUTE)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def posted(trial: Trial) -> list[str]:
    """The path of the roadmap, if there was an answer."""
    try:
        return [trial.create()]
    except httpx2.TransportError:
        return []


def listed(trial: Trial) -> list[str]:
    return [f"/api/v1/roadmaps/{item['id']}" for item in trial.stack.get("/api/v1/roadmaps").json()["items"]]


def overdue(trial: Trial) -> bool:
    """What was committed before the death is old enough for rescue."""
    return time.time() > trial.mark.stat().st_mtime + float(SHORT["RESCUE_AFTER_SECONDS"]) + 0.1


def forget_the_minute(trial: Trial) -> None:
    """As if the next start were in another minute: embedded mode's logs consumer has had its job of this one."""
    if trial.stack.mode == "embedded":
        with contextlib.closing(sqlite3.connect(trial.stack.folder / "data" / "queue.db", timeout=10)) as connection:
            connection.execute("delete from once")
            connection.execute("delete from schedule where queue = 'logs'")  # the job's next times
            connection.commit()


# The trials


@contextmanager
def trial_of(case: Case, mode: str, model: Model, goal: str, postgres: Postgres) -> Iterator[Trial]:
    """With a database and a broker of its own."""
    environment = {"OPENAI_API_KEY": "sk-of-the-kill-points", "OPENAI_BASE_URL": model.url, "OPENAI_MODEL": "gpt-test"}
    with scratch_folder() as folder, contextlib.ExitStack() as ended:
        if mode == "embedded":
            stack = embedded_stack(folder, **environment)
        else:
            (folder / "redis").mkdir()
            broker = Redis(folder / "redis")
            broker.start()
            ended.callback(broker.stop)
            stack = server_stack(folder, postgres, broker, **environment)
        ended.callback(stack.stop)
        yield Trial(case.at, stack, model, goal)


def goals(seed: int) -> Iterator[str]:
    """Goals of which the model makes two concepts each."""
    chosen = random.Random(seed)
    while True:
        goal = f"Bake bread {chosen.getrandbits(32):08x}"
        if len(concept_keys(goal)) == 2:
            yield goal


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[dict[str, Future[None]]]:
    """What came out of the trial of each selected test, by the test's id."""
    print(f"seed {SEED}")
    model, chosen = Model(SEED), goals(SEED)
    model.start()

    def run(case: Case, mode: str, goal: str) -> None:
        with trial_of(case, mode, model, goal, postgres) as trial:
            case.story(trial)

    selected = [item for item in request.session.items if item.path == request.path]
    with ThreadPoolExecutor(LANES, "Trial") as pool:
        try:
            yield {item.nodeid: pool.submit(run, *item.callspec.params["outcome"], next(chosen)) for item in selected}
        finally:
            pool.shutdown(cancel_futures=True)
            model.stop()


@pytest.fixture
def outcome(request: pytest.FixtureRequest, outcomes: dict[str, Future[None]]) -> Future[None]:
    return outcomes[request.node.nodeid]


IN_EVERY_RUN = {
    ("accept.committed", "server"),
    ("claim.after", "server"),
    ("steps.before", "embedded"),
    ("content.saved", "server"),
    ("records.after", "server"),
}


def cases(story: Callable[[Trial], None], *points: str) -> pytest.MarkDecorator:
    """Each point in each mode."""
    chosen = []
    for at in points:
        for mode in ("embedded", "server"):
            marks = () if (at, mode) in IN_EVERY_RUN else (pytest.mark.long, pytest.mark.timeout(300))
            chosen.append(pytest.param((Case(at, story), mode), marks=marks, id=f"{mode}-{at}"))
    return pytest.mark.parametrize("outcome", chosen, indirect=True)


@cases(a_goal_is_accepted_perhaps, "accept.before", "accept.committed", "sender.before", "sender.after")
def test_an_api_that_dies_while_it_accepts_forgets_nothing_that_it_committed(outcome: Future[None]) -> None:
    outcome.result()


@cases(
    a_goal_is_posted,
    "lease.claimed",
    "outline.before",
    "outline.after",
    "outline.uncommitted",
    "outline.saved",
    "steps.before",
    "steps.after",
)
def test_a_worker_that_dies_over_an_outline_leaves_it_to_be_made_once(outcome: Future[None]) -> None:
    outcome.result()


@cases(
    a_goal_is_posted,
    "lease.claimed:2",
    "content.before",
    "content.after",
    f"content.uncommitted:{CONTENTS}",
    "content.saved",
    f"content.saved:{CONTENTS}",
)
def test_a_worker_that_dies_over_a_content_leaves_it_to_be_written_once(outcome: Future[None]) -> None:
    outcome.result()


@cases(a_goal_is_posted, "claim.after", "execute.before", "execute.after", "claim.before")
def test_a_consumer_that_dies_over_a_message_leaves_it_to_another(outcome: Future[None]) -> None:
    outcome.result()


@cases(the_model_fails_an_outline, "schedule.before", "schedule.after", "claim.after:2")
def test_a_retry_of_an_outline_outlives_the_consumer_that_decided_it(outcome: Future[None]) -> None:
    outcome.result()


@cases(the_model_fails_a_content, "schedule.before", "schedule.after")
def test_a_retry_of_a_content_outlives_the_consumer_that_decided_it(outcome: Future[None]) -> None:
    outcome.result()


@cases(its_task_is_running, "beat.before", "beat.after", "renew.before")
def test_a_consumer_that_dies_as_it_gives_a_sign_of_life_is_missed(outcome: Future[None]) -> None:
    outcome.result()


@cases(another_has_died_before, "beat.took_over")
def test_a_consumer_that_dies_as_it_takes_over_loses_nothing_of_the_dead_one(outcome: Future[None]) -> None:
    outcome.result()


@cases(it_is_told_to_stop, "hand_back.before", "release_all.before", "release_all.after")
def test_a_consumer_that_dies_as_it_hands_back_its_work_loses_none_of_it(outcome: Future[None]) -> None:
    outcome.result()


@cases(garbage_arrives, "bury.before", "bury.after")
def test_a_message_is_put_aside_once_though_the_consumer_dies_over_it(outcome: Future[None]) -> None:
    outcome.result()


@cases(records_arrive, "records.before", "records.after")
def test_log_records_are_stored_and_counted_once_though_their_consumer_dies(outcome: Future[None]) -> None:
    outcome.result()


@cases(a_goal_waits_for_rescue, "periodic.before", "periodic.after", "rescue.before", "rescue.after")
def test_a_goal_that_was_never_sent_is_built_though_its_rescuer_dies(outcome: Future[None]) -> None:
    outcome.result()
