"""Status of resource URLs, as found by `link_checker.py`."""

import hashlib
from collections.abc import Collection
from uuid import UUID

import peewee

from core import clock
from core.db import session, settings
from models.roadmaps import UNNOTED, CheckedLink, Concept, Content, ContentVersion, LinkUse, Roadmap
from roadmap.generation.context import BUILT_IN
from roadmap.plan.statuses import ContentStatus, LinkState, RoadmapStatus
from roadmap.plan.views import CheckedResource


def digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def known(urls: Collection[str]) -> dict[str, CheckedLink]:
    """Return the checked links of these URLs. Needs a session."""
    digests = [digest(url) for url in urls]
    query = CheckedLink.select().where(CheckedLink.digest.in_(digests))
    return {link.url: link for link in query} if digests else {}


def checked(version: ContentVersion) -> list[CheckedResource]:
    """Return the resources of a version with the status of their links. Needs a session."""
    items = version.body["items"]
    found, by_model = known({item["url"] for item in items}), version.generator != BUILT_IN
    status_of = {
        url: {"state": link.state, "checked_at": link.checked_at, "reason": link.reason}
        for url, link in found.items()
    }
    shown = [CheckedResource(**item, **status_of.get(item["url"], {})) for item in items]
    return [
        each.model_copy(update={"unverified": True})
        if by_model and not each.searched and each.checked_at is None
        else each
        for each in shown
    ]


def dead_of(content_id: UUID) -> tuple[str, ...]:
    """Return the dead URLs of a part. Needs a session."""
    return tuple(
        url
        for (url,) in CheckedLink.select(CheckedLink.url)
        .join(LinkUse)
        .where((LinkUse.content == content_id) & (CheckedLink.state == LinkState.dead))
        .order_by(CheckedLink.url)
        .tuples()
    )


def replaceable() -> peewee.ModelSelect:
    """Select uses of dead URLs that may be replaced and were not replaced yet.

    Removed concepts and cancelled roadmaps are left as they are.
    """
    query: peewee.ModelSelect = (
        LinkUse.select(LinkUse.content, Roadmap.id, Roadmap.owner)
        .join(CheckedLink)
        .join(Content, on=Content.id == LinkUse.content)
        .join(Concept, on=Concept.id == Content.concept)
        .join(Roadmap, on=Roadmap.id == Content.roadmap)
        .where(
            CheckedLink.state == LinkState.dead,
            LinkUse.replaced_at.is_null(),
            Content.status == ContentStatus.ready,
            Content.links_noted == Content.version,
            ~Concept.removed,
            Roadmap.trashed_at.is_null(),
            Roadmap.status.in_(
                (RoadmapStatus.ready, RoadmapStatus.partial, RoadmapStatus.building)
            ),
        )
    )
    return query


def is_anything_due() -> bool:
    """Return whether `link_checker.py` has work to do.

    No query at all when checks are switched off.
    """
    if not settings.link_check_days:
        return False
    with session():
        due = CheckedLink.select().where(CheckedLink.due_at <= clock.now()).exists()
        return bool(due or Content.select().where(UNNOTED).exists() or replaceable().exists())
