"""What is known of the addresses that resources name. Who looks at them is `link_checks.py`."""

import hashlib
from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

import peewee

from core import clock
from core.db import session, settings
from models.link_checks import CheckedLink, LinkUse
from models.roadmaps import Concept, Content, Roadmap
from roadmap.plan.statuses import ContentStatus, LinkState, RoadmapStatus
from roadmap.plan.views import CheckedResource

# As migration 0016 has indexed it: contents whose current version has addresses that are not among those to check.
UNNOTED = peewee.SQL(
    "kind = 'resources' AND version > 0 AND (links_noted IS NULL OR links_noted <> version)"
)


def digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def known(urls: Collection[str]) -> dict[str, CheckedLink]:
    """What was found at these addresses. Needs a session."""
    if not urls:
        return {}
    query = CheckedLink.select().where(CheckedLink.digest.in_([digest(url) for url in urls]))
    return {link.url: link for link in query}


def checked(items: Iterable[dict[str, Any]]) -> list[CheckedResource]:
    """Of resources as they are stored. Needs a session."""
    found = list(items)
    links = known({item["url"] for item in found})
    return [CheckedResource(**item, **_told(links.get(item["url"]))) for item in found]


def _told(link: CheckedLink | None) -> dict[str, Any]:
    return (
        {}
        if link is None
        else {"state": link.state, "checked_at": link.checked_at, "reason": link.reason}
    )


def dead_of(content_id: UUID) -> tuple[str, ...]:
    """Of the addresses that a part names those that are dead. Needs a session."""
    query = CheckedLink.select(CheckedLink.url).join(LinkUse).where(LinkUse.content == content_id)
    return tuple(
        url
        for (url,) in query.where(CheckedLink.state == LinkState.dead)
        .order_by(CheckedLink.url)
        .tuples()
    )


def replaceable() -> peewee.ModelSelect:
    """Uses of dead addresses in parts that may be written anew, and for which nothing was done yet. What is not in the plan any
    more, and a roadmap that was cancelled, is left as it is.
    """
    its = (
        (Content.id == LinkUse.content)
        & (Content.status == ContentStatus.ready)
        & (Content.links_noted == Content.version)
    )
    at_rest = (RoadmapStatus.ready, RoadmapStatus.partial, RoadmapStatus.building)
    of = (
        (Roadmap.id == Content.roadmap) & Roadmap.status.in_(at_rest) & Roadmap.trashed_at.is_null()
    )
    query: peewee.ModelSelect = LinkUse.select(LinkUse.content, Roadmap.id, Roadmap.owner).join(
        CheckedLink
    )
    query = query.join(Content, on=its).join(Roadmap, on=of)
    query = query.join(Concept, on=(Concept.id == Content.concept) & ~Concept.removed)
    return query.where(CheckedLink.state == LinkState.dead, LinkUse.replaced_at.is_null())


def is_anything_due() -> bool:
    """Whether there is something to do for `link_checks.py`; in one query, and without any when nothing is to be checked."""
    if not settings.link_check_days:
        return False
    with session():
        due = CheckedLink.select().where(CheckedLink.due_at <= clock.now()).exists()
        return bool(due or Content.select().where(UNNOTED).exists() or replaceable().exists())
