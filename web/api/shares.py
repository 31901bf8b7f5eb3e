"""Share links, and the content that they open."""

from functools import partial

from pydantic import BaseModel
from starlette.responses import Response

from core.errors import Conflict, Gone
from core.json_types import LazyModel
from roadmap.exchange import share_links
from roadmap.exchange.formats.json_ import Source
from roadmap.exchange.formats.registry import FORMATS
from roadmap.exchange.importer import IN_SHARED
from roadmap.plan.views import RoadmapTree
from web.endpoints.call import Call, EmptyBody
from web.endpoints.endpoint import API, ROADMAP, Endpoint
from web.http.host_and_csrf import own_address
from web.http.response_cache import DocumentSource, ResponseCache
from web.http.responses import UNLISTED, Document, Reply, conditional_response
from web.http.urls import quoted_path
from web.roadmaps.exported_files import file_of
from web.roadmaps.links import ImportedRoadmap, imported_reply
from web.roadmaps.roadmap_commands import import_document

SHARED = API + "/shared/{token}"
documents = ResponseCache()
CALENDAR = FORMATS["ics"]


class CopyEndpoint(Endpoint):
    """Endpoint whose handler reads in REPEATABLE READ, also with a key."""

    reads_one_moment = True


class LinkList(LazyModel):
    """Share links, newest first, including expired ones."""

    items: list[share_links.LinkInfo]


def create_link(call: Call[share_links.LinkRequest]) -> Reply[share_links.NewLink]:
    """Create a new link.

    Anyone with the link sees the plan and its contents, including later changes, until the link is
    revoked or expires; the owner stays anonymous. `url` is only returned here: if it is lost,
    create another link and revoke this one.
    """
    roadmap_id = call.ids["roadmap_id"]
    made = share_links.create_link(call.owner, roadmap_id, call.body, own_address(call.request))
    return Reply(made, headers={"Location": f"{quoted_path(call.request.scope['path'])}/{made.id}"})


def list_links(call: Call) -> LinkList:
    """Share links without their URLs."""
    return LinkList(items=share_links.list_links(call.owner, call.ids["roadmap_id"]))


def read_link(call: Call) -> share_links.LinkInfo:
    """A share link without its URL."""
    return share_links.read_link(call.owner, call.ids["roadmap_id"], call.ids["link_id"])


def revoke_link(call: Call) -> None:
    """The link stops working."""
    share_links.revoke_link(call.owner, call.ids["roadmap_id"], call.ids["link_id"])


def read_shared(call: Call) -> Document[share_links.SharedRoadmap]:
    """Plan and contents for anyone with the link. Nothing about the owner."""
    link = share_links.open_link(call.ids["token"], share_links.LinkPurpose.reading)
    source = DocumentSource(
        partial(share_links.tree_state, link), partial(share_links.shared_tree, link)
    )

    def write(tree: RoadmapTree) -> Document:
        return _unlisted(share_links.shared_roadmap(tree, share_links.completion_of(link)))

    return documents.look_up((link.roadmap_id, link.shows_completion), source, write)


def read_shared_concept(call: Call) -> Document[share_links.SharedConceptDetail]:
    """One concept with its contents for anyone with the link. A quiz has no answers."""
    link, concept_id = (
        share_links.open_link(call.ids["token"], share_links.LinkPurpose.reading),
        call.ids["concept_id"],
    )
    source = DocumentSource(
        partial(share_links.concept_state, link, concept_id),
        partial(share_links.shared_concept, link, concept_id),
    )
    return documents.look_up((link.roadmap_id, concept_id), source, _unlisted)


def copy_shared(call: Call[EmptyBody]) -> Reply[ImportedRoadmap]:
    """Create an own roadmap with the same plan and contents, starting today.

    Later changes of the shared roadmap do not affect it.
    """
    document = share_links.copy_of(
        call.owner, share_links.open_link(call.ids["token"], share_links.LinkPurpose.reading)
    )
    return imported_reply(import_document(call.owner, document, IN_SHARED))


def follow_calendar(call: Call) -> Response:
    """iCalendar feed for calendar subscriptions:

    the remaining concepts by today's schedule.
    """
    link = share_links.open_link(call.ids["token"], share_links.LinkPurpose.calendar)
    accepted, url = call.request.headers.get("accept-language", ""), own_address(call.request)
    source = Source(link.owner_id, link.roadmap_id, accepted, url)
    day_and_host = f"{source.today} {url}".encode()

    def read() -> Source:
        """Leave the goal out, by which a roadmap without a plan would be named."""
        source.tree = source.tree.model_copy(update={"goal": ""})
        return source

    calendar = documents.look_up(
        (link.roadmap_id, source.reader_language),
        DocumentSource(lambda: share_links.tree_state(link) + day_and_host, read),
        partial(file_of, CALENDAR),
    )
    headers = {**calendar.headers, **UNLISTED}
    return conditional_response(call.request, calendar, CALENDAR.media_type, headers)


def _unlisted(body: BaseModel) -> Document:
    return Document(body.model_dump_json().encode(), UNLISTED)


ENDPOINTS = (
    Endpoint("POST", ROADMAP + "/links", create_link, "Create a share link", status=201,
        raises=(Conflict,), has_secret=True),
    Endpoint("GET", ROADMAP + "/links", list_links, "List share links"),
    Endpoint("GET", ROADMAP + "/links/{link_id}", read_link, "Read a share link"),
    Endpoint("DELETE", ROADMAP + "/links/{link_id}", revoke_link, "Revoke a share link",
        status=204, current=read_link),
    Endpoint("GET", SHARED, read_shared, "Read a shared roadmap", public=True, raises=(Gone,)),
    Endpoint("GET", SHARED + "/concepts/{concept_id}", read_shared_concept,
        "Read a concept of a shared roadmap", public=True, raises=(Gone,)),
    CopyEndpoint("POST", SHARED + "/copy", copy_shared, "Copy a shared roadmap", status=201,
        raises=(Conflict, Gone)),
    Endpoint("GET", "/calendars/{token}/roadmap.ics", follow_calendar, "Read a calendar feed",
        public=True, media_type=CALENDAR.media_type, raises=(Gone,)),
)  # fmt: skip
