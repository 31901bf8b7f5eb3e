"""Huey with claims instead of removals, acknowledged after execution."""

import json
import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from huey import Huey
from huey.api import Task
from huey.exceptions import HueyException
from huey.signals import SIGNAL_ERROR

from reliable_queue.consumer import ReliableConsumer
from reliable_queue.messages import SignedJsonSerializer, UnreadableMessage
from reliable_queue.running_tasks import (
    FAILED,
    INTERRUPTED,
    SNOOZED,
    ExecutionListener,
    RunningTasks,
)
from reliable_queue.sqlite_storage import ReliableSqliteStorage
from reliable_queue.storage import Claim, QueueStats, ReliableStorage

logger = logging.getLogger(__name__)

CLAIM_SECONDS = 3600.0  # for which a worker waits for a message; `wake` ends it for shutdown
PERIODIC_WINDOW = 3600  # seconds for which a (task, minute) is remembered
UTC_NOW, PRINT = partial(datetime.now, UTC), partial(print, flush=True)


class Baggage(Protocol):
    """Context that travels with messages, such as a trace. Never raises."""

    def packed(self) -> dict[str, str]:
        """Return the baggage of a message that this thread creates now."""

    def unpacked(self, carried: Mapping[str, str]) -> AbstractContextManager[None]:
        """Enter the context of a message's baggage, which may be empty, to run its task."""


class ThreadClaims(threading.local):
    """Claims of one worker thread."""

    claim: Claim | None = None  # of the running task

    def __init__(self) -> None:
        self.finished: list[Claim] = []  # of tasks that have run, not acknowledged yet


class ReliableQueue(Huey):
    """A Huey whose messages survive their worker.

    Results, chains, chords and Huey's revocations are not supported.

    Tasks must be idempotent: after a death, a pause longer than `ttl`, or a lost acknowledgement
    they run again. `heartbeat` is the interval of heartbeats in seconds, `ttl` the silence after
    which others take over. `now` is the clock (aware, UTC) of schedules and retries. `about` is
    what a consumer reports to operators besides host, process and running tasks; `say` prints that
    it is ready. After each run, each function in `on_executed` is called in the worker's thread
    with the task's name, the seconds, and the outcome: done, retried, failed (for good), postponed
    or interrupted.
    """

    storage: ReliableStorage
    serializer: SignedJsonSerializer

    def __init__(
        self,
        name: str,
        *,
        keys: Sequence[str],
        storage_class: Callable[..., ReliableStorage],
        heartbeat: float = 3.0,
        ttl: float = 9.0,
        now: Callable[[], datetime] = UTC_NOW,
        baggage: Baggage | None = None,
        about: Mapping[str, str] | None = None,
        say: Callable[[str], None] = PRINT,
        **storage_options: Any,
    ) -> None:
        self.heartbeat, self.ttl, self._now = heartbeat, ttl, now
        self._worker = ThreadClaims()
        self._running_tasks = RunningTasks()
        self._baggage, self._about = baggage, dict[str, Any](about or {})
        self.on_executed: list[ExecutionListener] = self._running_tasks.listeners
        self._has_polled, self._saying, self._say = False, threading.Lock(), say
        self._is_away = False  # the broker, at the last try
        self.stopping = threading.Event()  # set by the consumer when its end begins
        self._handed_back = threading.Event()  # others hold our messages: begin no task
        self._known: set[Any] = set()  # receipts of claims that a worker of this process has
        self._unknown: set[Any] = set()  # receipts that no worker knew at the last heartbeat
        super().__init__(
            name,
            results=False,
            serializer=SignedJsonSerializer(keys, salt=name),
            storage_class=storage_class,
            **{**storage_options, "now": self._epoch},
        )
        self.on_shutdown("acknowledge")(self._acknowledge_finished)

    # Producing

    def enqueue_many(self, tasks: Iterable[Task]) -> None:
        """Enqueue tasks in one round trip. In immediate mode run them here, one by one."""
        ready = []
        for task in tasks:
            if self._immediate or task.eta is not None or task.expires:
                self.enqueue(task)
            else:
                ready.append((self.serialize_task(task), task.priority or 0))
        self.storage.enqueue_many(ready)

    def enqueue(self, task: Task) -> None:
        """Enqueue now, or put on the schedule when the task has a time that has not come."""
        if task.expires:
            task.resolve_expires(self.utc)
        if task.eta is not None and not self.ready_to_run(task):
            self.add_schedule(task)
        elif self._immediate and not self.storage.is_paused():
            # Through the wire format, so that a test sees what production would
            self.execute(self.deserialize_task(self.serialize_task(task)))
        else:
            self.storage.enqueue_many([(self.serialize_task(task), task.priority or 0)])

    def serialize_task(self, task: Task) -> bytes:
        """Sign a task; a retry carries the baggage of the message before."""
        carried = getattr(task, "carried", None)
        if carried is None:
            carried = {} if self._baggage is None else self._baggage.packed()
        message = self._registry.create_message(task)
        return self.serializer.seal(message, self._epoch(), carried)

    def add_schedule(self, task: Task) -> None:
        self.storage.add_to_schedule(self.serialize_task(task), task.eta, task.priority)

    def read_periodic(self, timestamp: datetime | None) -> list[Task]:
        """Enqueue what is due this minute, once for all consumers; return nothing.

        Not while the queue is paused: in a day, a task of every minute would add 1,440 messages.
        """
        moment = timestamp or self._get_timestamp()
        for task in super().read_periodic(moment):
            key = f"{type(task).__module__}.{type(task).__name__}:{moment:%Y%m%d%H%M}"
            try:
                if not self.storage.is_paused():
                    self.storage.enqueue_once(
                        key, self.serialize_task(task), PERIODIC_WINDOW, task.priority or 0
                    )
            except self.storage.faults as error:  # Huey's scheduler would end
                logger.warning("huey@%s skips %s: %s", self.name, key, error)
        return []

    def read_schedule(self, timestamp: datetime | None = None) -> list[Task]:
        """Return nothing for Huey's scheduler: a claim makes ready what is due."""
        return []

    # Consuming

    def dequeue(self) -> Task | None:
        """Claim the next readable message as a task. Others become dead letters."""
        while True:
            timeout = CLAIM_SECONDS if self._has_polled and not self._immediate else 0
            claim = self.storage.claim(timeout, self._worker.finished)
            self._forget_finished()
            if not self._has_polled and not self._immediate:
                with self._saying:  # once, by the first of the workers
                    has_polled, self._has_polled = self._has_polled, True
                if not has_polled:
                    self._say(f"huey@{self.name} ready")
            if claim is None:
                return None
            if self._handed_back.is_set():
                self.storage.release(claim)
                return None
            try:
                task = self.deserialize_task(claim.data)
            except (UnreadableMessage, HueyException) as error:
                logger.error("a message of %s becomes a dead letter: %s", self.name, error)
                self.storage.dead_letter(claim, str(error))
                continue
            task.claim = claim
            self._known.add(claim.receipt)
            return task

    def deserialize_task(self, data: bytes) -> Task:
        """Return a verified task.

        Raises UnreadableMessage, and HueyException for unknown tasks.
        """
        envelope = self.serializer.open(data)
        try:
            task = self._registry.create_task(envelope.message)
        except (TypeError, ValueError, AttributeError) as error:
            raise UnreadableMessage(f"signed, but its fields make no task: {error}") from error
        task.sent_at, task.carried = envelope.at, envelope.baggage
        return task

    def execute(self, task: Task, timestamp: datetime | None = None) -> Any:
        """Run a task. Its claim is this thread's; immediate mode may nest tasks."""
        worker, outer = self._worker, self._worker.claim
        worker.claim = claim = getattr(task, "claim", None)
        carried = getattr(task, "carried", None) or {}
        outcome = ""
        with self._baggage.unpacked(carried) if self._baggage else nullcontext():
            try:
                super().execute(task, timestamp)
            except SystemExit as error:  # would end this worker, and with every delivery another
                outcome = FAILED
                if claim is None:
                    raise
                self._known.discard(claim.receipt)
                self.storage.dead_letter(claim, f"it failed for good: {error!r}")
            except BaseException:  # held but unknown now: it comes back by release_unknown
                outcome = INTERRUPTED
                if claim is not None:
                    self._known.discard(claim.receipt)
                raise
            else:
                if claim is not None and worker.claim is None:
                    outcome = SNOOZED
                elif claim is not None:
                    worker.finished.append(claim)
            finally:
                self._running_tasks.end(task, outcome)
                worker.claim = outer

    def snooze(self, until: datetime) -> bool:
        """Let the message of the calling task come again at that time.

        Its deliveries are counted on. Return False, and do nothing, when no message brought the
        task.
        """
        if (claim := self._worker.claim) is None:
            return False
        # At once: soon another worker here may have the same receipt.
        self._known.discard(claim.receipt)
        self.storage.snooze(claim, until.timestamp())
        self._worker.claim = None
        return True

    def _forget_finished(self) -> None:
        self._known.difference_update(claim.receipt for claim in self._worker.finished)
        self._worker.finished.clear()

    def _acknowledge_finished(self) -> None:
        """Acknowledge a worker's last task at its end; others are with the next claim."""
        if self._worker.finished:
            self.storage.acknowledge(*self._worker.finished)
            self._forget_finished()

    def release_unknown(self, held: Sequence[Any]) -> int:
        """Put back what this consumer holds and no worker has known for two heartbeats.

        A lost reply to a claim, or a broker that was away when a task ended, leaves such messages.
        """
        unknown = set(held) - self._known
        lost = unknown & self._unknown
        for receipt in lost:
            self.storage.release(Claim(data=b"", receipt=receipt))
        self._unknown = unknown - lost
        return len(lost)

    def drain(self) -> int:
        """Run what is due by the clock, and what that enqueues, in immediate mode.

        Return the number of tasks. Stock Huey parks retries and schedules of immediate mode for
        ever; tests move the clock and drain.
        """
        ran = 0
        while (task := self.dequeue()) is not None:
            self.execute(task)
            ran += 1
        return ran

    def create_consumer(self, **options: Any) -> ReliableConsumer:
        return ReliableConsumer(self, **options)

    def notify_interrupted_tasks(self) -> None:
        super().notify_interrupted_tasks()
        self._handed_back.set()
        try:
            returned = self.storage.release_all()
        except self.storage.faults as error:
            logger.warning(
                "huey@%s cannot hand back its messages, they return by themselves: %s",
                self.name,
                error,
            )
        else:
            if returned:
                logger.warning("huey@%s hands back %d unfinished messages", self.name, returned)

    def get_immediate_storage(self) -> ReliableSqliteStorage:
        return ReliableSqliteStorage(self.name, filename=":memory:", now=self._epoch)

    def _emit(self, signal: str, task: Task, *args: Any, **kwargs: Any) -> None:
        self._running_tasks.hear(signal, task)
        super()._emit(signal, task, *args, **kwargs)
        claim = getattr(task, "claim", None)
        if signal == SIGNAL_ERROR and not task.retries and claim is not None:
            self.storage.dead_letter(claim, f"it failed for good: {args[0]!r}")

    def is_revoked(self, task: Any, timestamp: datetime | None = None, peek: bool = True) -> bool:
        """Return False without asking the broker: no task is revoked by Huey's means."""
        return False

    def delete(self, key: str) -> bool:
        """Delete nothing: Huey would delete the revocation of each task that has run."""
        return False

    def _get_timestamp(self) -> datetime:
        return self._now().replace(tzinfo=None)

    def _epoch(self) -> float:
        return self._now().timestamp()

    # Inspecting

    def pause(self) -> None:
        """Let no worker of any process begin a message until `resume`."""
        self.storage.pause()

    def resume(self) -> None:
        self.storage.resume()
        if self._immediate:
            self.drain()

    def stats(self) -> tuple[QueueStats, float | None]:
        """Return the numbers, and the seconds for which the oldest message is ready.

        None when there is none, or none that has a time.
        """
        stats = self.storage.stats()
        since = [waiting.at or self.sent_at(waiting.data) for waiting in stats.heads]
        known = [at for at in since if at is not None]
        return stats, max(0.0, self._epoch() - min(known)) if known else None

    def sent_at(self, data: bytes) -> float | None:
        """Return when a message was sent, in seconds since 1970.

        None for an unreadable message, or one of a version that does not record it.
        """
        try:
            return self.serializer.open(data).at
        except UnreadableMessage:
            return None

    def info(self) -> str:
        """Describe the consumer of this process, as JSON for operators.

        Keys: those of `about`, host, pid, threads, started_at, at (seconds since 1970), and of each
        running task its name, id and since when.
        """
        now, clock = time.time(), time.monotonic()
        running = [
            {"task": run.task, "id": run.id, "since": now - (clock - run.began)}
            for run in self._running_tasks.running()
        ]
        return json.dumps({**self._about, "at": now, "running": running}, separators=(",", ":"))

    def begin(self, threads: int = 1) -> None:
        """Prepare the start of a consumer."""
        self._about |= {
            "host": platform.node(),
            "pid": os.getpid(),
            "threads": threads,
            "started_at": time.time(),
        }
        self.stopping.clear()
        self._handed_back.clear()

    def wait(self, seconds: float) -> None:
        """Wait, until the consumer stops at most. Immediate mode does not wait."""
        if not self._immediate:
            self.stopping.wait(seconds)

    def note_away(self, error: Exception) -> None:
        """Log once that the broker is away, however many threads try until it is back."""
        with self._saying:
            if not self._is_away:
                logger.warning("huey@%s: the broker is away, retrying: %s", self.name, error)
            self._is_away = True

    def note_back(self) -> None:
        if self._is_away:
            with self._saying:
                was_away, self._is_away = self._is_away, False
            if was_away:
                logger.warning("huey@%s: the broker is back", self.name)
