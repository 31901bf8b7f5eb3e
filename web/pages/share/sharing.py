"""Links to a roadmap: the page of its owner, and what others see who have one."""

from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from markupsafe import Markup
from starlette.responses import Response

from core.errors import Conflict, Invalid, NotFound
from core.i18n import texts
from roadmap.exchange import share_links, shared_view
from roadmap.exchange.importer import IN_SHARED
from roadmap.exchange.map.drawing import inlined
from roadmap.exchange.share_links import LinkPurpose, LinkRequest, NewLink, opened
from roadmap.exchange.shared_view import SharedConceptDetail
from roadmap.lifecycle import queries
from roadmap.plan.outline import ContentKind
from roadmap.plan.views import ConceptNode, RoadmapTree, concepts_of
from web.call import Call
from web.commands import import_document
from web.http.host_and_csrf import own_address
from web.http.problems import status_of
from web.http.response_cache import DocumentSource
from web.http.responses import UNLISTED
from web.pages import error_messages
from web.pages.form_idempotency import made_once
from web.pages.forms import filled, see_other
from web.pages.lazy import prose
from web.pages.learn.home import CHOICES
from web.pages.preferences import language_of
from web.pages.templates import page, public_page

LIVES = (7, 30, 365)  # days that are offered


@dataclass(frozen=True, slots=True)
class Place:
    """A concept on its way through a shared roadmap."""

    tree: RoadmapTree
    at: int

    @property
    def previous(self) -> ConceptNode | None:
        return concepts_of(self.tree)[self.at - 1] if self.at else None

    @property
    def next(self) -> ConceptNode | None:
        return next(iter(concepts_of(self.tree)[self.at + 1 :]), None)


def show(call: Call) -> Response:
    return _page(call)


def create(call: Call) -> Response:
    try:
        request = filled(LinkRequest, call.body.given("purpose", "expires_in_days"))
        roadmap_id, origin = call.ids["roadmap_id"], own_address(call.request)
        made = share_links.create_link(call.owner, roadmap_id, request, origin)
    except (Conflict, Invalid) as error:
        return _page(call, error=error)
    return _page(call, made=made)


def revoke(call: Call) -> Response:
    share_links.revoke_link(call.owner, call.ids["roadmap_id"], call.ids["link_id"])
    return see_other(f"/roadmaps/{call.ids['roadmap_id']}/sharing")


def show_shared(call: Call) -> Response:
    token = call.ids["token"]
    link, path = opened(token, LinkPurpose.reading), f"/shared/{token}"
    words = texts(language_of(call.request))

    def context(tree: RoadmapTree) -> dict[str, Any]:
        drawn = Markup(inlined(tree, lambda concept_id: f"{path}/concepts/{concept_id}", words))
        return {"tree": tree, "path": path, "drawn": drawn}

    source = DocumentSource(
        partial(shared_view.tree_state, link), partial(shared_view.shared_tree, link)
    )
    return public_page(call.request, "shared.html", path, source, context, headers=UNLISTED)


def show_shared_concept(call: Call) -> Response:
    token, concept_id = call.ids["token"], call.ids["concept_id"]
    link, path = opened(token, LinkPurpose.reading), f"/shared/{token}"
    words = texts(language_of(call.request))

    def read() -> tuple[RoadmapTree, SharedConceptDetail]:
        return shared_view.shared_tree(link), shared_view.shared_concept(link, concept_id)

    def context(found: tuple[RoadmapTree, SharedConceptDetail]) -> dict[str, Any]:
        tree, concept = found
        at = next(
            (number for number, each in enumerate(concepts_of(tree)) if each.id == concept_id), None
        )
        if at is None:
            raise NotFound("There is no such concept in this roadmap: it was taken out.")
        code, table = words.gettext("Code"), words.gettext("Table")
        return {
            "concept": concept,
            "tree": tree,
            "place": Place(tree, at),
            "path": path,
            "tutorial": concept.tutorial
            and prose(concept.tutorial, code_label=code, table_label=table),
            "kinds": list(ContentKind),
            "choices": CHOICES,
        }

    source, own_path = (
        DocumentSource(partial(shared_view.concept_state, link, concept_id), read),
        f"{path}/concepts/{concept_id}",
    )
    return public_page(
        call.request, "shared_concept.html", own_path, source, context, headers=UNLISTED
    )


def copy(call: Call) -> Response:
    """To the new roadmap. Whoever is not logged in does that first, and comes back."""
    token: str = call.ids["token"]
    return made_once(
        call,
        token.encode(),
        lambda: shared_view.copy_of(call.owner, opened(token, LinkPurpose.reading)),
        lambda document: import_document(call.owner, document, IN_SHARED),
    )


def _page(
    call: Call,
    *,
    error: Conflict | Invalid | None = None,
    made: NewLink | None = None,
) -> Response:
    """With the address of what was `made`, this once."""
    roadmap_id: UUID = call.ids["roadmap_id"]
    summary = queries.summary(call.owner, roadmap_id)
    links = share_links.list_links(call.owner, roadmap_id)
    words = texts(language_of(call.request))
    purpose = call.body.text("purpose") if error is not None else ""
    return page(
        call.request,
        "sharing.html",
        status=status_of(error) if error else 200,
        holds_secret=made is not None,
        roadmap=summary,
        made=made,
        groups={
            purpose: [link for link in links if link.purpose == purpose] for purpose in LinkPurpose
        },
        lives=LIVES,
        most=share_links.MOST,
        is_full=len(links) >= share_links.MOST,
        problems={purpose: error_messages.said(words, error)} if error else {},
    )
