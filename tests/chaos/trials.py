"""The stories of the kill points.

A process dies by itself at a point of `kill_points.py`; the story starts it again, as a platform
would.
"""

import signal
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx2

from testing.servers import Postgres, Redis, scratch_folder
from testing.stack import ROOT, Service, Stack, embedded_stack, server_stack
from testing.stack_queues import queue_of
from testing.waiting import HANG, wait_until
from tests.chaos.checks import (
    GOAL,
    Row,
    asking,
    assert_built_once,
    forget_the_minute,
    is_overdue,
    rows,
    wait_until_idle,
)
from tests.chaos.kill_points import POINTS, ServiceName
from tests.chaos.model import Asked, Model, every_call, serving

SEED = 20  # of the pace of every model
INJECT = ROOT / "tests" / "chaos" / "inject"
CONCEPTS = 2
CONTENTS = 3 * CONCEPTS
GARBAGE = b"garbage"


class Trial:
    """A stack with the injection in its processes, a model of its own, and its victim."""

    def __init__(self, at: str, stack: Stack, model: Model) -> None:
        self.stack, self.model = stack, model
        self.saved: set[Asked] = set()  # before the content worker's last death
        self.excused = False  # the content worker has died: what was not saved may be paid twice
        self.at = at
        self.arm(at)

    def arm(self, at: str, *, at_once: bool = True) -> None:
        """Processes that are started from now on die here; if not at once, once `since` exists."""
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
            wait_until(
                lambda: listens(self.stack.port) or not self.stack.api.alive(),
                reason="the API listens",
            )
            self.stack.wait_ready()
            self.stack.headers = self.stack.headers or self.stack.register()

    def create(self) -> str:
        return self.stack.create(GOAL)

    def died(self, *, stopped: bool = False) -> None:
        """The process has killed itself at its point; in embedded mode the tree ends after it."""
        victim = self.victim
        wait_until(
            lambda: self.mark.exists() or not victim.alive(),
            reason=f"{victim.name} dies {self.stack.folder}",
        )
        assert self.mark.exists(), f"{victim.name} ended elsewhere:\n{victim.output[-3000:]}"
        assert victim.process is not None
        expected = -signal.SIGKILL if self.stack.mode == "server" else 0 if stopped else 1
        assert victim.process.wait(HANG) == expected
        if self.point.service == "content":
            self.take_stock()

    def take_stock(self) -> None:
        """The content worker has died: what it had saved must not be asked for again."""
        self.excused = True
        ready = """select concept.title, content.kind from content
            join concept on content.concept_id = concept.id where content.status = 'ready'"""
        self.saved = {Asked(GOAL, *written) for written in self.rows(ready)}
        self.saved |= {
            Asked(GOAL, "", "analysis")
            for _ in self.rows("select id from roadmap where analysis is not null")
        }
        self.saved |= {
            Asked(GOAL, "", "outline")
            for _ in self.rows("select number from revision where outline is not null")
        }

    def restart(self) -> None:
        self.start(self.victim.name)

    def create_and_stall(self) -> str:
        """Return the path of a roadmap of which the model answers nothing until it is let go."""
        self.model.hold(every_call)
        path = self.create()
        wait_until(self.model.held, reason="the model is asked")
        return path

    def assert_built(self, path: str) -> None:
        """Built once, nothing that was saved paid for again, and no message left anywhere."""
        finished = "select id from roadmap where finished_at is not null"
        try:
            with asking(self.stack) as ask:
                wait_until(lambda: ask(finished), reason=f"{path} reaches its end")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.stack.diagnosis(path)}") from None
        assert_built_once(self.stack, path)
        heard = self.model.heard()
        assert heard.keys() == self.model.due(GOAL)
        assert {asked: times for asked, times in heard.items() if times > self.allowed(asked)} == {}
        self.assert_nothing_waits("content")

    def assert_nothing_waits(self, queue: str) -> None:
        """No message of a service waits in the queue or was put aside."""
        with queue_of(self.stack, queue) as left:
            wait_until_idle(left)
            assert [
                letter for letter in left.storage.dead_letters() if letter.data != GARBAGE
            ] == []

    def allowed(self, asked: Asked) -> int:
        return 2 if self.excused and asked not in self.saved else 1

    def rows(self, query: str) -> list[Row]:
        return rows(self.stack, query)


# What happens


def a_goal_is_posted(trial: Trial) -> None:
    trial.start("api", "huey_content")
    path = trial.create()
    trial.died()
    trial.restart()
    trial.assert_built(path)


def the_model_fails_an_outline(trial: Trial) -> None:
    trial.model.failing.add("outline")
    a_goal_is_posted(trial)
    assert trial.model.failing == set()


def the_model_fails_a_content(trial: Trial) -> None:
    trial.model.failing.add("quiz")
    a_goal_is_posted(trial)
    assert trial.model.failing == set()


def its_task_is_running(trial: Trial) -> None:
    trial.arm(trial.at, at_once=False)
    trial.start("api", "huey_content")
    path = trial.create_and_stall()
    trial.since.touch()
    trial.died()
    trial.model.let_go()
    trial.restart()
    trial.assert_built(path)


def another_has_died_before(trial: Trial) -> None:
    trial.start("api", "huey_content")
    path = trial.create_and_stall()
    trial.victim.kill()
    trial.model.let_go()
    trial.victim.start()  # in embedded mode it may die before the API is ready
    trial.died()
    trial.restart()
    trial.assert_built(path)


def it_is_stopped_by_a_signal(trial: Trial) -> None:
    for service in trial.stack.services.values():
        service.environment["SHUTDOWN_GRACE_SECONDS"] = "1"  # shorter than MODEL_TIMEOUT_SECONDS
    trial.start("api", "huey_content")
    path = trial.create_and_stall()
    trial.victim.signal(signal.SIGTERM)
    trial.died(stopped=True)
    trial.model.let_go()
    trial.restart()
    trial.assert_built(path)


def garbage_arrives(trial: Trial) -> None:
    trial.start("api", "huey_content")
    with queue_of(trial.stack) as content:
        content.storage.enqueue(GARBAGE)
    trial.died()
    trial.restart()
    trial.assert_built(trial.create())
    with queue_of(trial.stack) as content:
        assert [letter.data for letter in content.storage.dead_letters()] == [GARBAGE]


def records_arrive(trial: Trial) -> None:
    """Everything that was recorded is there once, and counted once."""
    trial.start("api", "huey_content", "huey_logs")
    path = trial.create()
    trial.died()
    trial.restart()
    trial.assert_built(path)
    making = """select step, count(*) from execution_log
        where category in ('planning', 'building') group by step order by step"""
    # Of each try that it was begun and what came of it.
    expected = [
        ("analysis", 1),
        ("finish", 1),
        ("outline", 1),
        ("plan", 2),
        ("quiz", 4),
        ("resources", 4),
        ("tutorial", 4),
    ]
    wait_until(
        lambda: (
            sum(count for _, count in trial.rows(making)) >= sum(count for _, count in expected)
        ),
        reason="the records are stored",
    )
    trial.assert_nothing_waits("logs")
    assert trial.rows(making) == expected
    metric_sum = """select (select count(*) from execution_log), sum(stored), sum(last_seq),
        sum(dropped) from log_source"""
    [(there, stored, numbered, dropped)] = trial.rows(metric_sum)
    assert (stored, numbered, dropped) == (there, there, 0)


def a_goal_is_accepted_perhaps(trial: Trial) -> None:
    """No answer, or 202: whatever was committed is built, by rescue where no message was sent."""
    trial.start("api", "huey_content")
    answered = posted(trial)
    trial.died()
    wait_until(lambda: is_overdue(trial.stack), reason="what was committed is overdue")
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
    again = posted_with_key(trial)  # by a client that has no answer
    assert (again.status_code, again.headers["location"]) == (202, path)
    assert again.headers["idempotency-replayed"] == "true"
    trial.assert_built(path)


def a_goal_waits_for_rescue(trial: Trial) -> None:
    """Its message was never sent, and the logs consumer dies over the job that would notice."""
    trial.arm("accept.committed")
    trial.start("api", "huey_content")
    assert posted(trial) == []
    trial.died()
    wait_until(lambda: is_overdue(trial.stack), reason="what was committed is overdue")
    forget_the_minute(trial.stack)
    trial.arm(trial.at)
    if trial.stack.mode == "server":
        trial.start("api")
    trial.victim.start()  # in embedded mode it dies before the API is ready
    trial.died()
    with queue_of(trial.stack, "logs") as logs:
        jobs = (
            sum(b"rescue_overdue" in message for message in logs.storage.enqueued_items())
            + logs.storage.stats().held
        )
    assert jobs == (0 if trial.at == "periodic.before" else 1)
    trial.restart()
    [path] = listed(trial)
    trial.assert_built(path)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def posted(trial: Trial) -> list[str]:
    """The path of the roadmap, if there was an answer."""
    try:
        answer = posted_with_key(trial)
    except httpx2.TransportError:
        return []
    assert answer.status_code == 202, answer.text
    return [answer.headers["location"]]


def posted_with_key(trial: Trial) -> httpx2.Response:
    return trial.stack.post(
        "/api/v1/roadmaps", json={"goal": GOAL}, headers={"Idempotency-Key": "the-only-one"}
    )


def listed(trial: Trial) -> list[str]:
    return [
        f"/api/v1/roadmaps/{item['id']}"
        for item in trial.stack.get("/api/v1/roadmaps").json()["items"]
    ]


# With what


@contextmanager
def trial_of(at: str, mode: str, postgres: Postgres) -> Iterator[Trial]:
    """With a model, a database and a broker of its own."""
    with (
        serving(concepts=CONCEPTS, seed=SEED) as model,
        scratch_folder() as folder,
        ExitStack() as ended,
    ):
        if mode == "embedded":
            stack = embedded_stack(folder, **model.environment)
        else:
            (folder / "redis").mkdir()
            broker = Redis(folder / "redis")
            broker.start()
            ended.callback(broker.stop)
            stack = server_stack(folder, postgres, broker, **model.environment)
        ended.callback(stack.stop)
        yield Trial(at, stack, model)
