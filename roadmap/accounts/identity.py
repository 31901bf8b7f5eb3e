"""Principals, scopes, logins and API keys as values. No database."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Device:
    """Browser and address of a login, shown in the list of logins."""

    user_agent: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """Content of a login's token."""

    session_id: UUID
    account_id: UUID
    is_admin: bool
    is_observer: bool = False


class Scope(StrEnum):
    read = "read"
    write = "write"
    observe = "observe"  # read the admin pages: for administrators and observers
    admin = "admin"  # act on them: for administrators


@dataclass(frozen=True, slots=True)
class Bearer:
    """API key with its scopes and the end of its validity."""

    key_id: UUID
    account_id: UUID
    scopes: frozenset[Scope]
    expires_at: datetime | None
    key_name: str = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """Account of a request with its scopes.

    A login has a session, an API key has a key; the local owner has neither.
    """

    account_id: UUID
    scopes: frozenset[Scope]
    session_id: UUID | None = None
    key_id: UUID | None = None
    key_name: str = ""


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
