"""A queue with consumers in threads, for Redis and SQLite."""

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reliable_queue.consumer import ReliableConsumer
from reliable_queue.queue import ReliableQueue
from reliable_queue.redis_storage import ReliableRedisStorage
from reliable_queue.storage import Heartbeat
from testing.servers import Redis
from testing.waiting import HANG, wait_until

ROOT = Path(__file__).resolve().parents[3]
KEY = "k" * 40
HEARTBEAT, TTL = 0.1, 0.8
OpenQueue = Callable[..., "Works"]


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
        assert self.gate.wait(HANG)
        self.noted.append(word)

    def _moody(self, word: str) -> None:
        """Fails as often as there are failures left."""
        self._long(word)
        if self.failures:
            self.noted.pop()
            raise self.failures.pop()

    def drain(self) -> int:
        """Work off what is ready, here and without waiting; return the number of messages."""
        self.queue.storage.wake()
        return self.queue.drain()

    def left(self) -> tuple[int, int, int]:
        """Count those that are ready, scheduled, and held by anybody.

        It looks twice, since a message may move in between.
        """
        looks = [
            (
                self.queue.pending_count(),
                self.queue.scheduled_count(),
                self.queue.storage.stats().held,
            )
            for _ in range(2)
        ]
        return looks[1] if looks[0] == looks[1] else (-1, -1, -1)


def on(broker: Redis, name: str = "work") -> Works:
    """A queue on a server of the test's own."""
    options = {"url": broker.url(), "heartbeat": HEARTBEAT, "ttl": TTL, "socket_timeout": HANG}
    return Works(ReliableQueue(name, keys=[KEY], storage_class=ReliableRedisStorage, **options))


class ThreadConsumer(ReliableConsumer):
    """A consumer that runs beside the test; signals are the main thread's."""

    def _set_signal_handlers(self) -> None:
        pass

    def request_stop(self, *, graceful: bool) -> None:
        """Set the attributes that the signal handler sets for the consumer's thread."""
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
        consumer.request_stop(graceful=True)
        thread.join(HANG)
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


CHILD = """
import sys
from reliable_queue.queue import ReliableQueue
from reliable_queue.redis_storage import ReliableRedisStorage

url, name, ttl, noted, module = sys.argv[1:]
times = {"heartbeat": 0.1, "ttl": float(ttl), "socket_timeout": 180}
queue = ReliableQueue(
    name, keys=["k" * 40], storage_class=ReliableRedisStorage, url=url, **times
)
beat = queue.storage.heartbeat

def heartbeat(ttl, **options):
    with open(noted + ".beats", "a") as file:
        print(options["judge"], file=file, flush=True)
    return beat(ttl, **options)

def note(word):
    with open(noted, "a") as file:
        print(word, file=file, flush=True)

queue.storage.heartbeat = heartbeat
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
    def judged(self) -> list[bool]:
        """Whether each beat might judge others."""
        return [word == "True" for word in Path(f"{self._noted}.beats").read_text().split()]

    @property
    def consumer(self) -> str:
        path = Path(f"{self._noted}.id")
        return wait_until(
            lambda: path.exists() and path.read_text(), reason="the child has started"
        )

    def wait_ready(self) -> None:
        wait_until(lambda: "ready" in self._log.read_text(), reason="the child is ready")

    def signal(self, what: signal.Signals) -> None:
        os.kill(self.process.pid, what)
