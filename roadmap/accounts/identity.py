"""Principals, scopes and the proofs of who they are. No database."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Device:
    """From where somebody logs in, so that they recognise it later."""

    user_agent: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """What a token tells about itself."""

    session_id: UUID
    account_id: UUID
    is_admin: bool
    is_observer: bool = False


class Scope(StrEnum):
    read = "read"
    write = "write"
    observe = "observe"  # look at the operator's room: for administrators and observers
    admin = "admin"  # change what is seen there: for administrators


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a key may do, and until when."""

    key_id: UUID
    account_id: UUID
    scopes: frozenset[Scope]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Principal:
    """An account and what may be done for it. A login has a session, an API key has a key; the local owner has neither."""

    account_id: UUID
    scopes: frozenset[Scope]
    session_id: UUID | None = None
    key_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The Idempotency-Key of an account's request, as a hash with its owner's id.

    The fingerprint tells whether it is the same request.
    """

    owner_id: UUID
    key_hash: str
    fingerprint: str


INVITATION_LIFE = timedelta(days=7)
LOCAL_OWNER = UUID("00000000-0000-7000-8000-000000000001")
