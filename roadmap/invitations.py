"""Invitations: one lets one person register, once, and for a while only. Its token is signed where it is told."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core import clock
from core.errors import FieldError, Forbidden, NotFound
from core.ids import new_id
from core.runtime import session, transaction
from core.text import clean
from models.accounts import Account, Invitation

LIFE = timedelta(days=7)
MOST_LISTED = 100

Address = Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$"), AfterValidator(clean), AfterValidator(str.lower)]


class InvitationRequest(BaseModel):
    """`email`: only this address may use it; without, whoever has the token."""

    model_config = ConfigDict(extra="forbid")
    email: Address | None = None


class InvitationInfo(BaseModel):
    id: UUID
    email: str | None
    created_at: datetime
    expires_at: datetime


class InvitationList(BaseModel):
    """Those that can still be used, the newest first, at most 100."""

    items: list[InvitationInfo]


def invite(invited_by: UUID | None, request: InvitationRequest) -> InvitationInfo:
    now = clock.now()
    info = InvitationInfo(id=new_id(), email=request.email, created_at=now, expires_at=now + LIFE)
    with transaction():
        Invitation.insert(**info.model_dump(), invited_by=invited_by).execute()
    return info


def list_open() -> InvitationList:
    with session():
        rows = Invitation.select().where(_usable()).order_by(Invitation.id.desc()).limit(MOST_LISTED)
        return InvitationList(items=[InvitationInfo(**row.__data__) for row in rows])


def withdraw(invitation_id: UUID) -> None:
    """Raises NotFound."""
    with transaction():
        if Invitation.delete().where(_usable(), Invitation.id == invitation_id).execute() == 0:
            raise NotFound("There is no such invitation.")


def redeem(invitation_id: UUID, account: Account) -> None:
    """Use it up for this account, in the transaction that makes it. Raises Forbidden."""
    its = Invitation.email.is_null() | (Invitation.email == account.email)
    used = {"used_at": clock.now(), "used_by": account.id}
    if Invitation.update(used).where(_usable(), its, Invitation.id == invitation_id).execute() == 0:
        wrong = FieldError("/invitation", "was used, has expired, or is for another address")
        raise Forbidden("The invitation cannot be used.", fields=(wrong,))


def _usable() -> object:
    return Invitation.used_at.is_null() & (Invitation.expires_at > clock.now())
