"""Share links: their owner's page, and the pages that readers of a link see."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from core.errors import Conflict, Invalid, NotFound
from roadmap.exchange import share_links, shared_view
from roadmap.exchange.importer import IN_SHARED
from roadmap.exchange.map.drawing import inlined
from roadmap.exchange.share_links import LinkPurpose, LinkRequest, NewLink, open_link
from roadmap.exchange.shared_view import SharedConceptDetail
from roadmap.lifecycle import queries
from roadmap.plan.views import ConceptNode, RoadmapTree, concepts_of
from web.call import Call
from web.http.host_and_csrf import own_address
from web.http.problems import status_of
from web.http.response_cache import DocumentSource
from web.http.responses import UNLISTED
from web.pages import error_messages
from web.pages.form_idempotency import create_once
from web.pages.forms import filled, see_other
from web.pages.labels import ROADMAP_LANGUAGES
from web.pages.lazy import tutorial_html
from web.pages.preferences import texts_of
from web.pages.templates import page, public_page
from web.roadmap_commands import import_document

LIVES = (7, 30, 365)  # days that are offered


@dataclass(frozen=True, slots=True)
class SharedPosition:
    """A concept on its way through a shared roadmap."""

    tree: RoadmapTree
    at: int

    @property
    def previous(self) -> ConceptNode | None:
        return concepts_of(self.tree)[self.at - 1] if self.at else None

    @property
    def next(self) -> ConceptNode | None:
        return next(iter(concepts_of(self.tree)[self.at + 1 :]), None)


def sharing_page(
    call: Call, *, error: Conflict | Invalid | None = None, made: NewLink | None = None
) -> Response:
    """Return the owner's page, with the URL of a link that was just `made`, this once."""
    summary = queries.summary(call.owner, call.ids["roadmap_id"])
    links = share_links.list_links(call.owner, call.ids["roadmap_id"])
    problem = error_messages.sentence(texts_of(call.request), error) if error else ""
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
        problems={call.body.text("purpose"): problem} if error else {},
    )


def create(call: Call) -> Response:
    try:
        request = filled(LinkRequest, call.body.given("purpose", "expires_in_days"))
        roadmap_id, origin = call.ids["roadmap_id"], own_address(call.request)
        made = share_links.create_link(call.owner, roadmap_id, request, origin)
    except (Conflict, Invalid) as error:
        return sharing_page(call, error=error)
    return sharing_page(call, made=made)


def revoke(call: Call) -> Response:
    share_links.revoke_link(call.owner, call.ids["roadmap_id"], call.ids["link_id"])
    return see_other(f"/roadmaps/{call.ids['roadmap_id']}/sharing")


def shared_page(call: Call) -> Response:
    token = call.ids["token"]
    link, path = open_link(token, LinkPurpose.reading), f"/shared/{token}"

    def context(tree: RoadmapTree) -> dict[str, Any]:
        svg = inlined(tree, lambda id_: f"{path}/concepts/{id_}", texts_of(call.request))
        return {"tree": tree, "path": path, "drawn": Markup(svg)}

    source = DocumentSource(
        partial(shared_view.tree_state, link), partial(shared_view.shared_tree, link)
    )
    return public_page(call.request, "shared.html", path, source, context, headers=UNLISTED)


def shared_concept_page(call: Call) -> Response:
    token, concept_id = call.ids["token"], call.ids["concept_id"]
    link, path = open_link(token, LinkPurpose.reading), f"/shared/{token}"

    def read() -> tuple[RoadmapTree, SharedConceptDetail]:
        return shared_view.shared_tree(link), shared_view.shared_concept(link, concept_id)

    def context(found: tuple[RoadmapTree, SharedConceptDetail]) -> dict[str, Any]:
        tree, concept = found
        ids = [each.id for each in concepts_of(tree)]
        if concept_id not in ids:
            raise NotFound("There is no such concept in this roadmap: it was taken out.")
        markdown = concept.tutorial
        return {
            "concept": concept,
            "tree": tree,
            "place": SharedPosition(tree, ids.index(concept_id)),
            "path": path,
            "prose": markdown and tutorial_html(markdown, texts_of(call.request)),
            "choices": ROADMAP_LANGUAGES,
        }

    source = DocumentSource(partial(shared_view.concept_state, link, concept_id), read)
    own_path = f"{path}/concepts/{concept_id}"
    return public_page(
        call.request, "shared_concept.html", own_path, source, context, headers=UNLISTED
    )


def copy(call: Call) -> Response:
    """Copy a shared roadmap and go to it; a visitor logs in first and comes back."""
    token: str = call.ids["token"]
    return create_once(
        call,
        token.encode(),
        lambda: shared_view.copy_of(call.owner, open_link(token, LinkPurpose.reading)),
        lambda document: import_document(call.owner, document, IN_SHARED),
    )
