"""Requests about an account and its credentials, and the account as its owner sees it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, SecretStr

from core.json_types import LazyModel
from core.password_strength import SHORTEST
from core.sanitize import CLEAN, Email

LONGEST_PASSWORD = 1000  # characters
Password = Annotated[SecretStr, Field(max_length=LONGEST_PASSWORD)]
NewPassword = Annotated[
    SecretStr,
    Field(
        min_length=SHORTEST,
        max_length=LONGEST_PASSWORD,
        description="At least 12 characters, not a common password.",
    ),
]
WithCookie = Annotated[
    bool, Field(description="For browsers: set a cookie instead of returning a token.")
]


class Credentials(LazyModel, extra="forbid"):
    """E-mail address and password."""

    email: Email = Field(description="E-mail address of the account.")
    password: Password = Field(description="Password of the account.")
    cookie: WithCookie = False
    restore: bool = Field(
        False, description="Whether to restore an account that is marked for deletion."
    )


class Registration(LazyModel, extra="forbid"):
    """Data of a new account."""

    email: Email = Field(description="E-mail address without an account.")
    password: NewPassword
    name: Annotated[str, Field(max_length=100), CLEAN] = Field(
        "", description="Name of the person."
    )
    invitation: Annotated[SecretStr, Field(max_length=500)] | None = Field(
        None,
        description="Invitation, if registration requires one.",
    )
    cookie: WithCookie = False


class PasswordChange(LazyModel, extra="forbid"):
    """The current and the new password."""

    current_password: Password = Field(description="Current password.")
    new_password: NewPassword
    revoke_keys: bool = Field(False, description="Whether to revoke all API keys, too.")
    cookie: WithCookie = False


class EmailChange(LazyModel, extra="forbid"):
    """The new e-mail address, with the password."""

    email: Email = Field(description="New e-mail address, without an account.")
    password: Password = Field(description="Password of the account.")
    cookie: WithCookie = False


class DeletionRequest(LazyModel, extra="forbid"):
    """The password, as confirmation."""

    password: Password = Field(description="Password of the account.")


class Deletion(LazyModel):
    """An account that is marked for deletion.

    Until then, `POST /api/v1/auth/login` with `"restore": true` restores it.
    """

    delete_at: datetime = Field(description="Time of permanent deletion.")


class User(LazyModel):
    """An account."""

    id: UUID
    email: str = Field(description="With which one logs in.")
    name: str = Field(description="Name of the person; may be empty.")
    is_admin: bool = Field(False, description="Whether the account is an administrator.")
    is_observer: bool = Field(
        False, description="Whether the account can read the admin pages, without changes."
    )


class ListedUser(User):
    """An account, for operators."""

    disabled_at: datetime | None
    delete_at: datetime | None
