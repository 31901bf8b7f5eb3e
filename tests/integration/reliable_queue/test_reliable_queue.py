"""The whole queue, with real consumers in threads and in child processes, on Redis and on SQLite."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from huey import crontab

from reliable_queue.consumer import ReliableConsumer
from reliable_queue.memory_storage import ReliableMemoryStorage
from reliable_queue.queue import ReliableQueue
from reliable_queue.redis_storage import ReliableRedisStorage
from reliable_queue.sqlite_storage import ReliableSqliteStorage
from reliable_queue.storage import Heartbeat
from tests.servers import Redis
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
KEY = "k" * 40
HEARTBEAT, TTL = 0.1, 0.8
ALIVE, MOMENT = 60.0, 0.05  # seconds that a consumer lives for after one beat
SOON = 30.0

Open = Callable[..., "Works"]


class Works:
    """One process's view of a queue: the tasks, and what they have noted here."""

    def __init__(self, queue: ReliableQueue) -> None:
        self.queue, self.noted = queue, list[Any]()
        self.started, self.gate = threading.Event(), threading.Event()
        self.failures: list[Exception] = []
        self.note = queue.task(name="note")(self._note)
        self.urgent = queue.task(name="urgent", priority=1)(self._note)
        self.long = queue.task(name="long")(self._long)
        self.moody = queue.task(name="moody", retries=1)(self._moody)

    def _note(self, word: Any) -> None:
        self.noted.append(word)

    def _long(self, word: str) -> None:
        """Runs until the test opens the gate."""
        self.started.set()
        assert self.gate.wait(SOON)
        self.noted.append(word)

    def _moody(self, word: str) -> None:
        """Fails as often as there are failures left."""
        self._long(word)
        if self.failures:
            self.noted.pop()
            raise self.failures.pop()

    def drain(self) -> int:
        """What a worker would do, here and without waiting; returns how many messages were worked off."""
        self.queue.storage.wake()
        return self.queue.drain()

    def left(self) -> tuple[int, int, int]:
        """How many are ready, scheduled, and held by anybody; two looks, since a message may move in between."""
        looks = [
            (
                self.queue.pending_count(),
                self.queue.scheduled_count(),
                self.queue.storage.stats().held,
            )
            for _ in range(2)
        ]
        return looks[1] if looks[0] == looks[1] else (-1, -1, -1)


@pytest.fixture(params=["redis", "sqlite"])
def process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the test's queue once more, as another process would."""
    name, opened = uuid.uuid4().hex, []

    def open_one(**options: Any) -> Works:
        common = {"keys": [KEY], "heartbeat": HEARTBEAT, "ttl": TTL, **options}
        if request.param == "redis":
            url = request.getfixturevalue("broker").url()
            made = ReliableQueue(name, storage_class=ReliableRedisStorage, url=url, **common)
        else:
            made = ReliableQueue(
                name,
                storage_class=ReliableSqliteStorage,
                filename=str(tmp_path / "queue.db"),
                **common,
            )
        opened.append(made)
        return Works(made)

    yield open_one
    for queue in opened:
        queue.storage.close()


def on(broker: Redis, name: str = "work") -> Works:
    """A queue on a server of the test's own."""
    options = {"url": broker.url(), "heartbeat": HEARTBEAT, "ttl": TTL}
    return Works(ReliableQueue(name, keys=[KEY], storage_class=ReliableRedisStorage, **options))


class ThreadConsumer(ReliableConsumer):
    """A consumer that runs beside the test; signals are the main thread's."""

    def _set_signal_handlers(self) -> None:
        pass

    def told_to_stop(self, *, graceful: bool) -> None:
        """What the handler of a signal leaves behind for the consumer's own thread."""
        self._graceful, self._signum = graceful, signal.SIGTERM


@contextmanager
def consuming(works: Works, workers: int = 2) -> Iterator[ThreadConsumer]:
    """A consumer that works on the queue meanwhile, and is stopped in good order."""
    consumer = ThreadConsumer(works.queue, workers=workers, periodic=False, max_delay=0.2)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        yield consumer
    finally:
        works.gate.set()
        consumer.told_to_stop(graceful=True)
        thread.join(SOON)
        assert not thread.is_alive()


def recorded_beats(works: Works, monkeypatch: pytest.MonkeyPatch) -> list[Heartbeat | None]:
    """Grows by every beat, with what it found; None for one that failed."""
    beat, beats = works.queue.storage.heartbeat, list[Heartbeat | None]()

    def recorded(ttl: float, **options: Any) -> Heartbeat:
        try:
            pulse = beat(ttl, **options)
        except works.queue.storage.faults:
            beats.append(None)
            raise
        beats.append(pulse)
        return pulse

    monkeypatch.setattr(works.queue.storage, "heartbeat", recorded)
    return beats


class TestStopping:
    @pytest.mark.parametrize("workers", [1, 3])
    def test_the_last_tasks_of_a_stopped_consumer_are_acknowledged(
        self, process: Open, workers: int
    ) -> None:
        works, others = process(), process()
        words = [f"{number}" for number in range(20)]
        works.queue.enqueue_many(works.note.s(word) for word in words)
        with consuming(works, workers):
            wait_until(lambda: len(works.noted) == len(words), timeout=SOON)

        assert others.left() == (0, 0, 0)
        assert others.queue.storage.heartbeat(ALIVE).taken_over == 0
        assert others.drain() == 0
        assert sorted(works.noted) == sorted(words)

    def test_a_task_that_ends_while_its_consumer_stops_is_acknowledged(self, process: Open) -> None:
        works, others = process(), process()
        works.queue.enqueue(works.long.s("last"))
        with consuming(works) as consumer:
            assert works.started.wait(SOON)
            works.queue.enqueue(works.note.s("next"))
            wait_until(lambda: works.noted == ["next"], timeout=SOON)
            consumer.told_to_stop(graceful=True)
            assert consumer.stop_flag.wait(SOON)
            works.gate.set()

        assert others.left() == (0, 0, 0)
        assert others.drain() == 0
        assert works.noted == ["next", "last"]

    def test_a_stopped_consumer_leaves_what_is_ready_to_others(self, process: Open) -> None:
        works, others = process(), process()
        works.queue.enqueue(works.long.s("last"))
        with consuming(works, workers=1) as consumer:
            assert works.started.wait(SOON)
            works.queue.enqueue(works.note.s("other"))
            consumer.told_to_stop(graceful=True)
            assert consumer.stop_flag.wait(SOON)
            works.gate.set()
        assert works.noted == ["last"]
        assert others.left() == (1, 0, 0)
        others.drain()
        assert others.noted == ["other"]

    def test_what_is_interrupted_is_handed_back_at_once(self, process: Open) -> None:
        works, others = process(ttl=ALIVE), process(ttl=ALIVE)
        others.gate.set()
        works.queue.enqueue(works.long.s("message"))
        with consuming(works) as consumer:
            assert works.started.wait(SOON)
            consumer.told_to_stop(graceful=False)
            wait_until(lambda: others.left() == (1, 0, 0), timeout=SOON, reason="it is handed back")
            assert others.drain() == 1
        assert others.noted == ["message"]
        assert others.left() == (0, 0, 0)
        assert others.queue.storage.stats().dead == 0

    def test_a_second_signal_ends_the_grace_wherever_the_first_has_led(
        self, process: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        works, others = process(ttl=ALIVE), process(ttl=ALIVE)
        others.gate.set()
        works.queue.enqueue(works.long.s("message"))
        with consuming(works) as consumer:
            assert works.started.wait(SOON)
            usual, graceful = (
                works.queue.storage.wake,
                signal.SIGINT,
            )  # which is Huey's unless it is told otherwise

            def wake() -> None:  # between the first signal and the wait for the workers
                usual()
                consumer._handle_signal(graceful, None)

            monkeypatch.setattr(works.queue.storage, "wake", wake)
            consumer._handle_signal(graceful, None)
            wait_until(lambda: others.left() == (1, 0, 0), timeout=SOON, reason="it is handed back")
            assert others.drain() == 1
        assert others.noted == ["message"]

    def test_who_has_handed_everything_back_takes_nothing_any_more(self, process: Open) -> None:
        """As an idle worker would that its consumer's end has just woken: what it took would die with the process."""
        works, others = process(), process()
        works.queue.enqueue(works.note.s("interrupted"))
        assert works.queue.dequeue() is not None
        works.queue.storage.wake()

        works.queue.notify_interrupted_tasks()

        assert works.queue.dequeue() is None
        assert others.left() == (1, 0, 0)

    def test_idle_workers_stop_at_once_however_many_they_are(self, process: Open) -> None:
        works = process()
        works.queue.enqueue_many(works.note.s(f"{number}") for number in range(8))
        with consuming(works, workers=8):
            wait_until(
                lambda: len(works.noted) == 8 and works.queue.storage.stats().held == 0,
                timeout=SOON,
            )


class TestOutages:
    def test_what_ends_while_the_broker_is_away_is_acknowledged_later(
        self, own_broker: Redis
    ) -> None:
        works, others = on(own_broker), on(own_broker)
        works.queue.enqueue_many(
            [works.long.s("long"), *(works.note.s(f"{number}") for number in range(5))]
        )
        with consuming(works, workers=1):
            assert works.started.wait(SOON)
            own_broker.kill()
            works.gate.set()
            wait_until(lambda: "long" in works.noted, timeout=SOON)
            own_broker.start()
            wait_until(
                lambda: others.left() == (0, 0, 0),
                timeout=SOON,
                reason="every message is acknowledged",
            )
        assert set(works.noted) == {"long", "0", "1", "2", "3", "4"}
        assert others.queue.storage.stats().dead == 0
        assert others.left() == (0, 0, 0)

    def test_what_ends_while_the_broker_is_away_is_not_run_again_by_its_consumer(
        self, own_broker: Redis
    ) -> None:
        works, others = on(own_broker), on(own_broker)
        works.queue.enqueue(works.long.s("long"))
        with consuming(works):
            assert works.started.wait(SOON)
            own_broker.kill()
            works.gate.set()
            wait_until(lambda: works.noted, timeout=SOON)
            own_broker.start()
            wait_until(
                lambda: others.left() == (0, 0, 0),
                timeout=SOON,
                reason="its message is acknowledged",
            )
        assert works.noted == ["long"]

    def test_what_fails_while_the_broker_is_away_is_tried_again(self, own_broker: Redis) -> None:
        works, others = on(own_broker), on(own_broker)
        works.failures.append(ValueError("broken"))
        works.queue.enqueue(works.moody.s("moody"))
        with consuming(works):
            assert works.started.wait(SOON)
            own_broker.kill()
            works.gate.set()
            wait_until(lambda: not works.failures, timeout=SOON, reason="it has failed")
            own_broker.start()
            wait_until(lambda: works.noted == ["moody"], timeout=SOON, reason="it is tried again")
            wait_until(
                lambda: others.left() == (0, 0, 0),
                timeout=SOON,
                reason="every message is acknowledged",
            )
        assert others.queue.storage.stats().dead == 0

    def test_a_consumer_that_cannot_beat_at_its_start_works_when_the_broker_is_back(
        self, own_broker: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        works, producer = on(own_broker), on(own_broker)
        beats = recorded_beats(works, monkeypatch)
        own_broker.kill()
        with consuming(works):
            wait_until(lambda: len(beats) > 2, timeout=SOON, reason="it has tried again")
            assert set(beats) == {None}
            own_broker.start()
            producer.queue.enqueue(producer.note.s("word"))
            wait_until(lambda: works.noted == ["word"], timeout=SOON)
            wait_until(lambda: producer.left() == (0, 0, 0), timeout=SOON)

    def test_idle_workers_get_new_messages_after_an_outage(self, own_broker: Redis) -> None:
        works, producer = on(own_broker), on(own_broker)
        works.queue.enqueue(works.note.s("before"))
        with consuming(works, workers=3):
            wait_until(lambda: works.noted == ["before"], timeout=SOON)
            own_broker.kill()
            own_broker.start()
            producer.queue.enqueue_many(producer.note.s(f"{number}") for number in range(6))
            wait_until(lambda: len(works.noted) == 7, timeout=SOON)
        assert producer.left() == (0, 0, 0)

    def test_a_message_that_no_worker_knows_comes_back(self, process: Open) -> None:
        works = process(ttl=ALIVE)
        works.queue.enqueue(works.note.s("lost reply"))
        assert works.queue.storage.claim(0) is not None  # and nobody has heard of it
        with consuming(works):
            wait_until(lambda: works.noted == ["lost reply"], timeout=SOON)
            wait_until(lambda: works.left() == (0, 0, 0), timeout=SOON)

    def test_what_a_worker_still_runs_does_not_come_back_however_often_the_heart_beats(
        self, process: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        works, others = process(ttl=ALIVE), process()
        beats = recorded_beats(works, monkeypatch)
        works.queue.enqueue(works.long.s("long"))
        with consuming(works):
            wait_until(
                lambda: len([pulse for pulse in beats if pulse and pulse.held]) > 3, timeout=SOON
            )
            assert others.left() == (0, 0, 1)
            works.gate.set()
            wait_until(lambda: others.left() == (0, 0, 0), timeout=SOON)
        assert works.noted == ["long"]

    def test_who_postpones_its_message_forgets_it_before_another_worker_can_have_it(
        self, process: Open
    ) -> None:
        works, taken = process(ttl=ALIVE), list[Any]()

        def again() -> None:
            assert works.queue.snooze(datetime.now(UTC))
            taken.append(
                works.queue.dequeue()
            )  # another worker is quicker than the end of this task

        works.queue.enqueue(works.queue.task(name="again")(again).s())
        works.queue.execute(works.queue.dequeue())
        assert taken[0] is not None

        for _ in range(2):
            assert works.queue.release_unknown(works.queue.storage.heartbeat(ALIVE).held) == 0
        assert works.left() == (0, 0, 1)

    def test_a_task_that_would_end_its_worker_is_put_aside(self, process: Open) -> None:
        works = process()
        works.queue.enqueue(works.queue.task(name="end")(sys.exit).s(3))
        works.queue.enqueue(works.note.s("after it"))
        with consuming(works, workers=1):
            wait_until(lambda: works.noted == ["after it"], timeout=SOON)
        assert [letter.reason for letter in works.queue.storage.dead_letters()] == [
            "it failed for good: SystemExit(3)"
        ]
        assert works.left() == (0, 0, 0)


class RecordedBeats(ReliableMemoryStorage):
    """Remembers which beats may judge; some of the first ones find no broker."""

    faults = (ConnectionError,)

    def __init__(self, name: str, *, failing: int = 0, **options: Any) -> None:
        super().__init__(name, **options)
        self.failing, self.judged = failing, list[bool]()

    def heartbeat(self, ttl: float, *, judge: bool = True, info: str = "") -> Heartbeat:
        self.judged.append(judge)
        if len(self.judged) <= self.failing:
            raise ConnectionError("the broker is away")
        return super().heartbeat(ttl, judge=judge, info=info)


@contextmanager
def hearts(*, heartbeat: float, ttl: float, failing: int = 0) -> Iterator[list[bool]]:
    """A consumer at work; the list grows by every beat, with whether it judges."""
    options = {"heartbeat": heartbeat, "ttl": ttl, "failing": failing}
    queue = ReliableQueue("hearts", keys=[KEY], storage_class=RecordedBeats, **options)
    storage: Any = queue.storage
    with consuming(Works(queue)):
        yield storage.judged


class TestJudging:
    def test_a_heart_goes_on_whatever_a_beat_comes_upon(
        self, process: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        works = process(ttl=ALIVE)
        beat, mistakes = works.queue.storage.heartbeat, [ValueError("unforeseen") for _ in range(3)]

        def mistaken(ttl: float, **options: Any) -> Heartbeat:
            if mistakes:
                raise mistakes.pop()
            return beat(ttl, **options)

        monkeypatch.setattr(works.queue.storage, "heartbeat", mistaken)
        beats = recorded_beats(works, monkeypatch)
        works.queue.enqueue(works.note.s("done"))
        with consuming(works):
            wait_until(
                lambda: len([pulse for pulse in beats if pulse]) > 1,
                timeout=SOON,
                reason="it beats again",
            )
            wait_until(lambda: works.noted == ["done"], timeout=SOON)

    def test_a_consumer_that_beats_in_time_judges_at_every_beat(self) -> None:
        with hearts(heartbeat=0.01, ttl=ALIVE) as judged:
            wait_until(lambda: len(judged) >= 5, timeout=SOON)
        assert all(judged)

    def test_after_a_silence_longer_than_its_ttl_it_judges_nobody(self) -> None:
        with hearts(heartbeat=0.1, ttl=0.05) as judged:
            wait_until(lambda: len(judged) >= 3, timeout=SOON)
        assert judged[0] is True
        assert not any(judged[1:])

    def test_after_a_beat_that_failed_it_judges_nobody_for_one_ttl(self) -> None:
        with hearts(heartbeat=0.01, ttl=ALIVE, failing=2) as judged:
            wait_until(lambda: len(judged) >= 6, timeout=SOON)
        assert judged[0] is True
        assert not any(judged[1:])

    def test_one_ttl_after_the_last_failure_it_judges_again(self) -> None:
        with hearts(heartbeat=0.01, ttl=0.2, failing=1) as judged:
            wait_until(lambda: any(judged[1:]), timeout=SOON, reason="it judges again")
        assert judged[:2] == [True, False]


CHILD = """
import sys
from reliable_queue.queue import ReliableQueue
from reliable_queue.redis_storage import ReliableRedisStorage

url, name, ttl, noted, module = sys.argv[1:]
queue = ReliableQueue(name, keys=["k" * 40], storage_class=ReliableRedisStorage, url=url, heartbeat=0.1, ttl=float(ttl))

def note(word):
    with open(noted, "a") as file:
        print(word, file=file, flush=True)

note.__module__ = module
queue.task(name="note")(note)
with open(noted + ".id", "w") as file:
    file.write(queue.storage.consumer)
queue.create_consumer(workers=2, periodic=False, graceful_signal="TERM").run()
"""


class Child:
    """A consumer process on Redis."""

    def __init__(self, folder: Path, broker: Redis, queue: str, ttl: float) -> None:
        self._noted = folder / f"noted-{uuid.uuid4().hex}"
        self._noted.touch()
        command = [
            sys.executable,
            "-c",
            CHILD,
            broker.url(),
            queue,
            str(ttl),
            str(self._noted),
            __name__,
        ]
        self._log = folder / f"child-{uuid.uuid4().hex}.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    @property
    def noted(self) -> list[str]:
        return self._noted.read_text().split()

    @property
    def consumer(self) -> str:
        path = Path(f"{self._noted}.id")
        return wait_until(
            lambda: path.exists() and path.read_text(), timeout=SOON, reason="the child has started"
        )

    def wait_ready(self) -> None:
        wait_until(
            lambda: "ready" in self._log.read_text(), timeout=SOON, reason="the child is ready"
        )

    def signal(self, what: signal.Signals) -> None:
        os.kill(self.process.pid, what)


@pytest.fixture
def child(broker: Redis, tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Starts a consumer process for that queue."""
    started: list[Child] = []

    def start(queue: str, ttl: float = TTL) -> Child:
        started.append(Child(tmp_path, broker, queue, ttl))
        started[-1].wait_ready()
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.signal(signal.SIGCONT)
            one.signal(signal.SIGTERM)
            one.process.wait(SOON)


class TestProcesses:
    def test_who_was_paused_judges_nobody_until_the_others_could_beat_again(
        self, broker: Redis, child: Callable[..., Child]
    ) -> None:
        works = on(broker, uuid.uuid4().hex)
        paused = child(works.queue.name, ttl=2.0)
        storage = works.queue.storage
        key = f"{{huey.{works.queue.name}}}:alive:"

        def lives(consumer: str) -> bool:
            return bool(broker.client().exists(key + consumer))

        assert lives(paused.consumer)
        paused.signal(signal.SIGSTOP)
        wait_until(
            lambda: not lives(paused.consumer), timeout=SOON, reason="the paused one is silent"
        )
        storage.heartbeat(ALIVE)
        works.queue.enqueue(works.note.s("held"))
        claim = storage.claim(0)
        assert claim is not None
        storage.heartbeat(MOMENT)
        wait_until(
            lambda: not lives(storage.consumer),
            timeout=SOON,
            reason="the other one is silent as well",
        )

        paused.signal(signal.SIGCONT)
        wait_until(
            lambda: lives(paused.consumer), timeout=SOON, reason="the paused one beats again"
        )

        assert storage.heartbeat(MOMENT).held == [claim.receipt]
        assert paused.noted == []
        wait_until(
            lambda: paused.noted == ["held"],
            timeout=SOON,
            reason="it is taken over from the one that stays silent",
        )
        wait_until(lambda: works.left() == (0, 0, 0), timeout=SOON)
        storage.close()

    def test_a_stopped_process_holds_nothing_and_runs_nothing_twice(
        self, broker: Redis, child: Callable[..., Child]
    ) -> None:
        works = on(broker, uuid.uuid4().hex)
        works.queue.enqueue_many(works.note.s(f"{number}") for number in range(200))
        consumer = child(works.queue.name)
        wait_until(lambda: consumer.noted, timeout=SOON)
        consumer.signal(signal.SIGTERM)
        assert consumer.process.wait(SOON) == 0
        assert works.queue.storage.stats().held == 0
        second = child(works.queue.name)
        wait_until(lambda: works.left() == (0, 0, 0), timeout=SOON)
        assert sorted(consumer.noted + second.noted) == sorted(f"{number}" for number in range(200))
        works.queue.storage.close()

    def test_a_killed_process_loses_nothing(
        self, broker: Redis, child: Callable[..., Child]
    ) -> None:
        works = on(broker, uuid.uuid4().hex)
        works.queue.enqueue_many(works.note.s(f"{number}") for number in range(500))
        consumer = child(works.queue.name)
        wait_until(lambda: consumer.noted, timeout=SOON)
        consumer.signal(signal.SIGKILL)
        consumer.process.wait(SOON)
        second = child(works.queue.name)
        everything = {f"{number}" for number in range(500)}
        wait_until(
            lambda: set(consumer.noted + second.noted) == everything,
            timeout=SOON,
            reason="each has run",
        )
        assert works.queue.storage.stats().dead == 0
        works.queue.storage.close()


class Tracing:
    """Baggage that tells whose request a message comes of, as known in the thread that sends it."""

    def __init__(self) -> None:
        self._known = threading.local()

    @property
    def whose(self) -> str:
        return getattr(self._known, "whose", "")

    @contextmanager
    def of(self, whose: str) -> Iterator[None]:
        before, self._known.whose = self.whose, whose
        try:
            yield
        finally:
            self._known.whose = before

    def packed(self) -> dict[str, str]:
        return {"whose": self.whose} if self.whose else {}

    def unpacked(self, carried: Mapping[str, str]) -> AbstractContextManager[None]:
        return self.of(carried.get("whose", ""))


class TestBaggage:
    @pytest.fixture
    def tracing(self) -> Tracing:
        return Tracing()

    def test_a_task_runs_with_what_its_message_carries_and_with_nothing_of_the_one_before(
        self, process: Open, tracing: Tracing
    ) -> None:
        works = process(baggage=tracing)
        tell = works.queue.task(name="tell")(lambda: works.noted.append(tracing.whose))
        for whose in ("Ada", "", "Grace"):
            with tracing.of(whose):
                works.queue.enqueue(tell.s())
        works.queue.enqueue_many([tell.s()])
        assert works.drain() == 4
        assert works.noted == ["Ada", "", "Grace", ""]
        assert tracing.whose == ""

    def test_what_a_task_sends_and_its_retries_carry_the_same(
        self, process: Open, tracing: Tracing
    ) -> None:
        works, failures = process(baggage=tracing), [ValueError("once"), ValueError("twice")]
        tell = works.queue.task(name="tell")(lambda: works.noted.append(tracing.whose))

        def moody() -> None:
            works.noted.append(tracing.whose)
            if failures:
                raise failures.pop()
            tell.schedule(eta=datetime.now(UTC) - timedelta(seconds=1))
            works.queue.enqueue_many([tell.s(), tell.s()])

        with tracing.of("Ada"):
            works.queue.enqueue(works.queue.task(name="fickle", retries=2)(moody).s())
        assert works.drain() == 6
        assert works.noted == ["Ada"] * 6

    def test_a_postponed_message_keeps_it(self, process: Open, tracing: Tracing) -> None:
        works = process(baggage=tracing)

        def twice() -> None:
            works.noted.append(tracing.whose)
            if len(works.noted) == 1:
                assert works.queue.snooze(datetime.now(UTC) - timedelta(seconds=1))

        with tracing.of("Ada"):
            works.queue.enqueue(works.queue.task(name="twice")(twice).s())
        assert works.drain() == 2
        assert works.noted == ["Ada", "Ada"]

    def test_a_message_of_a_queue_without_baggage_runs_as_well(
        self, process: Open, tracing: Tracing
    ) -> None:
        before, works = process(), process(baggage=tracing)
        works.queue.task(name="tell")(lambda: works.noted.append(tracing.whose))
        before.queue.enqueue(before.queue.task(name="tell")(lambda: None).s())
        works.drain()
        assert works.noted == [""]
        with tracing.of("Ada"):
            works.queue.enqueue(works.note.s("word"))
        before.drain()
        assert before.noted == ["word"]

    def test_in_immediate_mode_it_travels_as_well(self, tracing: Tracing) -> None:
        works = Works(
            ReliableQueue("spare", keys=[KEY], storage_class=ReliableMemoryStorage, baggage=tracing)
        )
        works.queue.immediate = True
        inner = works.queue.task(name="inner")(lambda: works.noted.append(tracing.whose))
        outer = works.queue.task(name="outer")(lambda: works.queue.enqueue(inner.s()))
        with tracing.of("Ada"):
            works.queue.pause()
            works.queue.enqueue(outer.s())
        works.queue.resume()
        works.queue.enqueue(outer.s())
        assert works.noted == ["Ada", ""]


class TestOutcomes:
    def ended(self, works: Works) -> list[tuple[str, str]]:
        """Grows by every run that ends: which task, and how."""
        ends: list[tuple[str, str]] = []

        def told(task: str, seconds: float, outcome: str) -> None:
            assert 0 <= seconds < SOON
            ends.append((task, outcome))

        works.queue.on_executed.append(told)
        return ends

    def test_each_run_is_told_with_its_end(self, process: Open) -> None:
        works = process()
        ends = self.ended(works)
        works.gate.set()
        works.failures += [ValueError("once"), ValueError("twice"), ValueError("thrice")]
        works.queue.enqueue_many([works.note.s("word"), works.moody.s("a"), works.moody.s("b")])
        works.drain()
        assert ends == [
            *[("note", "done"), ("moody", "retried"), ("moody", "retried")],
            *[("moody", "failed"), ("moody", "done")],
        ]

    def test_a_postponed_one_and_one_that_would_end_its_worker(self, process: Open) -> None:
        works = process()
        ends = self.ended(works)
        later = datetime.now(UTC) + timedelta(hours=1)
        works.queue.enqueue(works.queue.task(name="later")(lambda: works.queue.snooze(later)).s())
        works.queue.enqueue(works.queue.task(name="end")(sys.exit).s(3))
        works.drain()
        assert ends == [("later", "postponed"), ("end", "failed")]

    def test_one_that_is_interrupted_is_told_once(self, process: Open) -> None:
        works = process()
        ends = self.ended(works)
        works.queue.enqueue(works.long.s("message"))
        with consuming(works) as consumer:
            assert works.started.wait(SOON)
            consumer.told_to_stop(graceful=False)
            wait_until(lambda: ends, timeout=SOON)
            works.gate.set()
            wait_until(lambda: works.noted, timeout=SOON, reason="it ends nevertheless")
        assert ends == [("long", "interrupted")]

    def test_who_is_told_and_fails_hurts_neither_the_task_nor_the_others(
        self, process: Open, caplog: pytest.LogCaptureFixture
    ) -> None:
        works = process()

        def fail(*_: Any) -> None:
            raise RuntimeError("a mistake")

        works.queue.on_executed.append(fail)
        ends = self.ended(works)
        works.queue.enqueue_many([works.note.s("a"), works.note.s("b")])
        assert works.drain() == 2
        assert (works.noted, ends) == (["a", "b"], [("note", "done")] * 2)
        assert works.left() == (0, 0, 0)
        assert "cannot be told to everybody" in caplog.text

    def test_in_immediate_mode_a_task_inside_another_has_its_own_end(self) -> None:
        works = Works(ReliableQueue("spare", keys=[KEY], storage_class=ReliableMemoryStorage))
        works.queue.immediate = True
        ends = self.ended(works)
        inner = works.queue.task(name="inner")(lambda: None)
        works.queue.enqueue(
            works.queue.task(name="outer")(lambda: works.queue.enqueue(inner.s())).s()
        )
        assert ends == [("inner", "done"), ("outer", "done")]

    def test_in_immediate_mode_a_task_inside_another_does_not_postpone_it(self) -> None:
        works, later = (
            Works(ReliableQueue("spare", keys=[KEY], storage_class=ReliableMemoryStorage)),
            list[bool](),
        )
        works.queue.immediate = True
        inner = works.queue.task(name="inner")(
            lambda: later.append(works.queue.snooze(datetime.now(UTC)))
        )
        outer = works.queue.task(name="outer")(lambda: works.queue.enqueue(inner.s()))
        ends = self.ended(works)
        works.queue.storage.enqueue(works.queue.serialize_task(outer.s()))
        assert works.queue.drain() == 1
        assert (later, ends) == ([False], [("inner", "done"), ("outer", "done")])
        assert works.left() == (0, 0, 0)


class TestLooking:
    def test_a_consumer_says_what_it_is_and_what_it_runs(self, process: Open) -> None:
        works, person = process(about={"version": "7"}), process()
        task = works.long.s("word")
        works.queue.enqueue(task)

        def said() -> dict[str, Any]:
            return next(
                (
                    json.loads(member.info)
                    for member in person.queue.storage.consumers()
                    if member.info
                ),
                {},
            )

        began = time.time()
        with consuming(works, workers=3):
            assert works.started.wait(SOON)
            told = wait_until(
                lambda: (it := said()).get("running") and it,
                timeout=SOON,
                reason="it beats with it",
            )
            assert (told["version"], told["pid"], told["threads"]) == ("7", os.getpid(), 3)
            assert told["host"]
            assert began - 1 < told["started_at"] <= told["at"] <= time.time()
            [run] = told["running"]
            assert (run["task"], run["id"]) == ("long", task.id)
            assert told["started_at"] - 1 < run["since"] <= told["at"]
            works.gate.set()
            wait_until(lambda: said()["running"] == [], timeout=SOON)
        assert person.queue.storage.consumers() == []

    def test_the_oldest_message_is_as_old_as_its_sending_or_its_time(self, process: Open) -> None:
        noon = datetime(2100, 1, 1, 12, tzinfo=UTC)
        clock = [noon]
        works = process(now=lambda: clock[0])
        assert works.queue.stats()[1] is None
        works.queue.enqueue(works.note.s("later", eta=noon + timedelta(seconds=30)))
        assert works.queue.stats()[1] is None
        clock[0] += timedelta(seconds=40)
        works.queue.enqueue(works.note.s("now"))
        assert works.queue.stats()[1] == pytest.approx(10)
        clock[0] += timedelta(seconds=5)
        assert works.queue.stats()[1] == pytest.approx(15)
        works.drain()
        assert works.queue.stats()[1] is None
        works.queue.enqueue(works.note.s("again"))
        clock[0] += timedelta(seconds=3)
        assert works.queue.stats()[1] == pytest.approx(3)

    def test_a_message_that_does_not_say_when_it_was_sent_is_of_no_known_age(
        self, own_broker: Redis
    ) -> None:
        works = on(own_broker)
        message = works.queue.serializer.open(
            works.queue.serialize_task(works.note.s("of the version before"))
        ).message
        works.queue.storage.enqueue(works.queue.serializer.seal(message, None, {}))
        works.queue.storage.enqueue(b"garbage", 1)
        stats, oldest = works.queue.stats()
        assert (stats.ready, oldest) == (2, None)


class TestPausing:
    def test_a_consumer_finishes_what_it_runs_and_goes_on_when_it_is_resumed(
        self, process: Open
    ) -> None:
        works, person = process(), process()
        works.queue.enqueue(works.long.s("runs"))
        with consuming(works, workers=2):
            assert works.started.wait(SOON)
            person.queue.pause()
            person.queue.enqueue_many([person.note.s("waits"), person.note.s("as well")])
            works.gate.set()
            wait_until(lambda: works.noted == ["runs"] and person.left() == (2, 0, 0), timeout=SOON)
            person.queue.resume()
            wait_until(lambda: len(works.noted) == 3, timeout=SOON)
        assert person.left() == (0, 0, 0)

    def test_periodic_tasks_do_not_pile_up_while_it_is_paused(self, process: Open) -> None:
        works = process()
        works.queue.periodic_task(crontab(), name="tick")(lambda: works.noted.append("tick"))
        works.queue.pause()
        for minute in range(3):
            works.queue.read_periodic(datetime(2100, 1, 1, 12, minute))
        assert works.left() == (0, 0, 0)
        works.queue.resume()
        works.queue.read_periodic(datetime(2100, 1, 1, 12, 3))
        works.drain()
        assert works.noted == ["tick"]

    def test_a_consumer_process_that_starts_while_it_is_paused_waits_and_beats(
        self, broker: Redis, child: Callable[..., Child]
    ) -> None:
        works = on(broker, uuid.uuid4().hex)
        works.queue.enqueue_many(works.note.s(f"{number}") for number in range(20))
        works.queue.pause()
        first, second = child(works.queue.name), child(works.queue.name)
        beaten = {member.id: member.alive_until for member in works.queue.storage.consumers()}

        def beats_on() -> bool:
            now = {
                member.id: member.alive_until or 0.0 for member in works.queue.storage.consumers()
            }
            return len(now) == 2 and all(
                now[id_] > (before or 0.0) for id_, before in beaten.items()
            )

        wait_until(beats_on, timeout=SOON, reason="both beat again")
        assert (first.noted, second.noted, works.left()) == ([], [], (20, 0, 0))
        works.queue.resume()
        wait_until(lambda: works.left() == (0, 0, 0), timeout=SOON)
        assert sorted(first.noted + second.noted) == sorted(f"{number}" for number in range(20))
        works.queue.storage.close()

    def test_in_immediate_mode_what_is_enqueued_waits_and_runs_when_it_is_resumed(self) -> None:
        works = Works(ReliableQueue("spare", keys=[KEY], storage_class=ReliableMemoryStorage))
        works.queue.immediate = True
        works.queue.pause()
        works.queue.enqueue(works.note.s("a"))
        works.queue.enqueue_many([works.note.s("b")])
        assert works.drain() == 0
        assert (works.noted, works.queue.pending_count()) == ([], 2)
        works.queue.resume()
        works.queue.enqueue(works.note.s("c"))
        assert works.noted == ["a", "b", "c"]


class TestCost:
    def test_a_task_costs_one_command(self, own_broker: Redis) -> None:
        works, tasks = on(own_broker), 50
        works.queue.enqueue(works.note.s("before"))
        works.drain()
        works.queue.enqueue_many(works.note.s(f"{number}") for number in range(tasks))
        client = own_broker.client()
        client.config_resetstat()

        assert works.queue.drain() == tasks

        calls = {name: figures["calls"] for name, figures in client.info("commandstats").items()}
        asked_by_scripts = {
            "lmove",
            "lrem",
            "llen",
            "exists",
            "zrangebyscore",
            "zrange",
            "del",
            "sadd",
        }
        sent = {
            name: count
            for name, count in calls.items()
            if name.removeprefix("cmdstat_") not in asked_by_scripts
        }
        sent = {
            name: count
            for name, count in sent.items()
            if not name.startswith(("cmdstat_config", "cmdstat_client"))
        }
        assert sent == {"cmdstat_evalsha": tasks + 1}
        works.queue.storage.close()


class TestTasks:
    def test_a_periodic_task_keeps_its_priority(self, process: Open) -> None:
        works = process()
        works.queue.periodic_task(crontab(), name="tick", priority=1)(
            lambda: works.noted.append("tick")
        )
        works.queue.periodic_task(crontab(), name="tock")(lambda: works.noted.append("tock"))
        works.queue.enqueue(works.note.s("waiting"))
        assert works.queue.read_periodic(datetime(2100, 1, 1, 12)) == []
        works.drain()
        assert works.noted == ["tick", "waiting", "tock"]

    def test_two_schedulers_enqueue_a_periodic_task_once_a_minute(self, process: Open) -> None:
        one, two = process(), process()
        for works in (one, two):
            works.queue.periodic_task(crontab(), name="tick")(one.noted.append)
            works.queue.periodic_task(crontab(minute="1"), name="other")(one.noted.append)
        minute = datetime(2100, 1, 1, 12)
        for works in (one, two, one):
            works.queue.read_periodic(minute)
        assert one.queue.pending_count() == 1
        for works in (one, two):
            works.queue.read_periodic(minute + timedelta(minutes=1))
        assert one.queue.pending_count() == 3

    def test_a_retry_keeps_its_priority(self, process: Open) -> None:
        noon = datetime(2100, 1, 1, 12, tzinfo=UTC)
        clock = [noon]
        works = process(now=lambda: clock[0])
        failures = [ValueError("once")]

        def urgent(word: str) -> None:
            if failures:
                raise failures.pop()
            works.noted.append(word)

        task = works.queue.task(name="urgent that fails", priority=1, retries=1, retry_delay=60)(
            urgent
        )
        works.queue.enqueue(task.s("urgent"))
        assert works.drain() == 1
        assert works.left() == (0, 1, 0)
        clock[0] += timedelta(seconds=60)
        works.queue.enqueue(works.note.s("low"))
        works.drain()
        assert works.noted == ["urgent", "low"]

    def test_a_scheduled_task_runs_when_its_time_has_come_though_all_workers_wait(
        self, process: Open
    ) -> None:
        works, other = process(), process()
        works.queue.enqueue(works.note.s("before"))
        with consuming(works, workers=3):
            wait_until(lambda: works.noted == ["before"], timeout=SOON)
            other.queue.enqueue(
                other.note.s("later", eta=datetime.now(UTC) + timedelta(seconds=0.3))
            )
            wait_until(lambda: works.noted == ["before", "later"], timeout=SOON)
            wait_until(lambda: other.left() == (0, 0, 0), timeout=SOON)
