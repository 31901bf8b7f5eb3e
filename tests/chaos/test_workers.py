"""Consumers that are killed, paused and poisoned, and their clock.

What was accepted is built once, and paid for once.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx2
import psycopg2
import pytest
import redis

from testing.servers import Redis
from testing.stack import Service, Stack, running, with_pid_gone
from testing.waiting import HANG, wait_until
from tests.chaos.checks import (
    GOAL,
    WORKERS,
    MakeStack,
    assert_built_once,
    consumer_pid,
    dead,
    every_thread_waits,
    forget_the_minute,
    is_overdue,
    minutes_of_rescue,
    queue_rows,
    ready,
    repeated,
    restart,
    rows,
    start_second,
    status,
    wait_until_at_work,
    wait_until_held,
)
from tests.chaos.model import PATIENT, Asked, Model, outlines, serving

KILLS = 20
THOUGHT = 1.0  # seconds that a model needs for an outline, where that matters
RESCUE = "upkeep.rescue_overdue"
NOTE_PUSHES = """create trigger pushed after insert on message
    when new.queue = 'logs' and instr(new.data, cast('rescue_overdue' as blob)) > 0
    begin insert into seen values (datetime('now')); end"""


@pytest.mark.long
def test_a_worker_killed_in_the_middle_of_model_calls_pays_for_those_again_and_for_no_others(
    modelled: Stack, model: Model
) -> None:
    path = every_thread_waits(modelled, model)
    modelled.content.kill()
    interrupted = set(model.held())
    model.let_go()

    restart(modelled)

    assert_built_once(modelled, path)
    assert model.counts().keys() == model.due(GOAL)
    assert repeated(model) == dict.fromkeys(interrupted, 2)


@pytest.mark.long
def test_a_worker_paused_in_model_calls_loses_them_and_saves_nothing(
    modelled_server: Stack, model: Model
) -> None:
    path = every_thread_waits(modelled_server, model)
    interrupted = set(model.held())

    modelled_server.content.signal(signal.SIGSTOP)
    model.hold(interrupted.__contains__)  # calls that no worker has begun are answered
    second = start_second(modelled_server)
    wait_until_held(model, 2 * WORKERS)
    assert Counter(model.held()) == dict.fromkeys(interrupted, 2)
    modelled_server.content.signal(signal.SIGCONT)
    model.let_go()  # both hear the answer to the same question

    assert_built_once(modelled_server, path)
    assert repeated(model) == dict.fromkeys(interrupted, 2)
    assert model.counts().keys() == model.due(GOAL)
    assert (modelled_server.content.stop(), second.stop()) == (0, 0)


@pytest.mark.long
def test_a_content_consumer_that_is_paused_alone_goes_on_where_it_was(
    make_stack: MakeStack, model: Model
) -> None:
    with running(make_stack("embedded", **model.environment, **PATIENT)) as stack:
        path = every_thread_waits(stack, model)
        pid = consumer_pid(stack)

        os.kill(pid, signal.SIGSTOP)
        try:
            alive = """select 1 from consumer where queue = 'content'
                and alive_until >= (julianday('now') - 2440587.5) * 86400"""
            wait_until(lambda: not queue_rows(stack, alive), reason="the consumer counts as dead")
            leased = "select status from content where lease_until >= datetime('now')"
            wait_until(lambda: not rows(stack, leased), reason="its leases have run out")
        finally:
            os.kill(pid, signal.SIGCONT)
        model.let_go()

        assert_built_once(stack, path)
        assert stack.content.alive()
        assert model.counts().keys() == model.due(GOAL)


@pytest.mark.long
def test_an_idle_worker_that_is_killed_again_and_again_while_goals_arrive_loses_none(
    make_stack: MakeStack, tmp_path: Path
) -> None:
    chance = random.Random(seed := 7)
    print(f"seed {seed}")
    with serving(concepts=1) as model, running(make_stack("server", **model.environment)) as stack:
        stack.content.kill()
        paths: list[str] = []
        with posting(stack, paths):
            following = Service("huey_content", stack.environment, tmp_path).start()
            for _ in range(KILLS):
                victim, following = (
                    following,
                    Service("huey_content", stack.environment, tmp_path).start(),
                )
                stack.services["huey_content"], stack.services["following"] = victim, following
                wait_until(
                    lambda victim=victim: ready(victim),
                    reason="the consumer is at work",
                )
                more = len(paths) + chance.randint(1, 4)
                wait_until(lambda more=more: len(paths) >= more, reason="goals are posted")
                victim.kill()
        del stack.services["huey_content"]

        assert len(paths) >= KILLS
        for path in paths:
            stack.finished(path)
            assert_built_once(stack, path)


@pytest.mark.long
def test_an_instance_that_is_killed_again_and_again_while_goals_arrive_loses_none_that_it_accepted(
    make_stack: MakeStack,
) -> None:
    chance = random.Random(seed := 11)
    print(f"seed {seed}")
    with (
        serving(concepts=1) as model,
        running(make_stack("embedded", **model.environment)) as stack,
    ):
        paths: list[str] = []
        with posting(stack, paths):
            for _ in range(8):
                more = len(paths) + chance.randint(1, 4)
                wait_until(lambda more=more: len(paths) >= more, reason="goals are accepted")
                stack.content.kill()
                stack.content.start()
        stack.wait_ready()
        for path in paths:
            stack.finished(path)
            assert_built_once(stack, path)


@contextmanager
def posting(stack: Stack, paths: list[str], pause: float = 0.25) -> Iterator[None]:
    """A person who posts one goal after another, in a thread, until the block ends."""
    ended = threading.Event()

    def post() -> None:
        while not ended.wait(pause):
            with suppress(httpx2.TransportError):  # while no API accepts it
                paths.append(stack.create(f"{GOAL} number {len(paths)}"))

    thread = threading.Thread(target=post, name="Person", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(HANG)


class Poison:
    """A goal whose outline kills the process that asks for it.

    The test starts it again, as a platform does.
    """

    goal = "Learn to kill the worker"

    def __init__(self, stack: Stack, model: Model, *, waits_for: int = 0) -> None:
        """It strikes when so many others are under way, if they are within THOUGHT seconds."""
        self.stack, self.deaths = stack, 0
        self._model, self._waits_for = model, waits_for
        model.strike = self._strike

    def restarted(self) -> bool:
        """Whether a death was seen and mended just now."""
        if self.stack.content.alive():
            return False
        restart(self.stack)
        return True

    def given_up(self, path: str) -> bool:
        return not self.restarted() and status(self.stack, path) == "failed"

    def accepted_beside_it(self) -> str:
        """The path of another goal."""

        def accepted() -> str:
            self.restarted()
            with suppress(httpx2.TransportError):
                return self.stack.create(GOAL)
            return ""

        return wait_until(accepted, reason="another goal is accepted")

    def _strike(self, asked: Asked) -> None:
        if asked.goal == self.goal:
            threading.Timer(THOUGHT, (thought := threading.Event()).set).start()
            wait_until(lambda: len(self._model.held()) >= self._waits_for or thought.is_set())
            self.deaths += 1
            with_pid_gone(consumer_pid(self.stack), signal.SIGKILL)


def dead_count(stack: Stack) -> int:
    with suppress(httpx2.TransportError):
        return int(stack.metric_sum("roadmap_queue_messages", queue="content", state="dead"))
    return 0


@pytest.mark.long
def test_a_task_that_kills_its_worker_is_put_aside_after_three_deaths_and_the_others_go_on(
    modelled: Stack, model: Model
) -> None:
    poison = Poison(modelled, model)
    poisonous = modelled.create(poison.goal)

    def put_aside_or_given_up() -> bool:
        poison.restarted()
        return dead_count(modelled) > 0 or status(modelled, poisonous) == "failed"

    wait_until(put_aside_or_given_up, reason="the message is put aside")
    model.strike = None  # rescue brings the row back, three times a minute, by a message of its own
    assert poison.deaths >= 3
    listed = dead(modelled, "dead").output
    assert "plan_roadmap" in listed
    assert poisonous.rpartition("/")[2] in listed
    assert "its consumer died 3 times" in listed
    other = poison.accepted_beside_it()
    wait_until(
        lambda: not poison.restarted() and status(modelled, other) == "ready",
        reason="the other is built",
    )
    assert_built_once(modelled, other)


@pytest.mark.long
def test_a_goal_that_kills_its_worker_ends_with_a_reason_and_one_that_comes_meanwhile_ends_ready(
    modelled: Stack, model: Model
) -> None:
    poison = Poison(modelled, model)
    poisonous = modelled.create(poison.goal)
    wait_until(lambda: not poison.restarted() and poison.deaths >= 3, reason="three deaths")

    other = poison.accepted_beside_it()

    wait_until(
        lambda: poison.given_up(poisonous),
        reason="the roadmap that kills its worker is given up",
    )

    tree = modelled.get(poisonous).json()
    assert "Its worker died" in tree["error"]
    assert "Retry it" in tree["error"]
    assert poison.deaths == 6
    assert_built_once(modelled, other)
    assert modelled.events(poisonous)[-1]["event"] == "roadmap.failed"


@pytest.mark.long
def test_goals_that_are_under_way_beside_one_that_kills_its_worker_are_not_given_up_with_it(
    modelled: Stack, model: Model
) -> None:
    poison = Poison(modelled, model, waits_for=2)
    model.hold(lambda asked: asked.kind == "outline" and asked.goal == GOAL, THOUGHT)
    others = [modelled.create(GOAL)]
    poisonous = modelled.create(poison.goal)
    others.append(modelled.create(GOAL))

    wait_until(
        lambda: poison.given_up(poisonous),
        reason="the roadmap that kills its worker is given up",
    )
    model.let_go()

    for path in others:
        assert_built_once(modelled, path)


@pytest.mark.long
def test_a_message_whose_consumer_dies_three_times_is_put_aside_until_it_is_replayed(
    modelled_server: Stack, model: Model
) -> None:
    wait_until_at_work(modelled_server, "content", "logs")
    assert (modelled_server.content.stop(), modelled_server.logs.stop()) == (
        0,
        0,
    )  # without logs no rescue enqueues it meanwhile
    path = modelled_server.create(GOAL)
    client = redis.Redis.from_url(modelled_server.environment["REDIS_URL"], decode_responses=True)
    gone: set[str] = set()
    with (
        closing(client),
        closing(psycopg2.connect(modelled_server.environment["DATABASE_URL"])) as connection,
    ):
        connection.cursor().execute(
            "lock table roadmap in share row exclusive mode"
        )  # claiming the row waits for this
        for _ in range(3):
            modelled_server.content.start()
            wait_until(lambda: holders(client) - gone, reason="a worker has the message")
            modelled_server.content.kill()
            gone.update(holders(client))
        connection.rollback()
        modelled_server.content.start()
        wait_until(
            lambda: client.llen("{huey.content}:dead") == 1,
            reason="the message is put aside",
        )
    assert status(modelled_server, path) == "queued"
    assert model.calls == []
    listed = dead(modelled_server, "dead").output
    assert "plan_roadmap" in listed
    assert path.rpartition("/")[2] in listed
    assert "its consumer died 3 times" in listed

    assert (
        "Replayed 1 dead letter of the content queue"
        in dead(modelled_server, "replay", "--all").output
    )

    assert_built_once(modelled_server, path)
    assert "No dead letters in the content queue" in dead(modelled_server, "dead").output
    assert set(model.counts().values()) == {1}


def holders(client: redis.Redis) -> set[str]:
    """Consumers that have messages of contents in their hands."""
    prefix = "{huey.content}:held:"
    return {key.removeprefix(prefix) for key in client.scan_iter(match=f"{prefix}*")}


class Pushes:
    """Watch of the broker: minutes the rescue job was asked for, and how often it was enqueued."""

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
                elif (
                    words.startswith("LPUSH ")
                    and "huey.logs}:ready:1" in words
                    and "rescue_overdue" in words
                ):
                    self.pushed += 1

    def close(self) -> None:
        self._monitor.connection.disconnect()
        self._client.close()
        self._thread.join(HANG)


@pytest.mark.long
def test_consumers_that_start_in_the_same_minute_run_a_periodic_task_once_in_it(
    make_stack: MakeStack, own_broker: Redis
) -> None:
    pushes = Pushes(own_broker)
    try:
        with running(make_stack("server")) as stack:
            start_second(stack, "huey_logs")
            wait_until(lambda: len(pushes.asked) >= 2, reason="both have asked for the job")
            for restarts in range(3):
                stack.logs.kill()
                stack.logs.start()
                wait_until(
                    lambda enough=restarts + 3: len(pushes.asked) >= enough,
                    reason="it has asked for it again",
                )
            wait_until(
                lambda: pushes.pushed >= len(set(pushes.asked)), reason="the job is enqueued"
            )
            stack.stop()
    finally:
        pushes.close()
    assert len(pushes.asked) >= 5
    assert len(set(pushes.asked)) < len(pushes.asked)
    assert pushes.pushed == len(set(pushes.asked))


@pytest.mark.long
def test_one_instance_that_is_restarted_in_the_same_minute_runs_a_periodic_task_once_in_it(
    make_stack: MakeStack,
) -> None:
    minutes = "select key from once where queue = 'logs'"
    with running(make_stack("embedded")) as stack:
        wait_until(lambda: queue_rows(stack, minutes), reason="the job is enqueued")
        queue_rows(stack, "create table seen (at text)")
        queue_rows(stack, NOTE_PUSHES)
        before = set(queue_rows(stack, minutes))
        for restarts in range(3):
            stack.content.kill()
            stack.start()
            wait_until_at_work(stack, "logs", starts=restarts + 2)
            path = stack.create()
            assert stack.finished(path)["status"] == "ready"
        after = set(queue_rows(stack, minutes))
        assert before <= after
        assert len(after) < 1 + 3
        assert len(queue_rows(stack, "select at from seen")) == len(after - before)
        stack.content.kill()
        queue_rows(stack, "delete from once")
        stack.start()
        enough = len(after - before) + 1  # nothing but its memory kept it from being enqueued again
        wait_until(
            lambda: len(queue_rows(stack, "select at from seen")) >= enough,
            reason="the job is enqueued again",
        )


@pytest.mark.long
def test_after_a_minute_with_no_consumer_at_all_what_was_lost_in_it_is_found_at_the_next_start(
    modelled: Stack, model: Model
) -> None:
    path = modelled.create(GOAL)
    modelled.finished(path)
    if modelled.mode == "server":
        wait_until_at_work(modelled, "logs")
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
        assert (
            len(queue_rows(modelled, "delete from message where queue = 'content' returning id"))
            == 1
        )
    wait_until(lambda: is_overdue(modelled), reason="what was lost is overdue")
    forget_the_minute(modelled)

    starts = 1 + ready(modelled.logs, "logs")
    if modelled.mode == "server":
        modelled.logs.start()
        modelled.content.start()
    else:
        modelled.start()

    wait_until_at_work(modelled, "logs", starts=starts)
    begun = time.strftime("%Y%m%d%H%M", time.gmtime())
    assert_built_once(modelled, lost)
    assert minutes_of_rescue(modelled)[0] <= begun  # found at the start, not in the next minute
