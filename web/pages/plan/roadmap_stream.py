"""Live changes of a roadmap's page: HTML over server-sent events.

Each message replaces parts of the page by their present state, and its id is the number of its
newest event: a message that is sent twice changes nothing, and a browser that comes back gets the
changes since its Last-Event-ID.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from uuid import UUID

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from core.errors import InTrash, NotFound, RateLimited, Unauthenticated, Unavailable
from roadmap.generation.generator import has_model
from roadmap.lifecycle.reading import queries
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import BEING_MADE, Event, EventType
from web.auth.authentication import run_for_principal
from web.pages.forms import AnyQuery
from web.pages.labels import OF_PART
from web.pages.lazy import tutorial_html
from web.pages.page_route import PAGE, PageCall, PageRoute
from web.pages.roadmap_view import view_of
from web.pages.templates import rendered, texts_of
from web.roadmaps.sse import LARGEST_SEQ, RETRY, STILL_HERE, EventStream, last_event_id, poller

logger = logging.getLogger(__name__)

LINE_END = re.compile(r"\r\n|\r|\n")
SILENCE = 4.0  # seconds after which activity is read: the begin of a part is no event

CALM = 0.5  # seconds between two messages: events meanwhile go into one
NEW_PLAN = (EventType.outlined, EventType.revised)
PLAN = "event: plan\ndata: \n\n"  # the picture at once
PICTURE = "event: picture\ndata: \n\n"  # the page fetches it again, compressed and not too often
START = RETRY + b"\n"  # does not change when htmx comes back: base.html has that
WRITTEN = b"event: written\ndata: \n\n"  # the page fetches the tutorial
END = b"event: end\ndata: \n\n"  # the browser closes the stream, and does not come back


class LiveQuery(AnyQuery):
    """`after`: the number of the newest event that the page shows already.

    `draft`: a concept, whose tutorial is shown while it is being written.
    """

    after: int = Field(0, ge=0, le=LARGEST_SEQ)
    draft: UUID | None = None


async def watch(call: PageCall[LiveQuery]) -> Response:
    roadmap_id = call.ids["roadmap_id"]
    after = max(call.query.after, last_event_id(call.request))
    try:
        last_seq, finished = await run_in_threadpool(queries.last_event, call.owner, roadmap_id)
    except InTrash:  # put there in another window: nothing more will come
        return Response(START + END, media_type="text/event-stream")
    draft = call.query.draft
    if finished and draft is not None:
        return Response(START + WRITTEN + END, media_type="text/event-stream")
    if finished and after >= last_seq:
        return Response(START + PICTURE.encode() + END, media_type="text/event-stream")
    if call.request.method == "HEAD":
        return Response(media_type="text/event-stream")
    if after > last_seq:  # restored from a backup: the page shows what has not happened
        after = 0
    watch_page = partial(poller.watch, call.caller, roadmap_id, silence=SILENCE)
    if draft is not None:
        watching = watch_page(last_seq, last_seq, drafts=True)
        return EventStream(watching, partial(_draft_messages, call.request, draft))
    return EventStream(watch_page(after, last_seq), partial(_messages, call, last_seq))


async def _messages(
    call: PageCall[LiveQuery], last_seq: int, batches: AsyncGenerator[list[Event]]
) -> AsyncGenerator[bytes]:
    """Yield messages; after an error the stream ends, and the browser comes back."""
    yield START
    last = b""
    try:
        async for events in batches:
            message = await run_for_principal(
                call.caller, _message, call.request, call.owner, call.ids["roadmap_id"], events
            )
            yield STILL_HERE if message in (last, b"") else message
            last = b"" if events else message
            if events and events[-1].is_terminal and events[-1].seq >= last_seq:
                yield END
                return
            await asyncio.sleep(CALM)
    except (NotFound, RateLimited, Unauthenticated, Unavailable) as error:
        logger.warning("live updates of a roadmap page stopped: %s", error)


async def _draft_messages(
    request: Request, concept_id: UUID, batches: AsyncGenerator[list[Event]]
) -> AsyncGenerator[bytes]:
    """Yield the tutorial of a concept while it grows, until it is written or given up."""
    yield START
    async for events in batches:
        ours = [
            event.data
            for event in events
            if event.data.get("concept_id") == str(concept_id)
            and event.data.get("kind") == ContentKind.tutorial
        ]
        if any("markdown" not in data for data in ours) or any(
            event.is_terminal for event in events
        ):
            yield WRITTEN + END
            return
        if not ours:
            yield STILL_HERE
            continue
        html = await run_in_threadpool(
            tutorial_html, ours[-1]["markdown"], texts_of(request), keep=False
        )
        lines = [f"data: {line}\n" for line in LINE_END.split(html)]  # empty ones are code's
        yield f"{''.join(lines)}\n".encode()


def _message(request: Request, owner_id: UUID, roadmap_id: UUID, events: Sequence[Event]) -> bytes:
    """Return the parts of the page that these events changed; without events, the activity.

    Raises NotFound, Unavailable.
    """
    if not events and queries.status_of(owner_id, roadmap_id) not in BEING_MADE:
        return b""
    view = view_of(owner_id, roadmap_id)
    named = {UUID(event.data["concept_id"]) for event in events if "concept_id" in event.data}
    named |= {writing.concept_id for writing in view.activity.writing}
    html = rendered(
        request,
        "parts/live.html",
        view=view,
        tree=view.tree,
        events=events[::-1],
        is_new_plan=any(event.type not in OF_PART for event in events),
        changed=[concept for concept in view.concepts if concept.id in named],
        follows_words=has_model(),
        errors={},
        feedback="",
        pace_errors={},
        pace_typed=None,
    )
    data = "".join(f"data: {line}\n" for line in LINE_END.split(html) if line.strip())
    if not events:
        return f"{data}\n".encode()
    picture = PLAN if any(event.type in NEW_PLAN for event in events) else PICTURE
    return f"id: {events[-1].seq}\n{data}\n{picture}".encode()


PAGES = (PageRoute("GET", PAGE + "/live", watch),)
