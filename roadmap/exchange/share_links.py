"""Share links: anyone who has one can read a roadmap, or its plan as a calendar, until it ends.

A link can be revoked, and may expire. Its only secret is its token, which is shown once; the row
has a hash of it, so that no key is needed. Versions before 0.2.0 signed ids instead: the API stores
hashes of these tokens when it starts.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from core.json_types import WHOLE, LazyModel
from models.accounts import Account
from models.roadmaps import Roadmap, ShareLink
from roadmap.accounts.access import get_owned, lock_owned

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
    return [_info(row) for row in rows]


@session()
def read_link(owner_id: UUID, roadmap_id: UUID, link_id: UUID) -> LinkInfo:
    """Return a link. Raises NotFound."""
    get_owned(owner_id, roadmap_id)
    row = required(
        ShareLink.get_or_none(ShareLink.id == link_id, ShareLink.roadmap == roadmap_id), NO_LINK
    )
    return _info(row)


@transaction()
def revoke_link(owner_id: UUID, roadmap_id: UUID, link_id: UUID) -> None:
    """Delete a link. Raises NotFound."""
    get_owned(owner_id, roadmap_id)
    its = (ShareLink.id == link_id) & (ShareLink.roadmap == roadmap_id)
    required(ShareLink.delete().where(its).execute() or None, NO_LINK)


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


def _info(row: ShareLink) -> LinkInfo:
    return LinkInfo(**{name: getattr(row, name) for name in LinkInfo.model_fields})
