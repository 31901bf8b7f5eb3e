"""Lost work is found soon, with the default settings: after a death, and after a lost message.

How soon is the sum of the settings; the tests show by which of them it is found.
"""

import uuid
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise

import pytest
import redis
from huey.api import TaskWrapper

from core import clock
from core.ids import new_id
from core.queue_factory import make_queue
from core.settings import Settings, from_environment
from reliable_queue.queue import ReliableQueue
from tasks.upkeep import FOLLOW_UPS
from testing.stack import SHORT, Stack, running
from testing.waiting import wait_until
from tests.chaos.checks import (
    GOAL,
    WORKERS,
    MakeStack,
    assert_built_once,
    every_thread_waits,
    queue_rows,
    repeated,
    restart,
    rows,
    start_second,
    wait_until_at_work,
    wait_until_held,
)
from tests.chaos.model import Asked, Model, outlines

BEGUN_AGAIN = 20  # seconds after the death of its worker, while another one lives
FOUND = 75  # seconds for which a live consumer may not know of work whose message is lost
SPARE = 5  # seconds of each, in which a message is claimed and a lease challenged
BY_DEFAULT = (
    "HEARTBEAT_SECONDS",
    "HEARTBEAT_TTL_SECONDS",
    "LEASE_SECONDS",
    "MODEL_TIMEOUT_SECONDS",
    "RESCUE_AFTER_SECONDS",
    "RETRY_BASE_SECONDS",
)
BATCHES, RECORDS, CONTENTS = 3000, 50, 2000
READY = "{{huey.{}}}:ready:{}"

pytestmark = pytest.mark.long


def test_the_default_settings_add_up_to_what_is_promised() -> None:
    default = {name.upper(): field.default for name, field in Settings.model_fields.items()}
    beat, gone = default["HEARTBEAT_SECONDS"], default["HEARTBEAT_TTL_SECONDS"]
    assert gone + beat + SPARE <= BEGUN_AGAIN
    runs = (0, *FOLLOW_UPS, 60)  # of the rescue job, in a minute
    pause = max(after - before for before, after in pairwise(runs))
    assert default["RESCUE_AFTER_SECONDS"] + pause + SPARE <= FOUND


def by_default(stack: Stack) -> Stack:
    """Without the short times of tests."""
    for environment in (
        stack.environment,
        *(service.environment for service in stack.services.values()),
    ):
        for name in BY_DEFAULT:
            del environment[name]
    assert set(SHORT) - set(stack.environment) == set(BY_DEFAULT)
    return stack


@pytest.fixture
def slow_server(make_stack: MakeStack, model: Model) -> Iterator[Stack]:
    with running(by_default(make_stack("server", **model.environment))) as made:
        yield made


@pytest.fixture(params=["embedded", "server"])
def slow(request: pytest.FixtureRequest, make_stack: MakeStack, model: Model) -> Iterator[Stack]:
    """A stack of its own in each mode, with the times that a service has by default."""
    with running(by_default(make_stack(request.param, **model.environment))) as made:
        yield made


def stop_consuming(stack: Stack) -> None:
    """Orderly; what was begun is handed back."""
    wait_until_at_work(stack, "content")
    assert stack.content.stop() == 0


def lose_messages(stack: Stack) -> None:
    """Everything that the broker has; no consumer of contents runs."""
    if stack.mode == "server":
        client = redis.Redis.from_url(stack.environment["REDIS_URL"])
        assert client.llen(READY.format("content", 0)) + client.llen(READY.format("content", 1)) > 0
        client.flushall()
        client.close()
        return
    assert queue_rows(stack, "delete from message where queue = 'content' returning id")


def test_what_a_killed_worker_was_doing_is_begun_again_within_twenty_seconds(
    slow_server: Stack, model: Model
) -> None:
    path = every_thread_waits(slow_server, model)
    interrupted = set(model.held())
    model.hold(interrupted.__contains__)
    start_second(slow_server)
    slow_server.logs.stop()  # whose rescue job would find it as well, later

    slow_server.content.kill()

    wait_until(
        lambda: len(model.held()) == 2 * WORKERS,
        reason="the same contents are begun again",
    )
    model.let_go()
    assert_built_once(slow_server, path)
    assert repeated(model) == dict.fromkeys(interrupted, 2)


def test_an_outline_that_a_killed_worker_was_designing_is_begun_again_within_twenty_seconds(
    slow_server: Stack, model: Model
) -> None:
    model.hold(outlines)
    path = slow_server.create(GOAL)
    wait_until_held(model, 1)
    start_second(slow_server)
    slow_server.logs.stop()

    slow_server.content.kill()

    wait_until(lambda: len(model.held()) == 2, reason="the outline is begun again")
    model.let_go()
    assert_built_once(slow_server, path)
    assert model.counts() == {**dict.fromkeys(model.due(GOAL), 1), Asked(GOAL, "", "outline"): 2}


def test_an_accepted_roadmap_whose_message_was_lost_is_begun_in_time(
    slow: Stack, model: Model
) -> None:
    if slow.mode == "server":
        stop_consuming(slow)
        path = slow.create(GOAL)
        client = redis.Redis.from_url(slow.environment["REDIS_URL"])
        wait_until(lambda: client.llen(READY.format("content", 1)), reason="the message is there")
        client.close()
    else:
        model.hold(outlines)
        path = slow.create(GOAL)
        wait_until_held(model, 1)
        stop_consuming(slow)
        model.let_go()
    begun = len(model.calls)
    lose_messages(slow)

    restart(slow)
    wait_until_at_work(slow, "content", starts=2)

    wait_until(lambda: len(model.calls) > begun, reason="the roadmap is begun")
    assert_built_once(slow, path)


def test_contents_whose_messages_were_lost_are_begun_in_time(slow: Stack, model: Model) -> None:
    path = every_thread_waits(slow, model)
    slow.content.kill()
    interrupted = set(model.held())
    model.let_go()
    lose_messages(slow)

    restart(slow)
    wait_until_at_work(slow, "content", starts=2)

    def begun() -> bool:
        counts = model.counts()
        return counts.keys() == model.due(GOAL) and all(counts[asked] == 2 for asked in interrupted)

    wait_until(begun, reason="what was lost is begun")
    assert_built_once(slow, path)
    assert repeated(model).keys() == interrupted


class Backlog:
    """Fills the queues of a stack as the services would, with messages in their own format."""

    def __init__(self, stack: Stack) -> None:
        self._environment = {**stack.environment, "SERVICE_TYPE": "huey_logs"}
        self.logs, self.content = self._queue("logs"), self._queue("content")
        self._store = self._task(self.logs, "tasks.logs", "store_log_batch")
        self._build = self._task(self.content, "tasks.content", "build_content")
        self.client = redis.Redis.from_url(stack.environment["REDIS_URL"])

    def of_logs(self, batches: int, records: int) -> None:
        self.logs.enqueue_many(
            self._store.s([self._record() for _ in range(records)], None) for _ in range(batches)
        )

    def top_up(self) -> None:
        """As long as the test waits, so do three thousand batches."""
        if self.waiting("logs", 0) < BATCHES:
            self.of_logs(100, RECORDS)

    def of_contents(self, count: int) -> None:
        """Of roadmaps that do not exist any more."""
        self.content.enqueue_many(self._build.s(str(uuid.uuid4())) for _ in range(count))

    def waiting(self, queue: str, lane: int) -> int:
        return int(self.client.llen(READY.format(queue, lane)))

    def close(self) -> None:
        self.client.close()

    def _queue(self, name: str) -> ReliableQueue:
        return make_queue(from_environment(self._environment), name)

    def _task(self, queue: ReliableQueue, module: str, name: str) -> TaskWrapper:
        def task(*args: object) -> None:
            """Never run here."""

        task.__module__, task.__name__ = module, name
        return queue.task(retries=3)(task)

    def _record(self) -> dict[str, object]:
        at, known = (
            clock.now().isoformat(),
            {"level": "info", "category": "backlog", "step": "wait", "message": "It waits."},
        )
        nothing = dict.fromkeys(("details", "duration_ms", "roadmap_id", "concept_id"))
        return {"id": new_id().hex, "at": at, **known, **nothing}


def test_a_lost_outline_does_not_wait_behind_a_backlog_of_records_and_contents(
    make_stack: MakeStack, model: Model
) -> None:
    with (
        running(make_stack("server", **model.environment, LOGS_WORKERS="1")) as stack,
        closing(Backlog(stack)) as backlog,
    ):
        stop_consuming(stack)
        path = stack.create(GOAL)
        wait_until(lambda: backlog.waiting("content", 1) == 1, reason="the message is there")
        backlog.client.delete(READY.format("content", 1))
        backlog.of_contents(CONTENTS)
        backlog.of_logs(BATCHES, RECORDS)

        def enqueued_again() -> bool:
            backlog.top_up()
            return backlog.waiting("content", 1) == 1

        wait_until(enqueued_again, reason="it is enqueued again")
        assert backlog.waiting("logs", 0) > BATCHES / 2
        assert backlog.waiting("content", 0) == CONTENTS
        assert rows(stack, "select count(*) from execution_log where category = 'backlog'") > [(0,)]
        stack.content.start()
        wait_until(lambda: model.calls, reason="the roadmap is begun")
        assert_built_once(stack, path)
