"""Share links: their owner's page, and the pages that readers of a link see."""

from functools import partial
from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from core.errors import Conflict, Invalid, required
from roadmap.exchange import share_links
from roadmap.exchange.importer import IN_SHARED
from roadmap.exchange.map.drawing import inlined
from roadmap.lifecycle.reading import queries
from roadmap.plan.views import RoadmapTree, concepts_of
from web.http.host_and_csrf import own_address
from web.http.response_cache import DocumentSource
from web.http.responses import UNLISTED
from web.pages.error_messages import form_page
from web.pages.forms import create_once, filled, see_other
from web.pages.labels import ROADMAP_LANGUAGES
from web.pages.lazy import tutorial_html
from web.pages.page_route import PAGE, PageCall, PageRoute
from web.pages.templates import public_page, texts_of
from web.roadmaps.roadmap_commands import import_document

SHARED_PAGE = "/shared/{token}"

LIVES = (7, 30, 365)  # days that are offered


def sharing_page(
    call: PageCall,
    *,
    error: Conflict | Invalid | None = None,
    made: share_links.NewLink | None = None,
) -> Response:
    """Return the owner's page, with the URL of a link that was just `made`, this once."""
    links = share_links.list_links(call.owner, call.ids["roadmap_id"])
    return form_page(
        call.request,
        "sharing.html",
        error,
        holds_secret=made is not None,
        roadmap=queries.summary(call.owner, call.ids["roadmap_id"]),
        made=made,
        groups={
            purpose: [link for link in links if link.purpose == purpose]
            for purpose in share_links.LinkPurpose
        },
        lives=LIVES,
        most=share_links.MOST,
        is_full=len(links) >= share_links.MOST,
        wrong=call.body.text("purpose") if error else "",
    )


def create(call: PageCall) -> Response:
    try:
        request = filled(
            share_links.LinkRequest,
            call.body.given("purpose", "expires_in_days", "shows_completion"),
        )
        place = (call.owner, call.ids["roadmap_id"])
        made = share_links.create_link(*place, request, own_address(call.request))
    except (Conflict, Invalid) as error:
        return sharing_page(call, error=error)
    return sharing_page(call, made=made)


def revoke(call: PageCall) -> Response:
    share_links.revoke_link(call.owner, call.ids["roadmap_id"], call.ids["link_id"])
    return see_other(f"/roadmaps/{call.ids['roadmap_id']}/sharing")


def shared_page(call: PageCall) -> Response:
    token = call.ids["token"]
    link, path = share_links.open_link(token, share_links.LinkPurpose.reading), f"/shared/{token}"

    def context(tree: RoadmapTree) -> dict[str, Any]:
        svg = inlined(
            tree,
            lambda id_: f"{path}/concepts/{id_}",
            texts_of(call.request),
            has_progress=False,
        )
        completion = share_links.completion_of(link)
        return {"tree": tree, "path": path, "drawn": Markup(svg), "completion": completion}

    source = DocumentSource(
        partial(share_links.tree_state, link), partial(share_links.shared_tree, link)
    )
    return public_page(call.request, "shared.html", path, source, context, headers=UNLISTED)


def shared_concept_page(call: PageCall) -> Response:
    token, concept_id = call.ids["token"], call.ids["concept_id"]
    link, path = share_links.open_link(token, share_links.LinkPurpose.reading), f"/shared/{token}"

    def read() -> tuple[RoadmapTree, share_links.SharedConceptDetail]:
        return share_links.shared_tree(link), share_links.shared_concept(link, concept_id)

    def context(found: tuple[RoadmapTree, share_links.SharedConceptDetail]) -> dict[str, Any]:
        tree, concept = found
        concepts, markdown = concepts_of(tree), concept.tutorial
        at = required(
            next((number for number, each in enumerate(concepts) if each.id == concept_id), None),
            "This concept does not exist in this roadmap: it was removed.",
        )
        return {
            "concept": concept,
            "tree": tree,
            "previous": concepts[at - 1] if at else None,
            "following": next(iter(concepts[at + 1 :]), None),
            "path": path,
            "prose": markdown and tutorial_html(markdown, texts_of(call.request)),
            "choices": ROADMAP_LANGUAGES,
        }

    source = DocumentSource(partial(share_links.concept_state, link, concept_id), read)
    own_path = f"{path}/concepts/{concept_id}"
    return public_page(
        call.request, "shared_concept.html", own_path, source, context, headers=UNLISTED
    )


def copy(call: PageCall) -> Response:
    """Copy a shared roadmap and go to it; a visitor logs in first and comes back."""
    token: str = call.ids["token"]
    return create_once(
        call,
        token.encode(),
        lambda: share_links.copy_of(
            call.owner, share_links.open_link(token, share_links.LinkPurpose.reading)
        ),
        lambda document: import_document(call.owner, document, IN_SHARED),
    )


PAGES = (
    PageRoute("GET", PAGE + "/sharing", sharing_page),
    PageRoute("POST", PAGE + "/sharing", create, has_secret=True),
    PageRoute("POST", PAGE + "/sharing/{link_id}/revoke", revoke),
    PageRoute("GET", SHARED_PAGE, shared_page, public=True),
    PageRoute("POST", SHARED_PAGE + "/copy", copy),
    PageRoute("GET", SHARED_PAGE + "/concepts/{concept_id}", shared_concept_page, public=True),
)
