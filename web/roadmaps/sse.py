"""Server-sent events: one poller for all clients of this process, in its own thread.

Each client has a bounded queue. One that does not read fast enough is disconnected, and resumes by
Last-Event-ID.
"""

import asyncio
import logging
import re
import threading
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from core import clock
from core.errors import FieldError, Invalid, RateLimited, Unavailable
from roadmap.accounts.identity import Principal
from roadmap.generation.content_drafts import tutorial_drafts
from roadmap.lifecycle.events import events_after, last_seqs
from roadmap.plan.statuses import Event
from web.auth.revocation_cache import revocations

logger = logging.getLogger(__name__)

DRAFT = "content_draft"  # a tutorial that is being written: not stored, and so without a number
DRAFT_TICK = 1.0  # seconds between two looks at these
MOST_DRAFTS = 8  # that wait for a slow client; the next one says as much
TICK = 0.25  # seconds between two polls, while a client watches
HEARTBEAT = 15.0  # seconds of silence after which a comment keeps the connection open
# Parts of the next event: some clients take anything that ends with an empty line for an event.
RETRY, STILL_HERE = b"retry: 2000\n", b": still here\n"
WAITING = 1000  # events that a client may be behind
LONGEST_STREAM = 3600.0  # seconds, after which a client authenticates again
MOST_WATCHERS = 2000
MOST_OF_ONE = 100  # watchers of one account
LARGEST_SEQ = 2**31 - 1


def last_event_id(request: Request) -> int:
    """Return the Last-Event-ID of a request, or 0. Raises Invalid."""
    given = request.headers.get("last-event-id", "0")
    if not re.fullmatch(r"[0-9]{1,10}", given) or int(given) > LARGEST_SEQ:
        raise Invalid(
            "Last-Event-ID is not valid.",
            fields=(FieldError("?Last-Event-ID", "must be the number of an event"),),
        )
    return int(given)


@dataclass(eq=False, slots=True)
class Watcher:
    caller: Principal
    roadmap_id: UUID
    after: int  # the number of the last event that this client has
    queue: asyncio.Queue[Event | None]
    drafts: dict[UUID, int] | None  # hashes by concept of what it has; None: it wants none
    loop: asyncio.AbstractEventLoop

    @property
    def place(self) -> tuple[UUID, UUID]:
        """Return the roadmap and its owner, since a roadmap may be transferred meanwhile."""
        return self.roadmap_id, self.caller.account_id

    def deliver(self, event: Event | None) -> None:
        """Queue an event, in the client's loop; None closes the stream."""
        if event is not None and event.type == DRAFT and self.queue.qsize() >= MOST_DRAFTS:
            return
        if event is not None and self.queue.qsize() >= WAITING - 1:
            event = None
        with suppress(asyncio.QueueFull):
            self.queue.put_nowait(event)

    async def next_batch(self, silence: float) -> list[Event | None]:
        """Return all events that have arrived, or wait for one; none after this silence."""
        try:
            arrived = [await asyncio.wait_for(self.queue.get(), silence)]
        except TimeoutError:
            return []
        while not self.queue.empty():
            arrived.append(self.queue.get_nowait())
        return arrived

    async def batches(self, last_seq: int, silence: float) -> AsyncGenerator[list[Event]]:
        """Yield batches of events, up to the roadmap's last one; empty ones after silence.

        A terminal event before `last_seq` is not the end: the roadmap has been changed since.
        """
        until = monotonic() + LONGEST_STREAM
        while monotonic() < until:
            batch = await self.next_batch(silence)
            events = [event for event in batch if event is not None]
            ends = [
                number
                for number, event in enumerate(events, 1)
                if event.is_terminal and event.seq >= last_seq
            ]
            if events or not batch:
                yield events[: ends[0]] if ends else events
            if ends or len(events) < len(batch):
                return


class EventPoller:
    """Poller with `start()`, `watch(...)` for each client, and `stop()`."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._drafts_due = 0.0

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="EventPoller", daemon=True)
        self._thread.start()

    @property
    def is_closed(self) -> bool:
        return self._stopping.is_set()

    def close(self) -> None:
        """End every stream in order, so that clients resume at another process."""
        with self._lock:
            self._stopping.set()
        self._arrived.set()

    def stop(self) -> None:
        self.close()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @contextmanager
    def watch(
        self,
        caller: Principal,
        roadmap_id: UUID,
        after: int,
        last_seq: int,
        *,
        silence: float = HEARTBEAT,
        drafts: bool = False,
    ) -> Iterator[AsyncGenerator[list[Event]]]:
        """Give batches of events after number `after`, up to the roadmap's last one.

        A batch is empty after so many seconds of silence. `drafts` of tutorials are among the
        events if they are asked for. `last_seq` is the number of the newest event so far. Raises
        Unavailable or RateLimited when too many watch.
        """
        watcher = Watcher(
            caller,
            roadmap_id,
            after,
            asyncio.Queue(WAITING),
            {} if drafts else None,
            asyncio.get_running_loop(),
        )
        with self._lock:
            self._check_limits(caller.account_id)
            if self._stopping.is_set():  # the poller does not end it any more
                watcher.deliver(None)
            else:
                self._watchers.add(watcher)
        self._arrived.set()
        try:
            yield watcher.batches(last_seq, silence)
        finally:
            with self._lock:
                self._watchers.discard(watcher)

    def _check_limits(self, account_id: UUID) -> None:
        count = len(self._watchers)
        own = sum(watcher.caller.account_id == account_id for watcher in self._watchers)
        # Beyond the limit each account may have one stream: others cannot keep it out.
        if count >= (MOST_WATCHERS if own else 2 * MOST_WATCHERS):
            raise Unavailable("Too many event streams are open. Try again later.", retry_after=10)
        if own >= MOST_OF_ONE:
            raise RateLimited(
                f"This account has {MOST_OF_ONE} open event streams. Close one before you "
                "open another.",
                retry_after=10,
            )

    def _run(self) -> None:
        while True:
            self._arrived.clear()  # before polling, so that a later watcher sets it again
            if self._stopping.is_set():
                break
            with self._lock:
                watchers = list(self._watchers)
            if not watchers:
                self._arrived.wait()
                continue
            try:
                self._poll(watchers)
            except Unavailable as error:
                logger.warning("events are delayed: %s", error)
            except Exception:  # an edge: one bad poll must not end all streams
                logger.exception("events are delayed until the next poll")
            self._stopping.wait(TICK)
        with self._lock:
            leaving, self._watchers = self._watchers, set()
        for watcher in leaving:
            self._deliver(watcher, None)

    def _poll(self, watchers: list[Watcher]) -> None:
        """Read events of those roadmaps that one query finds to have new ones.

        Watchers whose login has ended see no more.
        """
        watching = []
        for watcher in watchers:
            if revocations.has_ended(watcher.caller.session_id, watcher.caller.key_id):
                self._deliver(watcher, None)
            else:
                watching.append(watcher)
        last = last_seqs({watcher.roadmap_id for watcher in watching})
        behind: dict[UUID, list[Watcher]] = defaultdict(list)
        for watcher in watching:
            if watcher.place not in last:  # deleted or transferred meanwhile
                self._deliver(watcher, None)
            elif last[watcher.place] > watcher.after:
                behind[watcher.roadmap_id].append(watcher)
        for roadmap_id, of_roadmap in behind.items():
            events = events_after(roadmap_id, min(watcher.after for watcher in of_roadmap))
            for watcher in of_roadmap:
                for event in events:
                    if event.seq > watcher.after:
                        watcher.after = event.seq
                        self._deliver(watcher, event)
        if monotonic() >= self._drafts_due:
            self._drafts_due = monotonic() + DRAFT_TICK
            self._send_drafts([each for each in watching if each.place in last])

    def _send_drafts(self, watchers: list[Watcher]) -> None:
        """Send tutorials that have grown to those who asked for them and own the roadmap."""
        wanted = {watcher.roadmap_id for watcher in watchers if watcher.drafts is not None}
        found = tutorial_drafts.read(wanted) if wanted else {}
        for watcher in watchers:
            for concept_id, text in found.get(watcher.roadmap_id, {}).items():
                if watcher.drafts is not None and watcher.drafts.get(concept_id) != hash(text):
                    watcher.drafts[concept_id] = hash(text)
                    data = {"concept_id": str(concept_id), "kind": "tutorial", "markdown": text}
                    self._deliver(watcher, Event(seq=0, type=DRAFT, data=data, at=clock.now()))

    @staticmethod
    def _deliver(watcher: Watcher, event: Event | None) -> None:
        if not watcher.loop.is_closed():
            watcher.loop.call_soon_threadsafe(watcher.deliver, event)


poller = EventPoller()


class EventStream(StreamingResponse):
    """Response of a watched roadmap. It counts as a stream from its first byte to its last.

    Raises Unavailable or RateLimited, before the response begins, when too many watch.
    """

    def __init__(
        self,
        watching: AbstractContextManager[AsyncGenerator[list[Event]]],
        encode: Callable[[AsyncGenerator[list[Event]]], AsyncIterator[bytes]],
    ) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__((), media_type="text/event-stream", headers=headers)
        self._watching, self._encode = watching, encode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._watching as batches:
            self.body_iterator = self._encode(batches)
            await super().__call__(scope, receive, send)


async def encode_events(batches: AsyncGenerator[list[Event]]) -> AsyncGenerator[bytes]:
    """Encode batches, with `retry` before the first and a comment after silence.

    Each stored event has its number as `id`, from which Last-Event-ID resumes.
    """
    yield RETRY
    async for events in batches:
        texts = [
            f"id: {event.seq}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n"
            if event.seq
            else f"event: {event.type}\ndata: {event.model_dump_json(exclude={'seq'})}\n\n"
            for event in events
        ]
        yield "".join(texts).encode() or STILL_HERE
