"""Status of resource URLs, as found by `link_checker.py`."""

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

# Contents whose current version has URLs that are not registered yet; an index of migration 0016.
UNNOTED = peewee.SQL(
    "kind = 'resources' AND version > 0 AND (links_noted IS NULL OR links_noted <> version)"
)


def digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def known(urls: Collection[str]) -> dict[str, CheckedLink]:
    """Return the checked links of these URLs. Needs a session."""
    if not urls:
        return {}
    return {
        link.url: link
        for link in CheckedLink.select().where(
            CheckedLink.digest.in_([digest(url) for url in urls])
        )
    }


def checked(items: Iterable[dict[str, Any]]) -> list[CheckedResource]:
    """Add their status to stored resources. Needs a session."""
    found = list(items)
    status_of = {
        url: {"state": link.state, "checked_at": link.checked_at, "reason": link.reason}
        for url, link in known({item["url"] for item in found}).items()
    }
    return [CheckedResource(**item, **status_of.get(item["url"], {})) for item in found]


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
    its = (
        (Content.id == LinkUse.content)
        & (Content.status == ContentStatus.ready)
        & (Content.links_noted == Content.version)
    )
    of = (
        (Roadmap.id == Content.roadmap)
        & Roadmap.status.in_((RoadmapStatus.ready, RoadmapStatus.partial, RoadmapStatus.building))
        & Roadmap.trashed_at.is_null()
    )
    in_plan = (Concept.id == Content.concept) & ~Concept.removed
    query: peewee.ModelSelect = LinkUse.select(LinkUse.content, Roadmap.id, Roadmap.owner)
    query = query.join(CheckedLink).join(Content, on=its).join(Roadmap, on=of)
    query = query.join(Concept, on=in_plan)
    return query.where(CheckedLink.state == LinkState.dead, LinkUse.replaced_at.is_null())


def is_anything_due() -> bool:
    """Return whether `link_checker.py` has work to do.

    No query at all when checks are switched off.
    """
    if not settings.link_check_days:
        return False
    with session():
        due = CheckedLink.select().where(CheckedLink.due_at <= clock.now()).exists()
        return bool(due or Content.select().where(UNNOTED).exists() or replaceable().exists())
