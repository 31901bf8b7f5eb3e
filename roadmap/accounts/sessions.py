"""Logins: begun with a password, ended by their owner, by a new password, by being idle, and in the end by their age."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

import peewee
from pydantic import BaseModel, Field

from core import clock
from core.db import database_time, session, settings, transaction
from core.errors import NotFound
from core.ids import new_id
from models.accounts import Account, LoginSession
from roadmap.accounts.identity import Device, Login

MOST_SESSIONS = 50  # of one account; the oldest end when there are more
KEPT = timedelta(days=30)  # after their end
MOST_AT_ONCE = 10_000


class SessionInfo(BaseModel):
    id: UUID
    created_at: datetime
    expires_at: datetime
    seen_at: datetime = Field(description="When it was used last, roughly.")
    user_agent: str = Field(description="What the browser or program calls itself.")
    address: str = Field(description="From where it began.")
    current: bool = Field(description="Whether it is the one that asks.")


class SessionList(BaseModel):
    """Those that have not ended, the newest first."""

    items: list[SessionInfo]


def begin(account: Account, device: Device) -> Login:
    """A new session, in the caller's transaction: an id is never used again, so that nobody can fix one in advance."""
    now, session_id = clock.now(), new_id()
    times = {
        "created_at": now,
        "seen_at": now,
        "expires_at": now + timedelta(seconds=settings.token_ttl_seconds),
    }
    place = {"user_agent": device.user_agent, "address": device.address}
    LoginSession.insert(id=session_id, account=account.id, **times, **place).execute()
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


def end(account_id: UUID, session_id: UUID) -> None:
    """Raises NotFound for one that is not theirs or has ended."""
    with transaction():
        if (
            LoginSession.update(ended_at=database_time())
            .where(open_of(account_id), LoginSession.id == session_id)
            .execute()
            == 0
        ):
            raise NotFound("There is no such session.")


def end_all(account_id: UUID) -> None:
    """In the caller's transaction."""
    LoginSession.update(ended_at=database_time()).where(open_of(account_id)).execute()


def list_open(account_id: UUID, current: UUID | None) -> SessionList:
    with session():
        rows = (
            LoginSession.select()
            .where(open_of(account_id))
            .order_by(LoginSession.id.desc())
            .limit(MOST_SESSIONS)
        )
        return SessionList(
            items=[SessionInfo(**row.__data__, current=row.id == current) for row in rows]
        )


def ended_since(moment: datetime) -> set[UUID]:
    """Sessions that have ended since then and would not have expired by themselves."""
    found: set[UUID] = set()
    after = LoginSession.ended_at >= moment
    columns = (LoginSession.ended_at, LoginSession.id)
    while True:
        where = after & (LoginSession.expires_at > clock.now())
        with session():
            rows = list(
                LoginSession.select(*columns).where(where).order_by(*columns).limit(MOST_AT_ONCE)
            )
        found |= {row.id for row in rows}
        if len(rows) < MOST_AT_ONCE:
            return found
        there = [
            peewee.Value(getattr(rows[-1], column.name), column.db_value) for column in columns
        ]
        after = peewee.Tuple(*columns) > peewee.Tuple(*there)  # where the index begins to be read


def note_seen(session_ids: Collection[UUID]) -> None:
    with transaction():
        LoginSession.update(seen_at=clock.now()).where(
            LoginSession.id.in_(list(session_ids))
        ).execute()


def end_idle_sessions() -> int:
    """End what nobody has used for SESSION_IDLE_SECONDS, and forget what ended long ago. How many ended."""
    now = clock.now()
    idle = LoginSession.ended_at.is_null() & (
        LoginSession.seen_at < now - timedelta(seconds=settings.session_idle_seconds)
    )
    with transaction():
        ended: int = LoginSession.update(ended_at=database_time()).where(idle).execute()
        old = (
            LoginSession.select(LoginSession.id)
            .where(LoginSession.expires_at < now - KEPT)
            .limit(MOST_AT_ONCE)
        )
        LoginSession.delete().where(LoginSession.id.in_(old)).execute()
    return ended


def open_of(account_id: UUID) -> object:
    """Those of an account that have neither ended nor expired."""
    mine = (LoginSession.account == account_id) & LoginSession.ended_at.is_null()
    return mine & (LoginSession.expires_at > clock.now())
