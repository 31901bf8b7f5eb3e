"""Tasks on the wire: pinned names, and unknown ones that are put aside while others go on."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from huey.exceptions import HueyException
from huey.registry import Message

from core import clock
from core.errors import Unavailable
from reliable_queue.messages import SignedJsonSerializer
from reliable_queue.queue import ReliableQueue
from reliable_queue.sqlite_storage import ReliableSqliteStorage
from reliable_queue.storage import DeadLetter
from roadmap.plan.statuses import JobName
from tasks import content, logs, upkeep
from tasks.queues import OUTAGE_PAUSE, STOPS, content_queue, logs_queue, task
from tests.cases import try_each
from tests.unit.alone import run_alone

NAMES = {
    "tasks.content.plan_roadmap": (content_queue, content.plan_roadmap),
    "tasks.content.build_content": (content_queue, content.build_content),
    "tasks.content.deliver_webhook": (content_queue, content.deliver_webhook),
    "tasks.content.export_account": (content_queue, content.export_account),
    "tasks.content.judge_project": (content_queue, content.judge_project),
    "tasks.content.look_after_links": (content_queue, content.look_after_links),
    "tasks.logs.store_log_batch": (logs_queue, logs.store_log_batch),
    "tasks.upkeep.rescue_again": (logs_queue, upkeep.rescue_again),
    "tasks.upkeep.rescue_overdue": (logs_queue, upkeep.rescue_overdue),
}
KEY = "k" * 40
TRIES = 4
REGISTERED = """
import sys
import tasks.queues
from huey.api import TaskWrapper
modules = [vars(module) for name, module in sys.modules.items() if name.startswith("tasks.")]
tasks = [each for names in modules for each in names.values() if isinstance(each, TaskWrapper)]
classes = {each.task_class for each in tasks}
print(*(f"{task.__module__}.{task.__name__}" for task in classes))
"""

over_names = try_each("name", NAMES)


def test_an_operator_can_stop_every_job() -> None:
    assert STOPS.keys() == set(JobName)


class TestNames:
    @over_names
    def test_a_task_is_sent_under_its_pinned_name(self, name: str) -> None:
        queue, task = NAMES[name]
        assert queue.serializer.open(queue.serialize_task(task.s())).message.name == name

    @over_names
    def test_a_message_with_a_pinned_name_is_a_task_of_its_queue_and_of_no_other(
        self, name: str
    ) -> None:
        queue, task = NAMES[name]
        other = logs_queue if queue is content_queue else content_queue
        message = Message(id="1", name=name)
        assert (
            type(queue.deserialize_task(queue.serializer.seal(message, None, {})))
            is task.task_class
        )
        with pytest.raises(HueyException, match="not found"):
            other.deserialize_task(other.serializer.seal(message, None, {}))

    def test_importing_the_queues_alone_registers_these_tasks_and_no_others(
        self, tmp_path: Path
    ) -> None:
        done = run_alone(REGISTERED, {"SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path)})
        assert done.returncode == 0, done.stderr
        assert sorted(done.stdout.split()) == sorted(NAMES)


class Spare:
    """A queue on memory, with a task `note` that keeps its arguments in `noted`."""

    def __init__(self) -> None:
        self.queue = ReliableQueue(
            "spare",
            keys=[KEY],
            storage_class=ReliableSqliteStorage,
            filename=":memory:",
            now=clock.now,
        )
        self.queue.storage.wake()  # a claim that finds nothing does not wait
        self.noted: list[str] = []
        self.note = task(self.queue)(self._note)

    def _note(self, word: str) -> None:
        self.noted.append(word)

    def work_off(self) -> None:
        """Work as a worker of the consumer does, until nothing is ready."""
        while (task := self.queue.dequeue()) is not None:  # which acknowledges what has run before
            self.queue.execute(task)

    @property
    def dead(self) -> list[DeadLetter]:
        return self.queue.storage.dead_letters()


@pytest.fixture
def spare() -> Iterator[Spare]:
    yield Spare()
    clock.reset()


def note_message(key: str, salt: str) -> bytes:
    """A call of `note`, signed with that key for the queue of that name."""
    message = Message(id="1", name=f"{__name__}._note", args=("never",), retries=0)
    return SignedJsonSerializer([key], salt).seal(message, None, {})


OURS = SignedJsonSerializer([KEY], "spare")
BAD = {
    "garbage": (b"\x80\x04 no message", "signature"),
    "forged": (note_message("o" * 40, "spare"), "signature"),
    "of another queue": (note_message(KEY, "other"), "signature"),
    "of an unknown task": (
        OURS.seal(Message(id="1", name="tasks.content.of_another_release"), None, {}),
        "of_another_release not found",
    ),
}

over_bad_messages = pytest.mark.parametrize(("data", "reason"), BAD.values(), ids=BAD)


class TestUnreadable:
    def test_the_helper_makes_messages_that_would_run_with_the_right_key(
        self, spare: Spare
    ) -> None:
        spare.queue.storage.enqueue(note_message(KEY, "spare"))
        spare.work_off()
        assert spare.noted == ["never"]

    @over_bad_messages
    def test_a_worker_puts_it_aside_with_the_reason_and_runs_the_next(
        self, spare: Spare, data: bytes, reason: str
    ) -> None:
        spare.queue.storage.enqueue(data)
        spare.queue.enqueue(spare.note.s("next"))

        spare.work_off()

        assert spare.noted == ["next"]
        assert [letter.data for letter in spare.dead] == [data]
        assert spare.dead[0].reason
        assert reason in spare.dead[0].reason
        assert spare.queue.storage.stats().held == 0

    @pytest.mark.parametrize("immediate", [False, True], ids=["queued", "immediate"])
    def test_draining_puts_it_aside_and_runs_the_next(self, spare: Spare, immediate: bool) -> None:
        spare.queue.immediate = immediate
        data, _ = BAD["forged"]
        spare.queue.storage.enqueue(data)
        spare.queue.enqueue(spare.note.s("next", eta=clock.now() + timedelta(seconds=30)))
        clock.travel(timedelta(minutes=1))

        assert spare.queue.drain() == 1

        assert spare.noted == ["next"]
        assert [letter.data for letter in spare.dead] == [data]


class TestFailing:
    @pytest.mark.parametrize("immediate", [False, True], ids=["queued", "immediate"])
    def test_a_task_that_fails_for_good_is_put_aside_with_its_reason_and_the_others_go_on(
        self, spare: Spare, immediate: bool
    ) -> None:
        spare.queue.immediate = immediate
        dead: list[int] = []

        @task(spare.queue)
        def broken(word: str) -> None:
            dead.append(len(spare.dead))
            raise ValueError(f"no such row: {word}")

        spare.queue.enqueue(broken.s("seven"))
        spare.queue.enqueue(spare.note.s("next"))
        for _ in range(TRIES):
            clock.travel(timedelta(minutes=1))
            spare.queue.drain()

        assert dead == [0] * TRIES  # each try came before it was put aside
        assert [letter.reason for letter in spare.dead] == [
            "it failed for good: ValueError('no such row: seven')"
        ]
        dead = spare.queue.deserialize_task(spare.dead[0].data)
        assert (type(dead), dead.args) == (broken.task_class, ("seven",))
        assert spare.noted == ["next"]
        assert (
            spare.queue.pending_count(),
            spare.queue.scheduled_count(),
            spare.queue.storage.stats().held,
        ) == (0, 0, 0)

    def test_a_task_that_fails_a_few_times_is_not_put_aside(self, spare: Spare) -> None:
        failures = [ValueError("one"), ValueError("two"), ValueError("three")]

        @task(spare.queue)
        def moody() -> None:
            if failures:
                raise failures.pop()
            spare.noted.append("done")

        spare.queue.enqueue(moody.s())
        for _ in range(TRIES):
            clock.travel(timedelta(minutes=1))
            spare.queue.drain()
        assert spare.noted == ["done"]
        assert spare.dead == []

    def test_an_outage_uses_up_no_tries(
        self, spare: Spare, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits: list[float] = []
        monkeypatch.setattr(spare.queue, "wait", waits.append)
        outages = [Unavailable("The database does not answer.") for _ in range(3 * TRIES)]

        @task(spare.queue)
        def patient() -> None:
            if outages:
                raise outages.pop()
            spare.noted.append("done")

        spare.queue.enqueue(patient.s())
        for _ in range(3 * TRIES + 1):
            clock.travel(timedelta(minutes=1))
            assert spare.queue.drain() == 1
        assert spare.noted == ["done"]
        assert spare.dead == []
        assert waits == [OUTAGE_PAUSE] * 3 * TRIES
