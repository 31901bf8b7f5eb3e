"""Share links: anyone who has one can read a roadmap, or its plan as a calendar, until it ends.

A link can be revoked, and may expire. Its only secret is its token, which is shown once; the row
has a hash of it, so that no key is needed. Versions before 0.2.0 signed ids instead: the API stores
hashes of these tokens when it starts.
"""

import hashlib
import hmac
import itertools
import math
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import peewee
from itsdangerous import Signer
from pydantic import Field

from core import clock
from core.backends import signing_keys
from core.db import lock_for_update, session, settings, transaction
from core.errors import Conflict, Gone, NotFound, required
from core.ids import new_id
from core.json_types import WHOLE, LazyModel, from_row
from models.accounts import Account
from models.roadmaps import Roadmap, ShareLink
from roadmap.accounts.access import get_owned, lock_owned
from roadmap.exchange.formats.json_ import PortableRoadmap, portable
from roadmap.learning import endings
from roadmap.learning.endings import Completion
from roadmap.learning.progress import read_profile
from roadmap.lifecycle.reading import queries
from roadmap.plan.outline import ContentKind, Level, is_none
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import ConceptProgress, ContentStatus, Progress, RoadmapStatus
from roadmap.plan.views import (
    DETAILS,
    LONG_AGO,
    ConceptNode,
    ContentState,
    Learned,
    ModuleNode,
    RoadmapTree,
    StageNode,
    concepts_of,
    with_kinds,
)

MOST = 20  # of a roadmap
LONGEST_LIFE = 3650  # days
# An id, and 256 random bits or a signature.
TOKEN = re.compile(r"([0-9a-f]{32})\.[A-Za-z0-9_-]{43}")
SIGNED = "signed"  # prefix of the hashes of a link that a version before 0.2.0 has signed
COMPLETION = (
    "Of a link for reading: whether it shows, once the roadmap is completed, its dates, hours, "
    "numbers of concepts and outcomes."
)
NO_LINK = "This link does not exist for this roadmap."
NOT_COPIED = "This link does not exist. Check that you have copied all of it."
ROWS = 500  # of one transaction that stores hashes


class LinkPurpose(StrEnum):
    """Purpose of a share link."""

    reading = "reading"
    calendar = "calendar"


PLACES = {
    LinkPurpose.reading: "/shared/{token}",
    LinkPurpose.calendar: "/calendars/{token}/roadmap.ics",
}


class LinkRequest(LazyModel, frozen=True, extra="forbid"):
    """Purpose and lifetime of a share link."""

    purpose: LinkPurpose = Field(
        description="`reading`: plan and contents without personal data. `calendar`: the schedule."
    )
    expires_in_days: Annotated[int, Field(ge=1, le=LONGEST_LIFE), WHOLE] | None = Field(
        None, description="Days until it expires; null: never."
    )
    shows_completion: bool = Field(False, description=COMPLETION)


class LinkInfo(LazyModel):
    id: UUID = Field(description="ID of the link; its URL contains it without hyphens.")
    purpose: LinkPurpose = Field(description="Purpose of the link.")
    created_at: datetime
    expires_at: datetime | None = Field(description="Expiry time; null: valid until revoked.")
    shows_completion: bool = Field(False, description=COMPLETION)

    @property
    def is_over(self) -> bool:
        return self.expires_at is not None and self.expires_at <= clock.now()


class NewLink(LinkInfo):
    """A new share link.

    `url` is only returned here. Anyone who has it can use it.
    """

    url: str = Field(description="URL of the link; only returned here.")


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """The roadmap that a link opens, and its owner."""

    owner_id: UUID
    roadmap_id: UUID
    shows_completion: bool


def create_link(owner_id: UUID, roadmap_id: UUID, request: LinkRequest, origin: str) -> NewLink:
    """Return a new link with its address, below the origin of this service.

    Raises NotFound, and Conflict when there are too many.
    """
    now, days = clock.now(), request.expires_in_days
    link = LinkInfo(
        id=new_id(),
        purpose=request.purpose,
        created_at=now,
        expires_at=None if days is None else now + timedelta(days=days),
        shows_completion=request.shows_completion,
    )
    token = f"{link.id.hex}.{secrets.token_urlsafe(32)}"
    with transaction():
        lock_owned(owner_id, roadmap_id)  # two requests at once could exceed the limit
        if ShareLink.select().where(ShareLink.roadmap == roadmap_id).count() >= MOST:
            raise Conflict(f"The maximum of {MOST} links per roadmap is reached. Revoke one first.")
        row = {**link.model_dump(), "roadmap": roadmap_id, "token_hashes": _hash(token)}
        ShareLink.insert(**row).execute()
    url = origin + PLACES[link.purpose].format(token=token)
    return NewLink(**link.model_dump(), url=url)


@session()
def list_links(owner_id: UUID, roadmap_id: UUID) -> list[LinkInfo]:
    """Return all links, the newest first, with expired ones. Raises NotFound."""
    get_owned(owner_id, roadmap_id)
    rows = list(
        ShareLink.select()
        .where(ShareLink.roadmap == roadmap_id)
        .order_by(ShareLink.id.desc())
        .limit(MOST)
    )
    return [from_row(LinkInfo, row) for row in rows]


@session()
def read_link(owner_id: UUID, roadmap_id: UUID, link_id: UUID) -> LinkInfo:
    """Return a link. Raises NotFound."""
    get_owned(owner_id, roadmap_id)
    is_it = (ShareLink.id == link_id, ShareLink.roadmap == roadmap_id)
    return from_row(LinkInfo, required(ShareLink.get_or_none(*is_it), NO_LINK))


@transaction()
def revoke_link(owner_id: UUID, roadmap_id: UUID, link_id: UUID) -> None:
    """Delete a link. Raises NotFound."""
    get_owned(owner_id, roadmap_id)
    is_it = (ShareLink.id == link_id) & (ShareLink.roadmap == roadmap_id)
    required(ShareLink.delete().where(is_it).execute() or None, NO_LINK)


def open_link(token: str, purpose: LinkPurpose) -> OpenedLink:
    """Return the roadmap that a token opens for this purpose. Raises NotFound, Gone."""
    shape = required(TOKEN.fullmatch(token), NOT_COPIED)
    link_id = UUID(shape[1])
    columns = (
        *(ShareLink.purpose, ShareLink.token_hashes, ShareLink.expires_at),
        ShareLink.shows_completion,
    )
    over = Roadmap.trashed_at.is_null(False) | Account.disabled_at.is_null(False)
    query = ShareLink.select(*columns, Roadmap.owner, Roadmap.id, over).join(Roadmap).join(Account)
    with session():
        row = query.where(ShareLink.id == link_id).tuples().first()
    if row is None:
        raise Gone(
            "This link was revoked, or its roadmap was deleted. Ask the owner for a new link."
        )
    its_purpose, stored, expires_at, shows_completion, owner_id, roadmap_id, is_over = row
    hashes = _hashes(link_id, its_purpose, stored)
    is_known = any(hmac.compare_digest(_hash(token), each) for each in hashes)
    if its_purpose != purpose or not is_known:
        raise NotFound(NOT_COPIED)
    if is_over:
        raise Gone(
            "This link was revoked, or its roadmap was deleted. Ask the owner for a new link."
        )
    if expires_at is not None and expires_at <= clock.now():
        raise Gone("This link has expired. Ask the owner for a new one.")
    return OpenedLink(owner_id, roadmap_id, shows_completion)


def store_hashes() -> None:
    """Store hashes of signed tokens by the keys of this start, so that links outlive the keys."""
    after = UUID(int=0)
    signed = ShareLink.token_hashes.is_null() | ShareLink.token_hashes.startswith(SIGNED)
    query = ShareLink.select().where(signed).order_by(ShareLink.id).limit(ROWS)
    while True:
        with transaction():
            rows = list(lock_for_update(query.where(ShareLink.id > after)))
            changed = []
            for row in rows:
                stored = " ".join([SIGNED, *_hashes(row.id, row.purpose, row.token_hashes)])
                if stored != row.token_hashes:
                    changed.append((ShareLink.id == row.id, stored))
            if changed:
                ids = [row.id for row in rows]
                values = peewee.Case(None, changed, ShareLink.token_hashes)
                ShareLink.update(token_hashes=values).where(ShareLink.id.in_(ids)).execute()
        if len(rows) < ROWS:
            return
        after = rows[-1].id


def _hashes(link_id: UUID, purpose: str, stored: str | None) -> list[str]:
    """Return hashes of the tokens of a link: the stored one, or those signed with each key."""
    if stored is not None and not stored.startswith(SIGNED):
        return [stored]
    options: dict[str, Any] = {"salt": f"roadmap.{purpose}", "digest_method": hashlib.sha256}
    signers = [Signer(key, **options) for key in signing_keys(settings)]
    known = (stored or "").split()[1:]
    return list(
        dict.fromkeys([*known, *(_hash(signer.sign(link_id.hex).decode()) for signer in signers)])
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


NIL_UUID = UUID(int=0)
WRITTEN = ContentState.model_construct(status=ContentStatus.ready, version=1, error="")
UNWRITTEN = ContentState.model_construct(status=ContentStatus.pending, version=0, error="")
FACTS = ("id", "title", "description", "hours", "difficulty", "prerequisites", "outcomes")


class SharedNode(LazyModel):
    id: UUID
    title: str = Field(description="Title.")
    description: str = Field(description="Description.")


class SharedConcept(SharedNode):
    hours: int = Field(description="Hours of study.")
    difficulty: int = Field(description="Difficulty from 1 (easy) to 5 (hard).")
    prerequisites: list[UUID] = Field(description="IDs of the prerequisites.")
    outcomes: list[str] = Field(description="Learning outcomes.")
    written: list[ContentKind] = Field(description="Parts that are ready.")


class SharedModule(SharedNode):
    concepts: list[SharedConcept] = Field(description="In the order of learning.")


class SharedStage(SharedNode):
    modules: list[SharedModule] = Field(description="In the order of learning.")


class SharedRoadmap(LazyModel):
    """A roadmap as seen through a share link."""

    title: str = Field(description="Title; empty: no plan yet.")
    language: str = Field(description="Language, as a BCP 47 tag.")
    level: Level = Field(description="Level of the learner.")
    hours: int = Field(description="Hours of all concepts.")
    stages: list[SharedStage] = Field(description="The plan; empty: none yet.")
    completion: Completion | None = Field(
        None,
        description="What the owner completed, if the link shows it; left out: nothing is shown.",
        exclude_if=is_none,
    )


class SharedLesson(SharedConcept):
    tutorial: str | None = Field(description="Markdown without HTML.")
    tutorial_language: str | None = Field(
        description="Language as a BCP 47 tag, if different from that of the roadmap."
    )


# Shown to others as to the owner.
OTHERS = {kind: each for kind, each in DETAILS.items() if kind is not ContentKind.tutorial}


class SharedConceptDetail(with_kinds(SharedLesson, OTHERS, "shared")):  # type: ignore[misc]
    """A shared concept with its contents; null for parts that are not ready."""


def copy_of(owner_id: UUID, link: OpenedLink) -> PortableRoadmap:
    """Return the shared roadmap as a document, with the hours a week of its new owner.

    Raises NotFound, and Conflict when there is no plan.
    """
    document = portable(link.owner_id, link.roadmap_id, with_learner=False)
    if (hours := read_profile(owner_id).hours_per_week) is not None:
        request = document.request.model_copy(update={"hours_per_week": hours})
        document = document.model_copy(update={"request": request})
    return document


def shared_tree(link: OpenedLink) -> RoadmapTree:
    """Return the roadmap as for a person who has just begun it. Raises NotFound."""
    return for_others(queries.roadmap_tree(link.owner_id, link.roadmap_id))


def completion_of(link: OpenedLink) -> Completion | None:
    """Return what the owner completed, if the link shows it. Raises NotFound."""
    if not link.shows_completion:
        return None
    found = endings.completion_of(queries.roadmap_tree(link.owner_id, link.roadmap_id))
    return found if found.ended_on else None


def tree_state(link: OpenedLink) -> bytes:
    """Return a value that changes whenever `shared_tree` does. Raises NotFound."""
    return queries.tree_state(link.owner_id, link.roadmap_id)


@session()
def concept_state(link: OpenedLink, concept_id: UUID) -> bytes:
    """Return a value that changes whenever `shared_concept` does. Raises NotFound.

    That is when the roadmap or the link check of a resource changes.
    """
    return tree_state(link) + repr(queries.resources_of(link.roadmap_id, concept_id)).encode()


def for_others(tree: RoadmapTree) -> RoadmapTree:
    """Copy a tree without its owner, field by field: fields not named here stay secret.

    Weeks are those of the default hours a week, not of the owner's.
    """
    pace: int = RoadmapRequest.model_fields["hours_per_week"].default
    known = concepts_of(tree)
    spent = itertools.accumulate((concept.hours for concept in known), initial=0)
    week_of = {concept.id: hours // pace + 1 for concept, hours in zip(known, spent, strict=False)}
    return RoadmapTree(
        id=NIL_UUID,
        **dict.fromkeys(("goal", "error", "generator"), ""),
        spent=Decimal(0),
        revision=0,
        over_budget=False,
        review=False,
        remarks=[],
        **dict.fromkeys(("resource_language", "analysis", "estimate", "deadline", "finished_at")),
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
        begins_on=LONG_AGO.date(),
        title=tree.title,
        status=RoadmapStatus.ready,
        language=tree.language,
        level=tree.level,
        hours_per_week=pace,
        hours=tree.hours,
        weeks=math.ceil(tree.hours / pace),
        progress=Progress(ready=0, failed=0, total=0),
        learned=Learned(done=0, skipped=0, learning=0, total=len(known), hours_done=0),
        stages=[
            StageNode(
                **_node(stage),
                modules=[
                    ModuleNode(
                        **_node(module),
                        concepts=[_not_begun(each, week_of[each.id]) for each in module.concepts],
                    )
                    for module in stage.modules
                ],
            )
            for stage in tree.stages
        ],
    )


def shared_roadmap(tree: RoadmapTree, completion: Completion | None) -> SharedRoadmap:
    """Return the shared plan, of a tree that `shared_tree` has made."""
    shared = SharedRoadmap.model_validate(tree, from_attributes=True)
    return shared.model_copy(update={"completion": completion})


def shared_concept(link: OpenedLink, concept_id: UUID) -> SharedConceptDetail:
    """Return a shared concept with its contents. Raises NotFound."""
    concept = queries.concept_detail(link.owner_id, link.roadmap_id, concept_id)
    tutorial = concept.tutorial
    return SharedConceptDetail(
        **dict(SharedConcept.model_validate(concept, from_attributes=True)),
        tutorial=tutorial.markdown if tutorial else None,
        tutorial_language=tutorial.language if tutorial else None,
        **{kind: getattr(concept, kind) for kind in OTHERS},
    )


def _not_begun(concept: ConceptNode, week: int) -> ConceptNode:
    return ConceptNode(
        **{name: getattr(concept, name) for name in ("key", *FACTS)},
        week=week,
        progress=ConceptProgress.todo,
        progress_at=None,
        contents={
            kind: WRITTEN if state.version else UNWRITTEN
            for kind, state in concept.contents.items()
        },
    )


def _node(node: StageNode | ModuleNode) -> dict[str, Any]:
    return {name: getattr(node, name) for name in ("id", "key", "title", "description", "hours")}
