"""Sending: a submit never waits for the broker.

What waited for it goes out together, and what finds no room is left to rescue.
"""

import logging
import threading
from collections.abc import Iterator
from uuid import UUID

import pytest

from core.ids import new_id
from roadmap.plan.statuses import Job, JobName
from tasks import dispatcher
from tasks.dispatcher import LARGEST, WAITING, Sender
from tasks.queues import content_queue
from testing.waiting import HANG, wait_until


class Broker:
    """The content queue's real storage, behind a door: open, shut (it fails), or stuck."""

    def __init__(self) -> None:
        self.deliver = content_queue.storage.enqueue_many
        self.away = False
        self.answers = threading.Event()
        self.answers.set()
        self.tries = 0
        self.round_trips: list[int] = []

    def enqueue_many(self, messages: Iterator[tuple[bytes, int]]) -> None:
        batch = list(messages)
        self.tries += 1
        self.answers.wait(HANG)
        if self.away:
            raise content_queue.storage.faults[0]("the broker is away")
        self.deliver(batch)
        self.round_trips.append(len(batch))

    def ids(self) -> list[UUID]:
        """Return the ids that a consumer would find, in order."""
        tasks = [
            content_queue.deserialize_task(data) for data in content_queue.storage.enqueued_items()
        ]
        return [UUID(task.args[0]) for task in tasks]


@pytest.fixture
def broker_door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    content_queue.storage.flush_queue()
    made = Broker()
    monkeypatch.setattr(content_queue.storage, "enqueue_many", made.enqueue_many)
    monkeypatch.setattr(dispatcher, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(dispatcher, "LONGEST_PAUSE", 0.02)
    yield made
    content_queue.storage.flush_queue()


@pytest.fixture
def sender(broker_door: Broker) -> Iterator[Sender]:
    made = Sender()
    made.start()
    yield made
    broker_door.answers.set()
    made.stop()


def steps(number: int) -> list[Job]:
    return [Job(JobName.plan_roadmap, new_id()) for _ in range(number)]


def submit(sender: Sender, *batches: list[Job]) -> list[UUID]:
    for batch in batches:
        sender.submit(batch)
    return [step.id for batch in batches for step in batch]


def let_it_try(sender: Sender, broker: Broker) -> list[UUID]:
    """A first job that the broker does not take; what is submitted from now on waits in line."""
    given = submit(sender, steps(1))
    wait_until(lambda: broker.tries > 0, reason="a try")
    return given


class TestSending:
    def test_what_is_submitted_is_sent_in_its_order(
        self, sender: Sender, broker_door: Broker
    ) -> None:
        given = submit(sender, steps(3), steps(1), steps(2))
        wait_until(lambda: len(broker_door.ids()) == len(given), reason="all are sent")
        assert broker_door.ids() == given

    def test_nothing_submitted_sends_nothing_and_harms_nothing(
        self, sender: Sender, broker_door: Broker
    ) -> None:
        given = submit(sender, [], steps(1), [])
        wait_until(lambda: broker_door.ids() == given, reason="the step is sent")
        assert broker_door.round_trips == [1]

    def test_batches_that_wait_while_the_broker_is_slow_go_out_together(
        self, sender: Sender, broker_door: Broker
    ) -> None:
        broker_door.answers.clear()
        given = let_it_try(sender, broker_door)
        given += submit(sender, *(steps(2) for _ in range(100)))
        broker_door.answers.set()
        wait_until(lambda: broker_door.ids() == given, reason="all are sent")
        assert broker_door.round_trips == [1, 200]

    def test_batches_that_wait_while_the_broker_is_away_go_out_in_few_round_trips(
        self, sender: Sender, broker_door: Broker, caplog: pytest.LogCaptureFixture
    ) -> None:
        broker_door.away = True
        given = let_it_try(sender, broker_door)
        given += submit(sender, *(steps(2) for _ in range(600)))
        wait_until(lambda: broker_door.tries >= 4, reason="it is tried again")
        assert broker_door.ids() == []

        broker_door.away = False
        wait_until(lambda: len(broker_door.ids()) == len(given), reason="all are sent")

        assert broker_door.ids() == given
        assert broker_door.round_trips == [1, LARGEST, LARGEST, 1200 - 2 * LARGEST]
        found = [line.getMessage() for line in caplog.records]
        assert found == [
            "the broker does not take 1 jobs, trying until it does: "
            "the queues in DATA_DIR cannot be used: the broker is away; check DATA_DIR",
            "the broker is back, 1 jobs are sent",
        ]

    def test_steps_that_cannot_be_sent_do_not_hold_up_those_behind_them(
        self, sender: Sender, broker_door: Broker, caplog: pytest.LogCaptureFixture
    ) -> None:
        broker_door.answers.clear()
        let_it_try(sender, broker_door)
        sender.submit([Job("no_such_task", new_id())])  # type: ignore[arg-type]
        broker_door.answers.set()
        wait_until(
            lambda: "1 jobs are left to rescue" in caplog.text, reason="the warning is logged"
        )
        given = submit(sender, steps(1))
        wait_until(lambda: len(broker_door.ids()) == 2, reason="the next one is sent")
        assert broker_door.ids()[1:] == given


class TestOverflow:
    def test_a_submit_returns_while_the_broker_answers_nothing(
        self, sender: Sender, broker_door: Broker
    ) -> None:
        broker_door.answers.clear()
        given = let_it_try(sender, broker_door)
        given += submit(sender, *(steps(1) for _ in range(WAITING)))
        assert broker_door.round_trips == []  # all of them were submitted behind one that hangs
        broker_door.answers.set()
        wait_until(lambda: broker_door.ids() == given, reason="all are sent")

    def test_what_finds_no_room_is_left_to_rescue_with_a_warning(
        self, sender: Sender, broker_door: Broker, caplog: pytest.LogCaptureFixture
    ) -> None:
        broker_door.answers.clear()
        given = let_it_try(sender, broker_door)
        given += submit(sender, *(steps(1) for _ in range(WAITING)))
        submit(sender, steps(7))
        assert [
            line.getMessage() for line in caplog.records if line.levelno == logging.WARNING
        ] == ["7 jobs are left to rescue: too many wait for the broker"]
        broker_door.answers.set()
        wait_until(lambda: broker_door.ids() == given, reason="what found room is sent")
        given += submit(sender, steps(1))
        wait_until(lambda: broker_door.ids() == given, reason="there is room again")


class TestStopping:
    def test_what_waits_at_the_end_is_sent_before_the_thread_ends(
        self, broker_door: Broker
    ) -> None:
        sender = Sender()
        sender.start()
        broker_door.answers.clear()
        given = let_it_try(sender, broker_door)
        given += submit(sender, steps(LARGEST), steps(LARGEST), steps(1))
        begun = threading.Event()
        sent: list[UUID] = []  # when it has stopped

        def stop() -> None:
            begun.set()
            sender.stop()
            sent.extend(broker_door.ids())

        stopping = threading.Thread(target=stop)
        stopping.start()
        assert begun.wait(HANG)
        broker_door.answers.set()
        stopping.join()
        assert sent == given

    def test_an_end_does_not_wait_for_a_broker_that_is_away(
        self, broker_door: Broker, caplog: pytest.LogCaptureFixture
    ) -> None:
        sender = Sender()
        sender.start()
        broker_door.away = True
        let_it_try(sender, broker_door)
        submit(sender, *(steps(1) for _ in range(5)))
        sender.stop()
        assert broker_door.ids() == []
        assert "left to rescue: the broker is away" in caplog.text

    def test_an_end_with_a_full_line_is_an_end_too(self, broker_door: Broker) -> None:
        sender = Sender()
        sender.start()
        broker_door.away = True
        let_it_try(sender, broker_door)
        submit(sender, *(steps(1) for _ in range(WAITING + 10)))
        sender.stop()
        assert broker_door.ids() == []

    def test_it_can_be_started_again(self, broker_door: Broker) -> None:
        sender = Sender()
        given: list[UUID] = []
        for _ in range(3):
            sender.start()
            given += submit(sender, steps(2))
            sender.stop()
        assert broker_door.ids() == given

    def test_one_that_was_never_started_can_be_stopped(self, broker_door: Broker) -> None:
        sender = Sender()
        sender.stop()
        sender.start()
        given = submit(sender, steps(2))
        sender.stop()
        assert broker_door.ids() == given
