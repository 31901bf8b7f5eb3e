"""Roadmaps: create, read, list, watch."""

import re
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from core.errors import FieldError, Invalid
from roadmap import reading
from roadmap.activity import Activity, activity
from roadmap.reading import ConceptDetail, LogRecord, Page, RoadmapSummary, RoadmapTree
from roadmap.requests import printable
from roadmap.statuses import RoadmapStatus
from tasks.content import generator
from web.accepting import accept
from web.api.links import BASE, Links, links_of
from web.conditional import etag, has_it
from web.endpoint import Call, Reply
from web.events import stream

LARGEST_SEQ = 2**31 - 1

Limit = Annotated[int, Field(ge=1, le=100)]


class Accepted(BaseModel):
    id: UUID
    status: RoadmapStatus = RoadmapStatus.queued
    links: Links


class LinkedTree(RoadmapTree):
    links: Links


class ListQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    cursor: UUID | None = None
    limit: Limit = 20
    status: RoadmapStatus | None = None


class LogsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    cursor: UUID | None = None
    limit: Limit = 50
    level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] | None = None
    category: Annotated[str, Field(max_length=40), AfterValidator(printable)] | None = None


async def create(call: Call) -> Reply:
    generator().check(call.body)
    roadmap_id = await accept(call.owner, call.body)
    links = links_of(roadmap_id)
    return Reply(Accepted(id=roadmap_id, links=links), headers={"Location": links.self, "Retry-After": "1"})


def list_(call: Call) -> Reply:
    query: ListQuery = call.query
    page = reading.list_roadmaps(call.owner, limit=query.limit, before=query.cursor, status=query.status)
    return _with_next(page, BASE, query)


def read(call: Call) -> Reply | Response:
    roadmap_id = call.ids["roadmap_id"]
    tree = LinkedTree(**dict(reading.roadmap_tree(call.owner, roadmap_id)), links=links_of(roadmap_id))
    headers = {"ETag": etag(tree.model_dump_json().encode()), "Cache-Control": "private, no-cache"}
    if has_it(call.request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Reply(tree, headers=headers)


def read_concept(call: Call) -> ConceptDetail:
    return reading.concept_detail(call.owner, call.ids["roadmap_id"], call.ids["concept_id"])


def read_activity(call: Call) -> Activity:
    return activity(call.owner, call.ids["roadmap_id"])


def list_logs(call: Call) -> Reply:
    query: LogsQuery = call.query
    roadmap_id = call.ids["roadmap_id"]
    page = reading.list_logs(
        call.owner, roadmap_id, limit=query.limit, after=query.cursor, level=query.level, category=query.category
    )
    return _with_next(page, f"{BASE}/{roadmap_id}/logs", query)


async def watch(call: Call) -> Response:
    """A browser comes back after each end of a stream, until it is told by 204 that there is nothing more."""
    roadmap_id = call.ids["roadmap_id"]
    after = last_event_id(call)
    last_seq, finished = await run_in_threadpool(reading.last_event, call.owner, roadmap_id)
    if finished and after >= last_seq:
        return Response(status_code=204)
    if call.request.method == "HEAD":
        return Response(media_type="text/event-stream")
    return stream(call.caller, roadmap_id, after, last_seq)


def last_event_id(call: Call) -> int:
    given = call.request.headers.get("last-event-id", "0")
    if not re.fullmatch(r"[0-9]{1,10}", given) or int(given) > LARGEST_SEQ:
        raise Invalid("Last-Event-ID does not fit.", fields=(FieldError("?Last-Event-ID", "is the number of an event"),))
    return int(given)


def _with_next(page: Page[RoadmapSummary] | Page[LogRecord], path: str, query: BaseModel) -> Reply:
    if page.next_cursor is None:
        return Reply(page)
    following = {**query.model_dump(mode="json", exclude_none=True), "cursor": page.next_cursor}
    return Reply(page, headers={"Link": f'<{path}?{urlencode(following)}>; rel="next"'})
