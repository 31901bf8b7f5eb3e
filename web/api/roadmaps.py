"""Roadmaps: create, list, read and stream events."""

import asyncio
import re
from contextlib import suppress
from functools import cache, partial
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from core.errors import Conflict, FieldError, RoadmapError
from core.ids import new_id
from core.json_types import LazyModel, Page
from core.sanitize import CLEAN, Rule
from roadmap.accounts.access import LAST
from roadmap.accounts.identity import Principal
from roadmap.generation.context import GeneratorFault
from roadmap.generation.generator import current_generator
from roadmap.lifecycle.making.create import NewRoadmap
from roadmap.lifecycle.reading import own_roadmaps, queries, read_states
from roadmap.lifecycle.reading.build_status import activity
from roadmap.operations.execution_log import LogLevel, LogRecord
from roadmap.plan.match import GoalMatch
from roadmap.plan.schemas import PRINTABLE, RoadmapRequest
from roadmap.plan.statuses import TERMINAL, EventType, RoadmapStatus
from roadmap.plan.views import Activity, ConceptDetail, RoadmapSummary, RoadmapTree
from web.auth.authentication import run_for_principal
from web.endpoints import idempotency
from web.endpoints.call import Call
from web.endpoints.endpoint import API, ROADMAP, Endpoint
from web.endpoints.stated_endpoint import DocumentKind, DocumentPlace, StatedEndpoint
from web.http.pagination import CURSOR, Limit, PageQuery, paged
from web.http.responses import Document, Reply, to_response
from web.roadmaps.create_writer import accept
from web.roadmaps.links import Links, links_of
from web.roadmaps.sse import EventStream, encode_events, last_event_id, poller

tree_kind = DocumentKind(read_states.tree_states)
concept_kind = DocumentKind(read_states.concept_states)
OUTLINED = TERMINAL | {
    EventType.outlined,
    EventType.awaiting_review,
    EventType.awaiting_answers,
}

# Preferences of a request (RFC 7240); a value that cannot be parsed is none
LONGEST_WAIT = 60  # seconds; more is understood as this
RETURN = re.compile(r'return\s*=\s*"?([a-z]+)"?', re.IGNORECASE)
WAIT = re.compile(r'wait\s*=\s*"?([0-9]{1,9})"?', re.IGNORECASE)


class AcceptedMinimal(LazyModel):
    id: UUID
    status: RoadmapStatus = RoadmapStatus.queued


class Accepted(AcceptedMinimal):
    """The roadmap is stored. Workers build it."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema["required"].remove("links"))
    links: Links = Field(
        description="Where its things are; left out for who prefers `return=minimal`."
    )
    match: GoalMatch | None = Field(
        None, description="How the goal and the catalogue fit; null: any goal fits."
    )


# The responses in JSON, where this stands for the id of the roadmap
ANY_ID, PATH = str(UUID(int=0)), API + "/roadmaps"
ACCEPTED = Accepted(id=UUID(ANY_ID), links=links_of(UUID(ANY_ID))).model_dump_json()
ACCEPTED_MINIMAL = AcceptedMinimal(id=UUID(ANY_ID)).model_dump_json()


class LinkedTree(RoadmapTree):
    links: Links


def _cursor(text: str) -> str:
    if not re.fullmatch(OWN_CURSOR.pattern, text):
        raise ValueError("should be the `next_cursor` of the previous page")
    return text


OWN_CURSOR = Rule(_cursor, r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.[A-Za-z0-9_-]{0,400})?$")


class ListQuery(LazyModel, extra="forbid"):
    cursor: Annotated[str, Field(max_length=500), OWN_CURSOR] | None = CURSOR
    limit: Limit = 20
    status: list[RoadmapStatus] = Field(
        default_factory=list,
        max_length=len(RoadmapStatus),
        description="Only these statuses: repeat the parameter, or separate values by commas.",
    )
    q: Annotated[str, Field(max_length=100), CLEAN] = Field(
        "", description="Only roadmaps with all these words in goal or title, in any position."
    )
    sort: own_roadmaps.Order = Field(
        own_roadmaps.Order.newest,
        description=("Order: newest first, oldest first, by title, or last changed first."),
    )


class LogsQuery(PageQuery):
    level: LogLevel | None = Field(None, description="Only this level.")
    category: Annotated[str, Field(max_length=40), PRINTABLE] | None = Field(
        None, description="Only this category, such as `planning`."
    )


class EventsQuery(LazyModel, extra="forbid"):
    drafts: bool = Field(False, description="Also send tutorials while they are being written.")


def wait_of(request: Request) -> int:
    """Return the seconds to wait; 0 without this preference."""
    found = _preferred(request, WAIT)
    return min(int(found), LONGEST_WAIT) if found else 0


def prefers_minimal(request: Request) -> bool:
    return _preferred(request, RETURN).lower() == "minimal"


def _preferred(request: Request, pattern: re.Pattern[str]) -> str:
    """Return the value of the first preference that matches; empty without one."""
    preferences = (
        each.split(";")[0].strip()
        for line in request.headers.getlist("prefer")
        for each in line.split(",")
    )
    return next((match[1] for match in map(pattern.fullmatch, preferences) if match), "")


class CreateEndpoint(Endpoint):
    """Endpoint that honours `Prefer: wait`, also for a repeated request."""

    async def answer(self, request: Request, caller: Principal) -> Response:
        """Return the roadmap if it has an outline in time, otherwise the 202."""
        accepted = await super().answer(request, caller)
        if not (seconds := wait_of(request)):
            return accepted
        kept = ("location", "idempotency-replayed")
        headers = {name: value for name, value in accepted.headers.items() if name in kept}
        headers["Preference-Applied"] = f"wait={seconds}"
        roadmap_id = UUID(headers["location"].rpartition("/")[2])

        def answer_tree() -> Response:
            tree = _tree(caller.account_id, roadmap_id)
            return to_response(request, Reply(tree, headers=headers), 201)

        with (
            suppress(TimeoutError, RoadmapError),
            poller.watch(caller, roadmap_id, after=0, last_seq=0) as batches,
        ):
            async with asyncio.timeout(seconds):
                async for events in batches:  # it ends without an outline when the process does
                    if any(event.type in OUTLINED for event in events):
                        return await run_for_principal(caller, answer_tree)
        return accepted


async def create_roadmap(call: Call[RoadmapRequest]) -> Annotated[Response, Accepted]:
    """Store the goal and answer 202; workers build the roadmap.

    With `Prefer: wait=N`, the response waits for the outline or for questions before it (201 with
    the whole roadmap), or at
    most N seconds (202). With `Prefer: return=minimal`, a 202 has no links; `Location` has the path
    of the roadmap. A goal that the built-in catalogue covers in part waits for a choice, see
    `match` and `scope`.
    """
    request = current_generator().fit(call.body.in_language_of_goal())
    roadmap_id, content = new_id(), ACCEPTED
    id_text = str(roadmap_id)
    headers = {"Location": f"{PATH}/{id_text}", "Retry-After": "1"}
    if prefers_minimal(call.request):
        content, headers = ACCEPTED_MINIMAL, {**headers, **idempotency.MINIMAL}
    else:
        with suppress(GeneratorFault):  # with the reason of which the roadmap fails
            if (match := current_generator().match(request)) is not None:
                content = content.replace('"match":null', f'"match":{match.as_json}')
    body = content.replace(ANY_ID, id_text).encode()
    response = Response(body, 202, headers, media_type="application/json")
    owner_id = call.caller.account_id
    if call.key is None:
        await accept(NewRoadmap(owner_id, request, roadmap_id))
        return response
    with idempotency.one_at_a_time(call.key):  # the response is stored with the roadmap
        stored = idempotency.to_stored(call.key, response)
        earlier = await accept(NewRoadmap(owner_id, request, roadmap_id, stored))
    return response if earlier is None else idempotency.replay(call.key, earlier)


def list_roadmaps(
    call: Call[None, ListQuery],
) -> Reply[Page[RoadmapSummary]] | Document[Page[RoadmapSummary]]:
    """Roadmaps of the account, newest first unless `sort` says otherwise."""
    wanted = own_roadmaps.RoadmapFilter(call.query.status, call.query.q.strip(), call.query.sort)

    def read() -> Reply[Page[RoadmapSummary]]:
        page = own_roadmaps.list_own(
            call.owner, wanted, after=call.query.cursor, limit=call.query.limit
        )
        return paged(call.request, call.query, page)

    place = list_place(call)
    return read() if place is None else place.document(read)


def list_place(call: Call[None, ListQuery]) -> DocumentPlace | None:
    """Return the place of a list along the index of all roadmaps of the account."""
    plain = {"limit", "cursor"}  # the default order has no more in its cursor than an id
    if call.query.model_fields_set - plain or "." in (call.query.cursor or ""):
        return None
    ids = (call.owner, UUID(call.query.cursor) if call.query.cursor else LAST)
    return DocumentPlace(
        _kind_of_lists(call.query.limit), ids, frozenset(call.query.model_fields_set)
    )


@cache
def _kind_of_lists(limit: int) -> DocumentKind:
    return DocumentKind(partial(read_states.list_states, limit))


def read_roadmap(call: Call) -> Document[LinkedTree]:
    """All stages, modules and concepts, with the status of each part."""

    def read() -> LinkedTree | Document:
        tree = _tree(call.owner, call.ids["roadmap_id"])
        # Prices and budgets change without the state
        return tree if tree.estimate is None else Document(tree.model_dump_json().encode())

    return tree_place(call).document(read)


def tree_place(call: Call) -> DocumentPlace:
    return DocumentPlace(tree_kind, (call.owner, call.ids["roadmap_id"]))


def read_concept(call: Call) -> Document[ConceptDetail]:
    """A concept with its contents and the learner's notes.

    Parts that are not ready are null.
    """
    place = concept_place(call)
    return place.document(partial(queries.concept_detail, *place.ids))


def concept_place(call: Call) -> DocumentPlace:
    return DocumentPlace(concept_kind, call.concept)


def read_activity(call: Call) -> Activity:
    """Position in the queue, work in progress, and estimated time left."""
    return activity(call.owner, call.ids["roadmap_id"])


def list_logs(call: Call[None, LogsQuery]) -> Reply[Page[LogRecord]]:
    """Execution log of the roadmap, oldest first."""
    roadmap_id = call.ids["roadmap_id"]
    return paged(
        call.request,
        call.query,
        queries.list_logs(
            call.owner,
            roadmap_id,
            limit=call.query.limit,
            after=call.query.cursor,
            level=call.query.level,
            category=call.query.category,
        ),
    )


async def watch_roadmap(call: Call[None, EventsQuery]) -> Response:
    """Server-sent events for every change, from the first one or after `Last-Event-ID`.

    When a stream ends, reconnect with the number of the last event, until the answer is 204: there
    are no more events. With `drafts`, a tutorial that a model is writing comes as `content_draft`,
    without a number, whole and once a second at most, until `content.ready` or `content.failed`.
    """
    roadmap_id = call.ids["roadmap_id"]
    after = last_event_id(call.request)
    last_seq, finished = await run_in_threadpool(queries.last_event, call.owner, roadmap_id)
    if finished and after == last_seq:
        return Response(status_code=204)
    # The number is of another roadmap, or older than a restored backup: events would be skipped
    if after > last_seq:
        rule = FieldError(
            "?Last-Event-ID",
            f"must be the number of an event of this roadmap; the newest is {last_seq}",
        )
        raise Conflict(
            f"Event {after} does not exist; the newest is {last_seq}. Read the roadmap "
            "again, and follow it without Last-Event-ID.",
            fields=(rule,),
        )
    if call.request.method == "HEAD":
        return Response(media_type="text/event-stream")
    watching = poller.watch(call.caller, roadmap_id, after, last_seq, drafts=call.query.drafts)
    return EventStream(watching, encode_events)


def _tree(owner_id: UUID, roadmap_id: UUID) -> LinkedTree:
    return LinkedTree(
        **dict(queries.roadmap_tree(owner_id, roadmap_id)), links=links_of(roadmap_id)
    )


ENDPOINTS = (
    CreateEndpoint("POST", PATH, create_roadmap, "Create a roadmap", status=202),
    StatedEndpoint("GET", PATH, list_roadmaps, "List roadmaps", place=list_place),
    StatedEndpoint("GET", ROADMAP, read_roadmap, "Read a roadmap", place=tree_place),
    Endpoint("GET", ROADMAP + "/events", watch_roadmap, "Stream the events of a roadmap",
        media_type="text/event-stream", raises=(Conflict,)),
    Endpoint("GET", ROADMAP + "/activity", read_activity, "Read the current activity"),
    Endpoint("GET", ROADMAP + "/logs", list_logs, "Read the execution log of a roadmap"),
    StatedEndpoint("GET", ROADMAP + "/concepts/{concept_id}", read_concept, "Read a concept",
        place=concept_place),
)  # fmt: skip
