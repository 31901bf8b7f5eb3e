"""The Huey subclass: claims instead of dequeues, and acknowledges after execution."""

import json
import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol

from huey import Huey
from huey.api import Task, chord, group
from huey.exceptions import HueyException
from huey.signals import SIGNAL_ERROR

from reliable_queue.consumer import ReliableConsumer
from reliable_queue.memory_storage import ReliableMemoryStorage
from reliable_queue.messages import SignedJsonSerializer, UnreadableMessage
from reliable_queue.running_tasks import FAILED, INTERRUPTED, SNOOZED, RunningTasks, Told
from reliable_queue.storage import Claim, QueueStats, ReliableStorage

logger = logging.getLogger("delivery")

CLAIM_SECONDS = 3600.0  # how long a worker waits for a message; `wake` ends it for shutdown
PERIODIC_WINDOW = 3600  # seconds for which a (task, minute) is remembered
REVOKED = "r:"  # how the key of a task's revocation begins
REVOCATION_CACHE = 0.25  # seconds for which it is remembered whether any task is revoked at all


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Baggage(Protocol):
    """What travels with messages beside their tasks, such as whose request they come of. Never raises."""

    def packed(self) -> dict[str, str]:
        """What a message takes along that is made now, in this thread."""

    def unpacked(self, carried: Mapping[str, str]) -> AbstractContextManager[None]:
        """Around the run of a task whose message has brought this; empty when it has brought nothing."""


def _print(text: str) -> None:
    print(text, flush=True)


class ReliableQueue(Huey):
    """A Huey whose messages survive their worker.

    `heartbeat` is the time in seconds between two signs of life, `ttl` the silence after which others take over.
    `now` is the clock (aware, UTC) that schedules and retries go by. Tasks must be idempotent: after a death, a pause
    longer than `ttl`, or a lost acknowledgement they run again. `about` is what its consumers say of themselves to those
    who look, beside host, process and what they run, and `say` prints that one is ready. Who is in
    `on_executed` is called after each run, in the worker's
    thread, with the task's name, the seconds that it took, and done, retried, failed (for good), postponed or interrupted.
    """

    storage: ReliableStorage

    def __init__(
        self,
        name: str,
        *,
        keys: Sequence[str],
        storage_class: Callable[..., ReliableStorage],
        heartbeat: float = 3.0,
        ttl: float = 9.0,
        now: Callable[[], datetime] = _utc_now,
        baggage: Baggage | None = None,
        about: Mapping[str, str] | None = None,
        say: Callable[[str], None] = _print,
        **storage_options: Any,
    ) -> None:
        self.heartbeat, self.ttl, self._now = heartbeat, ttl, now
        self._finished = (
            threading.local()
        )  # .claims: of the tasks that this thread has run, not yet acknowledged
        self._running = threading.local()  # .claim: of the task that this thread runs
        self._executions, self._baggage, self._about = (
            RunningTasks(),
            baggage,
            dict[str, Any](about or {}),
        )
        self.on_executed: list[Told] = self._executions.told
        self._revoked_at, self._any_revoked = 0.0, False
        self._polled, self._saying, self._say = threading.Event(), threading.Lock(), say
        self._away = False  # the broker, at the last try
        self.stopping = threading.Event()  # set by the consumer when its end begins
        self._handed_back = (
            threading.Event()
        )  # what was held is others' now: nothing may be begun any more
        self._known: set[Any] = set()  # receipts of claims that a worker of this process has
        self._unknown: set[Any] = set()  # receipts that no worker knew at the last beat
        serializer = SignedJsonSerializer(keys, salt=name)
        options = {**storage_options, "now": self._epoch}
        super().__init__(
            name, results=False, serializer=serializer, storage_class=storage_class, **options
        )
        self.on_shutdown("acknowledge")(self._acknowledge_finished)

    # Producing

    def enqueue_many(self, tasks: Iterable[Task]) -> None:
        """Enqueue all of them in one round trip. In immediate mode they run one after the other, here."""
        tasks = list(tasks)
        if self._immediate or any(task.eta is not None or task.expires for task in tasks):
            for task in tasks:
                self.enqueue(task)
            return
        self.storage.enqueue_many((self.serialize_task(task), task.priority or 0) for task in tasks)

    def enqueue(self, task: Task | group | chord) -> Any:
        """Enqueue now, or put on the schedule when the task has a time that has not come."""
        if isinstance(task, group | chord):
            return super().enqueue(task)
        if task.expires:
            task.resolve_expires(self.utc)
        if not self.ready_to_run(task):
            self.add_schedule(task)
        elif self._immediate and self.storage.is_paused():
            self.storage.enqueue(self.serialize_task(task), task.priority)
        elif self._immediate:  # through the wire format, so that a test sees what production would
            self.execute(self.deserialize_task(self.serialize_task(task)))
        else:
            super().enqueue(task)
        return None

    def serialize_task(self, task: Task) -> bytes:
        """What a task's message has brought, it takes along when it is tried again."""
        carried = getattr(task, "carried", None)
        if carried is None:
            carried = {} if self._baggage is None else self._baggage.packed()
        data: bytes = self.serializer.seal(
            self._registry.create_message(task), self._epoch(), carried
        )
        return data

    def add_schedule(self, task: Task) -> None:
        self.storage.add_to_schedule(self.serialize_task(task), task.eta, task.priority)

    def read_periodic(self, timestamp: datetime | None) -> list[Task]:
        """Enqueue what is due this minute, once for all consumers; nothing is left for the caller to do.

        Not while the queue is paused: after a day, what runs each minute would wait there 1,440 times.
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
                logger.warning("huey@%s leaves out %s: %s", self.name, key, error)
        return []

    def read_schedule(self, timestamp: datetime | None = None) -> list[Task]:
        """Nothing to do for Huey's scheduler: a claim makes ready what is due, and waits no longer than until then."""
        return []

    # Consuming

    def dequeue(self) -> Task | None:
        """The next readable message as a task. What cannot be read goes to the dead letters."""
        done: list[Claim] = self._finished_claims()
        while True:
            claim = self.storage.claim(
                CLAIM_SECONDS if self._polled.is_set() and not self._immediate else 0, done
            )
            self._forget(done)
            self._say_ready()
            if claim is None:
                return None
            if self._handed_back.is_set():
                self.storage.release(claim)
                return None
            try:
                task = self.deserialize_task(claim.data)
            except (UnreadableMessage, HueyException) as error:
                logger.error("a message of %s goes to the dead letters: %s", self.name, error)
                self.storage.dead_letter(claim, str(error))
                continue
            task.claim = claim
            self._known.add(claim.receipt)
            return task

    def deserialize_task(self, data: bytes) -> Task:
        """Raises UnreadableMessage, and HueyException for a task that is not known here."""
        envelope = self.serializer.open(data)
        try:
            task = self._registry.create_task(envelope.message)
        except (TypeError, ValueError, AttributeError) as error:
            raise UnreadableMessage(f"signed, but its fields make no task: {error}") from error
        task.sent_at, task.carried = envelope.at, envelope.baggage
        return task

    def execute(self, task: Task, timestamp: datetime | None = None) -> Any:
        """The claim of the task that runs is this thread's, also while it runs others of immediate mode inside."""
        outer = getattr(self._running, "claim", None)
        self._running.claim = getattr(task, "claim", None)
        try:
            if self._baggage is None:
                self._execute_claimed(task, timestamp, self._running.claim)
            else:
                with self._baggage.unpacked(getattr(task, "carried", None) or {}):
                    self._execute_claimed(task, timestamp, self._running.claim)
        finally:
            self._running.claim = outer

    def _execute_claimed(self, task: Task, timestamp: datetime | None, claim: Claim | None) -> None:
        outcome = ""
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
            if claim is not None and self._running.claim is None:
                outcome = SNOOZED
            elif claim is not None:
                self._finished_claims().append(claim)
        finally:
            self._executions.end(task, outcome)

    def snooze(self, until: datetime) -> bool:
        """Let the message of the task that calls this come again at that time, the same one, with its deliveries counted.

        False, and nothing happens, when the task was not brought by a message.
        """
        claim: Claim | None = getattr(self._running, "claim", None)
        if claim is None:
            return False
        self._known.discard(
            claim.receipt
        )  # at once: soon the same receipt may be that of another worker here
        self.storage.snooze(claim, until.timestamp())
        self._running.claim = None
        return True

    def _finished_claims(self) -> list[Claim]:
        if not hasattr(self._finished, "claims"):
            self._finished.claims = []
        claims: list[Claim] = self._finished.claims
        return claims

    def _forget(self, done: list[Claim]) -> None:
        self._known.difference_update(claim.receipt for claim in done)
        done.clear()

    def _acknowledge_finished(self) -> None:
        """What a worker has run last is acknowledged with its next claim; when it ends there is none."""
        if done := self._finished_claims():
            self.storage.acknowledge(*done)
            self._forget(done)

    def release_unknown(self, held: Sequence[Any]) -> int:
        """Put back what this consumer holds while no worker has known it for two beats.

        A lost reply to a claim, or a broker that was away when a task ended, leave such messages behind.
        """
        unknown = set(held) - self._known
        lost = unknown & self._unknown
        for receipt in lost:
            self.storage.release(Claim(data=b"", receipt=receipt))
        self._unknown = unknown - lost
        return len(lost)

    def drain(self) -> int:
        """Immediate mode: run what is due by the clock, and what that enqueues; returns how many tasks ran.

        Stock Huey parks retries and schedules of immediate mode for ever; tests move the clock and drain.
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
            return
        if returned:
            logger.warning("huey@%s hands back %d unfinished messages", self.name, returned)

    def get_immediate_storage(self) -> ReliableMemoryStorage:
        return ReliableMemoryStorage(self.name, now=self._epoch)

    def _emit(self, signal: str, task: Task, *args: Any, **kwargs: Any) -> None:
        self._executions.hear(signal, task)
        super()._emit(signal, task, *args, **kwargs)
        claim = getattr(task, "claim", None)
        if signal == SIGNAL_ERROR and not task.retries and claim is not None:
            self.storage.dead_letter(claim, f"it failed for good: {args[0]!r}")

    # Revoking: two commands for each task are spared while nothing is revoked

    def is_revoked(self, task: Any, timestamp: datetime | None = None, peek: bool = True) -> bool:
        if not self._anything_revoked():
            return False
        try:
            return bool(super().is_revoked(task, timestamp, peek))
        except UnreadableMessage as error:  # nobody of ours has revoked it
            logger.error(
                "a revocation in the broker of %s is not ours and does not count: %s",
                self.name,
                error,
            )
            return False

    def restore(self, task: Any) -> Any:
        return self.storage.delete_data(task.revoke_id)

    def delete(self, key: str) -> Any:
        if not key.startswith(REVOKED):
            return super().delete(key)
        try:
            return super().delete(key) if self._anything_revoked() else False
        except (
            self.storage.faults
        ):  # asked for after a task has run, which counts; what is left behind revokes nothing
            return False

    def put(self, key: str, data: Any) -> Any:
        self._revoked_at = 0.0
        return super().put(key, data)

    def _anything_revoked(self) -> bool:
        now = time.monotonic()
        if now - self._revoked_at > REVOCATION_CACHE:
            self._any_revoked = self.storage.result_store_size() > 0
            self._revoked_at = now
        return self._any_revoked

    def _get_timestamp(self) -> datetime:
        return self._now().astimezone(UTC).replace(tzinfo=None)

    def _epoch(self) -> float:
        return self._now().timestamp()

    # Looking

    def pause(self) -> None:
        """Let no worker of any process begin with a message, until `resume`; it is noted at the broker."""
        self.storage.pause()

    def resume(self) -> None:
        self.storage.resume()
        if self._immediate:
            self.drain()

    def stats(self) -> tuple[QueueStats, float | None]:
        """Counts, and for how many seconds the oldest message is ready by now; None when there is none, or none that says."""
        stats = self.storage.stats()
        since = [waiting.at or self.sent_at(waiting.data) for waiting in stats.first]
        known = [at for at in since if at is not None]
        return stats, max(0.0, self._epoch() - min(known)) if known else None

    def sent_at(self, data: bytes) -> float | None:
        """When a message was sent, in seconds since 1970; None for one that cannot be read, or of a version that did not say."""
        try:
            at: float | None = self.serializer.open(data).at
        except UnreadableMessage:
            return None
        return at

    def info(self) -> str:
        """About the consumer that runs here, as JSON: what `about` says, host, pid, threads, started_at, at (seconds since
        1970), and of each task that runs its name, id and since when.
        """
        now, clock = time.time(), time.monotonic()
        runs = self._executions.running()
        running = [
            {"task": run.task, "id": run.id, "since": now - (clock - run.began)} for run in runs
        ]
        return json.dumps({**self._about, "at": now, "running": running}, separators=(",", ":"))

    def begin(self, threads: int = 1) -> None:
        """A consumer starts."""
        self._about |= {
            "host": platform.node(),
            "pid": os.getpid(),
            "threads": threads,
            "started_at": time.time(),
        }
        self.stopping.clear()
        self._handed_back.clear()

    def wait(self, seconds: float) -> None:
        """Let the worker that calls this wait, no longer than until its consumer stops. Immediate mode does not wait."""
        if not self._immediate:
            self.stopping.wait(seconds)

    def note_away(self, error: Exception) -> None:
        """Say once that the broker is away, however many threads try until it is back."""
        with self._saying:
            if not self._away:
                logger.warning(
                    "huey@%s: the broker is away, trying until it is back: %s", self.name, error
                )
            self._away = True

    def note_back(self) -> None:
        if self._away:
            with self._saying:
                was_away, self._away = self._away, False
            if was_away:
                logger.warning("huey@%s: the broker is back", self.name)

    def _say_ready(self) -> None:
        with self._saying:
            if self._polled.is_set() or self._immediate:
                return
            self._polled.set()
        self._say(f"huey@{self.name} ready")
