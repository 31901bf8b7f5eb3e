"""API keys of an account, within scopes.

A secret is shown once and stored as a hash.
"""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from core import clock
from core.db import database_time, session, transaction
from core.errors import Conflict, Forbidden, required
from core.ids import new_id
from core.json_types import WHOLE, LazyModel
from core.sanitize import CLEAN
from models.accounts import Account, ApiKey
from roadmap.accounts.identity import Bearer, Login, Scope
from roadmap.accounts.locks import lock_account

PREFIX = "rmk_"  # by which scanners of leaked secrets know it
SHOWN = 8  # characters after the prefix that stay readable
MOST_KEYS = 50  # of one account
LONGEST_LIFE = 366  # days
KEPT = timedelta(days=30)  # after their end


class KeyRequest(LazyModel, extra="forbid"):
    """Name, scopes and expiry of a new key."""

    name: Annotated[str, Field(min_length=1, max_length=100), CLEAN] = Field(
        description="Name of the key in lists."
    )
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=len(Scope))] = Field(
        (Scope.read,),
        description=(
            "Scopes: `read`, `write`; for observers and administrators `observe`; for "
            "administrators `admin`."
        ),
    )
    expires_in_days: Annotated[int, Field(ge=1, le=LONGEST_LIFE), WHOLE] = Field(
        90, description="Days until it expires."
    )


class KeyInfo(LazyModel):
    """A key without its secret."""

    id: UUID
    name: str = Field(description="Name of the key.")
    prefix: str = Field(description="First characters of the key.")
    scopes: list[Scope] = Field(description="Scopes.")
    created_at: datetime
    expires_at: datetime | None = Field(description="Expiry time.")
    used_at: datetime | None = Field(description="Time of last use; null: never.")


class NewKey(KeyInfo):
    """A new API key. `key` is only returned here."""

    key: str = Field(description="The key; only returned here.")


class KeyList(LazyModel):
    """API keys that are not revoked, newest first."""

    items: list[KeyInfo]


def scopes_of(holder: Account | Login) -> frozenset[Scope]:
    without = {
        Scope.admin: not holder.is_admin,
        Scope.observe: not (holder.is_admin or holder.is_observer),
    }
    return frozenset(scope for scope in Scope if not without.get(scope))


@transaction()
def create(account_id: UUID, request: KeyRequest) -> NewKey:
    """Make a key. Raises Forbidden for missing scopes, Conflict at the limit."""
    key, now = PREFIX + secrets.token_urlsafe(32), clock.now()
    fields = {
        "id": new_id(),
        "name": request.name,
        "prefix": key[: len(PREFIX) + SHOWN],
        "scopes": [str(scope) for scope in sorted(set(request.scopes))],
        "created_at": now,
        "expires_at": now + timedelta(days=request.expires_in_days),
        "used_at": None,
    }
    account = lock_account(account_id)
    if account is None or account.disabled_at is not None:
        raise Conflict("The account is disabled. Set a new password to enable it.")
    if missing := set(request.scopes) - scopes_of(account):
        who = "an administrator" if Scope.admin in missing else "an administrator or an observer"
        raise Forbidden(f"Only {who} can create a key with the scope {min(missing)}.")
    if ApiKey.select().where(_mine(account_id)).count() >= MOST_KEYS:
        raise Conflict(
            f"The maximum of {MOST_KEYS} API keys is reached. Revoke one that is no longer needed."
        )
    ApiKey.insert(**fields, account=account_id, secret_hash=_hash(key)).execute()
    return NewKey(**fields, key=key)


@session()
def list_keys(account_id: UUID) -> KeyList:
    rows = ApiKey.select().where(_mine(account_id)).order_by(ApiKey.id.desc()).limit(MOST_KEYS)
    return KeyList(items=[KeyInfo(**row.__data__) for row in rows])


@session()
def read(account_id: UUID, key_id: UUID) -> KeyInfo:
    """Return a key. Raises NotFound."""
    found = ApiKey.get_or_none(_mine(account_id), ApiKey.id == key_id)
    return KeyInfo(**required(found, "This API key does not exist.").__data__)


@transaction()
def revoke(account_id: UUID, key_id: UUID) -> None:
    """Revoke a key. Raises NotFound."""
    update = ApiKey.update(revoked_at=database_time())
    required(
        update.where(_mine(account_id), ApiKey.id == key_id).execute() or None,
        "This API key does not exist.",
    )


def revoke_all(account_id: UUID, scope: Scope | None = None) -> None:
    """Revoke all keys, or those with this scope. In the caller's transaction."""
    rows = ApiKey.select().where(_mine(account_id))
    ids = [row.id for row in rows if scope is None or scope in row.scopes]
    ApiKey.update(revoked_at=database_time()).where(ApiKey.id.in_(ids)).execute()


def find(key: str) -> Bearer | None:
    """Return the holder of a key.

    It is None for a key that does not exist, has expired or was revoked.
    """
    valid = (ApiKey.secret_hash == _hash(key), ApiKey.revoked_at.is_null())
    query = ApiKey.select(ApiKey, Account).join(Account)
    with session():
        row = query.where(*valid, Account.disabled_at.is_null()).get_or_none()
    if row is None or (row.expires_at is not None and row.expires_at <= clock.now()):
        return None
    scopes = frozenset(Scope(scope) for scope in row.scopes) & scopes_of(row.account)
    return Bearer(row.id, row.account_id, scopes, row.expires_at, row.name)


@transaction()
def purge_expired() -> None:
    """Delete keys that ended more than a month ago."""
    old = clock.now() - KEPT
    ApiKey.delete().where((ApiKey.revoked_at < old) | (ApiKey.expires_at < old)).execute()


@session()
def revoked_since(moment: datetime) -> set[UUID]:
    return {row.id for row in ApiKey.select(ApiKey.id).where(ApiKey.revoked_at >= moment)}


@transaction()
def note_used(key_ids: Collection[UUID]) -> None:
    ApiKey.update(used_at=clock.now()).where(ApiKey.id.in_(list(key_ids))).execute()


def valid_of(account_id: UUID) -> object:
    """Condition for keys of an account that are neither revoked nor expired."""
    return _mine(account_id) & (ApiKey.expires_at.is_null() | (ApiKey.expires_at > clock.now()))


def _mine(account_id: UUID) -> Any:
    return (ApiKey.account == account_id) & ApiKey.revoked_at.is_null()


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
