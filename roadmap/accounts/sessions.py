"""Logins, which end by their owner, a new password, idle time or age."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import Field

from core import clock
from core.db import database_time, session, settings, transaction
from core.errors import required
from core.ids import new_id
from core.json_types import LazyModel
from models.accounts import Account, LoginSession
from roadmap.accounts.identity import Device, Login

MOST_SESSIONS = 50  # of one account; the oldest end when there are more
KEPT = timedelta(days=30)  # after their end
MOST_AT_ONCE = 10_000


class SessionInfo(LazyModel):
    id: UUID
    created_at: datetime
    expires_at: datetime
    seen_at: datetime = Field(description="Approximate time of last use.")
    user_agent: str = Field(description="User agent.")
    address: str = Field(description="IP address of the login.")
    current: bool = Field(description="Whether it is the current session.")


class SessionList(LazyModel):
    """Active login sessions, newest first."""

    items: list[SessionInfo]


def begin(account: Account, device: Device) -> Login:
    """Begin a session, in the caller's transaction.

    Its id is new, so that none can be fixed.
    """
    now, session_id = clock.now(), new_id()
    LoginSession.insert(
        id=session_id,
        account=account.id,
        created_at=now,
        seen_at=now,
        expires_at=now + timedelta(seconds=settings.token_ttl_seconds),
        user_agent=device.user_agent,
        address=device.address,
    ).execute()
    kept = (
        LoginSession.select(LoginSession.id)
        .where(open_of(account.id))
        .order_by(LoginSession.id.desc())
        .limit(MOST_SESSIONS)
    )
    LoginSession.update(ended_at=database_time()).where(
        open_of(account.id), LoginSession.id.not_in(kept)
    ).execute()
    return Login(session_id, account.id, bool(account.is_admin), bool(account.is_observer))


@transaction()
def end(account_id: UUID, session_id: UUID) -> None:
    """End a session. Raises NotFound if it has ended or is of another account."""
    update = LoginSession.update(ended_at=database_time())
    required(
        update.where(open_of(account_id), LoginSession.id == session_id).execute() or None,
        "This login session does not exist.",
    )


def end_all(account_id: UUID) -> None:
    """End all sessions of an account. In the caller's transaction."""
    LoginSession.update(ended_at=database_time()).where(open_of(account_id)).execute()


@session()
def list_open(account_id: UUID, current: UUID | None) -> SessionList:
    query = LoginSession.select().where(open_of(account_id)).order_by(LoginSession.id.desc())
    return SessionList(
        items=[
            SessionInfo(**row.__data__, current=row.id == current)
            for row in query.limit(MOST_SESSIONS)
        ]
    )


@session()
def ended_since(moment: datetime) -> set[UUID]:
    """Return sessions that have ended since then, and had not expired."""
    ended = (LoginSession.ended_at >= moment, LoginSession.expires_at > clock.now())
    return {id_ for (id_,) in LoginSession.select(LoginSession.id).where(*ended).tuples()}


@transaction()
def note_seen(session_ids: Collection[UUID]) -> None:
    update = LoginSession.update(seen_at=clock.now())
    update.where(LoginSession.id.in_(list(session_ids))).execute()


@transaction()
def end_idle_sessions() -> int:
    """End sessions unused for SESSION_IDLE_SECONDS, and return how many.

    Sessions that expired long ago are deleted.
    """
    now = clock.now()
    is_idle = LoginSession.seen_at < now - timedelta(seconds=settings.session_idle_seconds)
    old = LoginSession.select(LoginSession.id).where(LoginSession.expires_at < now - KEPT)
    update = LoginSession.update(ended_at=database_time())
    ended: int = update.where(LoginSession.ended_at.is_null(), is_idle).execute()
    LoginSession.delete().where(LoginSession.id.in_(old.limit(MOST_AT_ONCE))).execute()
    return ended


def open_of(account_id: UUID) -> object:
    """Condition for sessions of an account that have neither ended nor expired."""
    return (
        (LoginSession.account == account_id)
        & LoginSession.ended_at.is_null()
        & (LoginSession.expires_at > clock.now())
    )
