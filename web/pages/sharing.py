"""Links to a roadmap: the page of its owner, and what others see who have one."""

import secrets
from dataclasses import dataclass
from uuid import UUID

from markupsafe import Markup
from starlette.responses import Response

from core.errors import Conflict, Invalid, NotFound
from core.texts import texts
from roadmap import reading, secret_links, sharing
from roadmap.outline import ContentKind
from roadmap.picture.drawing import inlined
from roadmap.reading import ConceptNode, RoadmapTree, concepts_of
from roadmap.secret_links import LinkPurpose, LinkRequest
from web.api.sharing import UNLISTED, copy_of, link_of, opened, take_copy_in
from web.endpoint import Call
from web.errors import status_of
from web.pages import problems
from web.pages.look import language_of
from web.pages.on_demand import prose
from web.pages.once import made_once
from web.pages.page import filled, see_other
from web.pages.rendering import page
from web.pages.start import CHOICES

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
        secret_links.create_link(call.owner, call.ids["roadmap_id"], request)
    except (Conflict, Invalid) as error:
        return _page(call, error=error)
    return see_other(f"/roadmaps/{call.ids['roadmap_id']}/sharing")


def revoke(call: Call) -> Response:
    secret_links.revoke_link(call.owner, call.ids["roadmap_id"], call.ids["link_id"])
    return see_other(f"/roadmaps/{call.ids['roadmap_id']}/sharing")


def show_shared(call: Call) -> Response:
    tree = sharing.shared_tree(opened(call))
    path = f"/shared/{call.ids['token']}"
    words = texts(language_of(call.request))
    drawn = Markup(inlined(tree, lambda concept_id: f"{path}/concepts/{concept_id}", words))
    return page(call.request, "shared.html", headers=UNLISTED, tree=tree, path=path, drawn=drawn, form=secrets.token_urlsafe(16))


def show_shared_concept(call: Call) -> Response:
    link = opened(call)
    concept = sharing.shared_concept(link, call.ids["concept_id"])
    tree = sharing.shared_tree(link)
    at = next((number for number, each in enumerate(concepts_of(tree)) if each.id == concept.id), None)
    if at is None:
        raise NotFound("There is no such concept in this roadmap: it was taken out at this moment.")
    words = texts(language_of(call.request))
    tutorial = concept.tutorial and prose(concept.tutorial, code_label=words.gettext("Code"), table_label=words.gettext("Table"))
    return page(
        call.request,
        "shared_concept.html",
        headers=UNLISTED,
        concept=concept,
        tree=tree,
        place=Place(tree, at),
        path=f"/shared/{call.ids['token']}",
        tutorial=tutorial,
        kinds=list(ContentKind),
        choices=CHOICES,
        form=secrets.token_urlsafe(16),
    )


def copy(call: Call) -> Response:
    """To the new roadmap. Whoever is not logged in does that first, and comes back."""
    return made_once(call, call.ids["token"].encode(), lambda: copy_of(call), lambda document: take_copy_in(call, document))


def _page(call: Call, *, error: Conflict | Invalid | None = None) -> Response:
    roadmap_id: UUID = call.ids["roadmap_id"]
    summary = reading.summary(call.owner, roadmap_id)
    links = [link_of(call.request, each) for each in secret_links.list_links(call.owner, roadmap_id)]
    words = texts(language_of(call.request))
    purpose = call.body.text("purpose") if error is not None else ""
    return page(
        call.request,
        "sharing.html",
        status=status_of(error) if error else 200,
        holds_secret=True,
        roadmap=summary,
        groups={purpose: [link for link in links if link.purpose == purpose] for purpose in LinkPurpose},
        lives=LIVES,
        most=secret_links.MOST,
        is_full=len(links) >= secret_links.MOST,
        problems={purpose: problems.said(words, error)} if error else {},
    )
