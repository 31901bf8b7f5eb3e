"""Links that open a roadmap to whoever has them: to read it, or its plan as a calendar. Each can be revoked, and may expire.

Nothing of a link is secret but its token, which is signed where it is told (`web/tokens.py`) and stands in no row.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from core import clock
from core.errors import Conflict, Gone, NotFound
from core.ids import new_id
from core.numbers import WHOLE
from core.runtime import session, transaction
from models.accounts import Account
from models.links import SecretLink
from models.roadmaps import Roadmap
from roadmap.ownership import held, owned

MOST = 20  # of a roadmap
LONGEST_LIFE = 3650  # days


class LinkPurpose(StrEnum):
    """What is opened by it."""

    reading = "reading"
    calendar = "calendar"


class LinkRequest(BaseModel):
    """What it opens, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    purpose: LinkPurpose = Field(
        description="`reading`: the plan and what is written, without anything of yours. `calendar`: when you will learn what."
    )
    expires_in_days: Annotated[int, Field(ge=1, le=LONGEST_LIFE), WHOLE] | None = Field(
        None, description="After how many days it expires; null: never."
    )


class LinkInfo(BaseModel):
    id: UUID
    purpose: LinkPurpose = Field(description="What whoever has it can open.")
    created_at: datetime
    expires_at: datetime | None = Field(description="Until when it is good; null: until it is revoked.")

    @property
    def is_over(self) -> bool:
        return self.expires_at is not None and self.expires_at <= clock.now()


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link opens, and whose it is."""

    owner_id: UUID
    roadmap_id: UUID


def create_link(owner_id: UUID, roadmap_id: UUID, request: LinkRequest) -> LinkInfo:
    """Raises NotFound, and Conflict when there are too many."""
    now = clock.now()
    expires_at = None if request.expires_in_days is None else now + timedelta(days=request.expires_in_days)
    made = LinkInfo(id=new_id(), purpose=request.purpose, created_at=now, expires_at=expires_at)
    with transaction():
        held(owner_id, roadmap_id)  # two at once could become too many
        if SecretLink.select().where(SecretLink.roadmap == roadmap_id).count() >= MOST:
            raise Conflict(f"This roadmap has {MOST} links; that is as many as there may be. Revoke one first.")
        SecretLink.insert(**made.model_dump(), roadmap=roadmap_id).execute()
    return made


def list_links(owner_id: UUID, roadmap_id: UUID) -> list[LinkInfo]:
    """The newest first, also those that have expired. Raises NotFound."""
    with session():
        owned(owner_id, roadmap_id)
        rows = list(SecretLink.select().where(SecretLink.roadmap == roadmap_id).order_by(SecretLink.id.desc()).limit(MOST))
    return [_told(row) for row in rows]


def read_link(owner_id: UUID, roadmap_id: UUID, link_id: UUID) -> LinkInfo:
    """Raises NotFound."""
    with session():
        owned(owner_id, roadmap_id)
        row = SecretLink.get_or_none(SecretLink.id == link_id, SecretLink.roadmap == roadmap_id)
    if row is None:
        raise _no_link()
    return _told(row)


def revoke_link(owner_id: UUID, roadmap_id: UUID, link_id: UUID) -> None:
    """It opens nothing from then on. Raises NotFound."""
    with transaction():
        owned(owner_id, roadmap_id)
        if SecretLink.delete().where(SecretLink.id == link_id, SecretLink.roadmap == roadmap_id).execute() == 0:
            raise _no_link()


def opened(link_id: UUID, purpose: LinkPurpose) -> Opened:
    """For whoever has shown its token. Raises Gone."""
    its = (SecretLink.id == link_id) & (SecretLink.purpose == purpose)
    there = Roadmap.trashed_at.is_null() & Account.disabled_at.is_null()
    query = SecretLink.select(SecretLink.expires_at, Roadmap.owner, Roadmap.id).join(Roadmap).join(Account)
    with session():
        row = query.where(its, there).tuples().first()
    if row is None:
        raise Gone("This link was revoked, or its roadmap is not there any more.")
    expires_at, owner_id, roadmap_id = row
    if expires_at is not None and expires_at <= clock.now():
        raise Gone("This link has expired.")
    return Opened(owner_id, roadmap_id)


def _told(row: SecretLink) -> LinkInfo:
    return LinkInfo(**{name: getattr(row, name) for name in LinkInfo.model_fields})


def _no_link() -> NotFound:
    return NotFound("There is no such link of this roadmap.")
