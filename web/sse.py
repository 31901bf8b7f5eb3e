"""Server-sent events: one poller for all clients of this process, on a thread and a connection of its own.

Each client has a bounded queue; one that does not read fast enough is closed, and resumes by Last-Event-ID.
"""

import asyncio
import contextlib
import logging
import re
import signal
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from time import monotonic
from types import FrameType
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import StreamingResponse

from core.errors import FieldError, Invalid, RateLimited, Unavailable
from roadmap.accounts.identity import Principal
from roadmap.lifecycle.events import events_after, last_seqs
from roadmap.plan.event_types import Event
from web.revocation_cache import revocations

logger = logging.getLogger(__name__)

TICK = 0.25  # seconds between two looks, while anybody watches
HEARTBEAT = 15.0  # seconds of silence after which a comment keeps the connection open
# Parts of the next event: some clients take for one whatever ends with an empty line.
RETRY, STILL_HERE = b"retry: 2000\n", b": still here\n"
WAITING = 1000  # events that a client may be behind
LONGEST_STREAM = 3600.0  # seconds; who comes back shows again who they are
MOST_WATCHERS = 2000
MOST_OF_ONE = 100  # of these, for one account
LARGEST_SEQ = 2**31 - 1


def last_event_id(request: Request) -> int:
    given = request.headers.get("last-event-id", "0")
    if not re.fullmatch(r"[0-9]{1,10}", given) or int(given) > LARGEST_SEQ:
        raise Invalid(
            "Last-Event-ID does not fit.",
            fields=(FieldError("?Last-Event-ID", "is the number of an event"),),
        )
    return int(given)


@dataclass(eq=False, slots=True)
class Watcher:
    caller: Principal
    roadmap_id: UUID
    after: int  # the number of the last event that this client has
    queue: asyncio.Queue[Event | None]
    loop: asyncio.AbstractEventLoop

    @property
    def place(self) -> tuple[UUID, UUID]:
        """What it watches as whose: a roadmap may become another one's meanwhile."""
        return self.roadmap_id, self.caller.account_id

    def deliver(self, event: Event | None) -> None:
        """Runs in the client's loop; None closes the stream."""
        if event is not None and self.queue.qsize() >= WAITING - 1:
            event = None
        with contextlib.suppress(asyncio.QueueFull):
            self.queue.put_nowait(event)

    async def together(self, silence: float) -> list[Event | None]:
        """All that has arrived, or what arrives first; nothing when nothing does for so many seconds."""
        try:
            arrived = [await asyncio.wait_for(self.queue.get(), silence)]
        except TimeoutError:
            return []
        while not self.queue.empty():
            arrived.append(self.queue.get_nowait())
        return arrived


class EventPoller:
    """`start()`, `watch(...)` for each client, `stop()`."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="EventPoller", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let every stream end in order; clients come back to another process and resume."""
        with self._lock:
            self._stopping.set()
        self._arrived.set()

    def stop(self) -> None:
        self.close()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    async def watch(
        self,
        caller: Principal,
        roadmap_id: UUID,
        after: int,
        last_seq: int,
        *,
        silence: float = HEARTBEAT,
    ) -> AsyncGenerator[list[Event]]:
        """What one client gets, from the event after number `after` to the roadmap's last one: whatever is there together;
        after so many seconds of silence, nothing. It was finished before if it has been changed since: an end of which
        `last_seq` tells that more came after it is passed over.
        """
        watcher = Watcher(
            caller, roadmap_id, after, asyncio.Queue(WAITING), asyncio.get_running_loop()
        )
        self._add(watcher)
        until = monotonic() + LONGEST_STREAM
        try:
            while monotonic() < until:
                together = await watcher.together(silence)
                events = [event for event in together if event is not None]
                ends = [
                    number
                    for number, event in enumerate(events, 1)
                    if event.is_terminal and event.seq >= last_seq
                ]
                if events or not together:
                    yield events[: ends[0]] if ends else events
                if ends or len(events) < len(together):
                    return
        finally:
            with self._lock:
                self._watchers.discard(watcher)

    def check_room(self, caller: Principal) -> None:
        """Raises Unavailable, TooMany."""
        with self._lock:
            watchers = [watcher.caller.account_id for watcher in self._watchers]
        if len(watchers) >= MOST_WATCHERS:
            raise Unavailable("Too many people are watching. Try again.", retry_after=10)
        if watchers.count(caller.account_id) >= MOST_OF_ONE:
            raise RateLimited(
                f"You watch {MOST_OF_ONE} roadmaps already. Close a stream before you open another.",
                retry_after=10,
            )

    def _add(self, watcher: Watcher) -> None:
        with self._lock:
            if self._stopping.is_set():  # nobody would end it
                watcher.deliver(None)
                return
            self._watchers.add(watcher)
        self._arrived.set()

    def _run(self) -> None:
        while True:
            self._arrived.clear()  # before looking: what comes later sets it again
            if self._stopping.is_set():
                break
            with self._lock:
                watchers = list(self._watchers)
            if not watchers:
                self._arrived.wait()
                continue
            try:
                self._look(watchers)
            except Unavailable as error:
                logger.warning("events wait: %s", error)
            except Exception:  # an edge: one bad look must not end the streams of everybody
                logger.exception("events wait for the next look")
            self._stopping.wait(TICK)
        with self._lock:
            leaving, self._watchers = self._watchers, set()
        for watcher in leaving:
            self._deliver(watcher, None)

    def _look(self, watchers: list[Watcher]) -> None:
        """One query tells which roadmaps have news; only those are read. Who has logged out sees no more."""
        for watcher in watchers:
            if revocations.has_ended(watcher.caller.session_id, watcher.caller.key_id):
                self._deliver(watcher, None)
        watchers = [
            each
            for each in watchers
            if not revocations.has_ended(each.caller.session_id, each.caller.key_id)
        ]
        last = last_seqs({watcher.roadmap_id for watcher in watchers})
        behind = [
            watcher
            for watcher in watchers
            if last.get(watcher.place, watcher.after) > watcher.after
        ]
        for roadmap_id in {watcher.roadmap_id for watcher in behind}:
            of_roadmap = [watcher for watcher in behind if watcher.roadmap_id == roadmap_id]
            events = events_after(roadmap_id, min(watcher.after for watcher in of_roadmap))
            for watcher in of_roadmap:
                for event in events:
                    if event.seq > watcher.after:
                        watcher.after = event.seq
                        self._deliver(watcher, event)
        for watcher in watchers:
            if watcher.place not in last:  # deleted or transferred meanwhile
                self._deliver(watcher, None)

    @staticmethod
    def _deliver(watcher: Watcher, event: Event | None) -> None:
        if not watcher.loop.is_closed():
            watcher.loop.call_soon_threadsafe(watcher.deliver, event)


poller = EventPoller()


def close_on_signals() -> None:
    """At SIGTERM and SIGINT, end the streams and then do what the server does: it would wait for them otherwise."""
    if threading.current_thread() is not threading.main_thread():
        return  # a test's client runs the application in another thread and sends no signals
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        servers = signal.getsignal(number)

        def end(received: int, frame: FrameType | None, servers: Any = servers) -> None:
            loop.call_soon_threadsafe(poller.close)
            if callable(servers):
                servers(received, frame)

        signal.signal(number, end)


def encode(event: Event) -> bytes:
    """`id` is the event's number, so that Last-Event-ID resumes."""
    data = event.model_dump_json()
    return f"id: {event.seq}\nevent: {event.type}\ndata: {data}\n\n".encode()


async def encoded(batches: AsyncGenerator[list[Event]]) -> AsyncGenerator[bytes]:
    """The events as they are sent, the first with `retry`, and a comment where there was silence."""
    yield RETRY
    async with contextlib.aclosing(batches):
        async for events in batches:
            yield b"".join(encode(event) for event in events) or STILL_HERE


def stream(caller: Principal, roadmap_id: UUID, after: int, last_seq: int) -> StreamingResponse:
    """`last_seq` is the number of the newest event so far. Raises Unavailable and TooMany, while the answer can still be one
    of those, when too many watch already.
    """
    poller.check_room(caller)
    return streamed(encoded(poller.watch(caller, roadmap_id, after, last_seq)))


def streamed(messages: AsyncIterator[bytes]) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(messages, media_type="text/event-stream", headers=headers)
