"""Links that open a roadmap to others, and what they open."""

from functools import partial

from pydantic import BaseModel
from starlette.responses import Response

from core.texts import negotiated
from roadmap import reading, secret_links, sharing
from roadmap.importing import IN_SHARED
from roadmap.reading import RoadmapTree
from roadmap.secret_links import LinkInfo, LinkPurpose, opened
from web.accepting import take_in
from web.answering import UNLISTED, Document, Reply
from web.api.exporting import calendar_file, sent_calendar, today
from web.api.importing import made
from web.endpoint import Call, Endpoint
from web.origins import own_address
from web.remembering import Remembered, Source
from web.urls import quoted_path

documents = Remembered()


class CopyEndpoint(Endpoint):
    """Endpoint whose handler reads in REPEATABLE READ, also with a key."""

    reads_one_moment = True


class LinkList(BaseModel):
    """The newest first, also those that have expired."""

    items: list[LinkInfo]


def create_link(call: Call) -> Reply:
    """A new one each time. Whoever has it sees the plan and what is written, now and later, until
    it is revoked or expires; of its owner they see nothing. `url` is told this once: when it is
    lost, make another link and revoke this one.
    """
    roadmap_id = call.ids["roadmap_id"]
    made = secret_links.create_link(call.owner, roadmap_id, call.body, own_address(call.request))
    return Reply(made, headers={"Location": f"{quoted_path(call.request.scope['path'])}/{made.id}"})


def list_links(call: Call) -> LinkList:
    """Without their addresses."""
    return LinkList(items=secret_links.list_links(call.owner, call.ids["roadmap_id"]))


def read_link(call: Call) -> LinkInfo:
    """Without its address."""
    return secret_links.read_link(call.owner, call.ids["roadmap_id"], call.ids["link_id"])


def revoke_link(call: Call) -> None:
    """It opens nothing from then on."""
    secret_links.revoke_link(call.owner, call.ids["roadmap_id"], call.ids["link_id"])


def read_shared(call: Call) -> Document:
    """For whoever has the link: the plan and what of it is written, and nothing of its owner."""
    link = opened(call.ids["token"], LinkPurpose.reading)
    source = Source(partial(sharing.tree_state, link), partial(sharing.shared_tree, link))
    return documents.look_up(
        link.roadmap_id, source, lambda tree: _unlisted(sharing.shared_roadmap(tree))
    )


def read_shared_concept(call: Call) -> Document:
    """For whoever has the link: one concept with all that is written of it; its quiz without answers."""
    link, concept_id = opened(call.ids["token"], LinkPurpose.reading), call.ids["concept_id"]
    source = Source(
        partial(sharing.concept_state, link, concept_id),
        partial(sharing.shared_concept, link, concept_id),
    )
    return documents.look_up((link.roadmap_id, concept_id), source, _unlisted)


def copy_shared(call: Call) -> Reply:
    """A roadmap of your own with the same plan and everything that is written of it, to be begun today. It goes its own way from
    then on: what becomes of the shared one does not change it.
    """
    link = opened(call.ids["token"], LinkPurpose.reading)
    return made(take_in(call.owner, sharing.copy_of(call.owner, link), IN_SHARED))


def follow_calendar(call: Call) -> Response:
    """iCalendar, for calendars that look again by themselves: what is left, on the days of the plan as it is today."""
    link, day = opened(call.ids["token"], LinkPurpose.calendar), today()
    day_and_host = f"{day} {own_address(call.request)}".encode()
    key = (link.roadmap_id, negotiated(call.request.headers.get("accept-language", "")))
    source = Source(
        lambda: sharing.tree_state(link) + day_and_host,
        lambda: reading.roadmap_tree(link.owner_id, link.roadmap_id),
    )

    def write(tree: RoadmapTree) -> Document:
        """While it has no plan it would be called what its owner wants to be able to do: nobody else is told."""
        return calendar_file(call, tree.model_copy(update={"goal": ""}), day)

    response = sent_calendar(call, documents.look_up(key, source, write))
    response.headers.update(UNLISTED)
    return response


def _unlisted(body: BaseModel) -> Document:
    return Document(body.model_dump_json().encode(), UNLISTED)
