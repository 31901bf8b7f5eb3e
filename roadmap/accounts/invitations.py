"""Invitations: each lets one person register once, for a while.

Its token is signed in web/auth/tokens.py.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from core import clock
from core.db import session, transaction
from core.errors import FieldError, Forbidden, required
from core.ids import new_id
from core.json_types import LazyModel, Page, page_of
from core.sanitize import Email
from models.accounts import Account, Invitation
from roadmap.accounts.identity import INVITATION_LIFE


class InvitationRequest(LazyModel, extra="forbid"):
    """The e-mail address to invite."""

    email: Email | None = Field(
        None, description="E-mail address that it is limited to; null: none."
    )


class InvitationInfo(LazyModel):
    """An invitation that can still be used."""

    id: UUID
    email: str | None = Field(description="E-mail address that it is limited to; null: none.")
    created_at: datetime
    expires_at: datetime


@transaction()
def invite(invited_by: UUID | None, request: InvitationRequest) -> InvitationInfo:
    now = clock.now()
    info = InvitationInfo(
        id=new_id(), email=request.email, created_at=now, expires_at=now + INVITATION_LIFE
    )
    Invitation.insert(**info.model_dump(), invited_by=invited_by).execute()
    return info


@session()
def list_open(*, limit: int, before: UUID | None = None) -> Page[InvitationInfo]:
    """Return a page; `before` is the id at which the previous one ended."""
    query = Invitation.select().where(_usable())
    if before is not None:
        query = query.where(Invitation.id < before)
    rows = list(query.order_by(Invitation.id.desc()).limit(limit + 1))
    return page_of([InvitationInfo(**row.__data__) for row in rows], limit)


@session()
def read_open(invitation_id: UUID) -> InvitationInfo:
    """Return an open invitation. Raises NotFound."""
    row = required(
        Invitation.get_or_none(_usable(), Invitation.id == invitation_id),
        "This invitation does not exist.",
    )
    return InvitationInfo(**row.__data__)


@transaction()
def withdraw(invitation_id: UUID) -> None:
    """Withdraw an open invitation. Raises NotFound."""
    required(
        Invitation.delete().where(_usable(), Invitation.id == invitation_id).execute() or None,
        "This invitation does not exist.",
    )


@session()
def check(invitation_id: UUID, email: str) -> None:
    """Check that this address can use it now. Raises Forbidden."""
    if not Invitation.select().where(_fits(invitation_id, email)).exists():
        raise _unusable()


def redeem(invitation_id: UUID, account: Account) -> None:
    """Use it up for this account, in the transaction that makes it. Raises Forbidden."""
    used = {"used_at": clock.now(), "used_by": account.id}
    if Invitation.update(used).where(_fits(invitation_id, account.email)).execute() == 0:
        raise _unusable()


def _fits(invitation_id: UUID, email: str) -> Any:
    return (
        _usable()
        & (Invitation.id == invitation_id)
        & (Invitation.email.is_null() | (Invitation.email == email))
    )


def _unusable() -> Forbidden:
    wrong = FieldError("/invitation", "is used, expired, or for another e-mail address")
    return Forbidden(
        "The invitation is not valid. Ask the administrator for a new one.", fields=(wrong,)
    )


def _usable() -> Any:
    return Invitation.used_at.is_null() & (Invitation.expires_at > clock.now())
