"""Accounts: registering, logging in, and the local owner of embedded mode."""

from typing import Annotated
from uuid import UUID

import peewee
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from core import clock
from core.errors import Conflict, FieldError, Unauthenticated
from core.ids import new_id
from core.runtime import session, transaction
from models.accounts import Account

LOCAL_OWNER = UUID("00000000-0000-7000-8000-000000000001")
LOCAL_EMAIL = "local@localhost"
# OWASP's floor for argon2id: 19 MiB, two passes; web/security.py runs at most two at once
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
NOBODY = HASHER.hash("an unknown account takes as long as a known one")

Email = Annotated[
    str, Field(max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+\.[^@\s\x00-\x1f]+$"), AfterValidator(str.lower)
]


class Credentials(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)
    email: Email
    password: Annotated[SecretStr, Field(max_length=1000)]


class Registration(BaseModel):
    model_config = ConfigDict(extra="forbid")
    email: Email
    password: Annotated[SecretStr, Field(min_length=12, max_length=1000, description="At least 12 characters.")]
    name: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f]*$")] = ""


class User(BaseModel):
    id: UUID
    email: str
    name: str


def register(registration: Registration) -> User:
    """Slow by design (hashing). Raises Conflict when the address is taken."""
    digest = HASHER.hash(registration.password.get_secret_value())
    account = {"id": new_id(), "email": registration.email, "name": registration.name, "created_at": clock.now()}
    try:
        with transaction():
            Account.insert(**account, password_hash=digest).execute()
    except peewee.IntegrityError:
        taken = FieldError("/email", "is registered already")
        raise Conflict("There is an account with this address.", fields=(taken,)) from None
    return User(**account)


def log_in(credentials: Credentials) -> User:
    """Slow by design, and equally slow for unknown accounts. Raises Unauthenticated."""
    with session():
        account = Account.get_or_none(Account.email == credentials.email)
    try:
        HASHER.verify((account and account.password_hash) or NOBODY, credentials.password.get_secret_value())
    except (VerifyMismatchError, InvalidHashError):
        account = None
    if account is None or not account.password_hash:
        raise Unauthenticated("The address or the password is wrong.")
    return _user(account)


def find(user_id: UUID) -> User:
    """Raises Unauthenticated when the account is gone."""
    with session():
        account = Account.get_or_none(Account.id == user_id)
    if account is None:
        raise Unauthenticated("The account of this token does not exist any more.")
    return _user(account)


def ensure_local_owner() -> None:
    """Embedded mode has one person, who needs no password and cannot log in with one."""
    local = {"id": LOCAL_OWNER, "email": LOCAL_EMAIL, "name": "", "password_hash": "", "created_at": clock.now()}
    with transaction():
        Account.insert(**local).on_conflict_ignore().execute()


def _user(account: Account) -> User:
    return User(id=account.id, email=account.email, name=account.name)
