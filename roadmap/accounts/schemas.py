"""Requests about an account and its credentials, and the account as its owner sees it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr

from core.password_strength import SHORTEST
from core.sanitize import CLEAN, Email

LONGEST_PASSWORD = 1000  # characters
Password = Annotated[SecretStr, Field(max_length=LONGEST_PASSWORD)]
NewPassword = Annotated[
    SecretStr,
    Field(
        min_length=SHORTEST,
        max_length=LONGEST_PASSWORD,
        description="At least 12 characters, and not a common one.",
    ),
]
WithCookie = Annotated[
    bool, Field(description="For browsers: the answer sets a cookie, instead of telling a token.")
]


class Credentials(BaseModel, extra="forbid"):
    """E-mail address and password."""

    email: Email = Field(description="The address of the account.")
    password: Password = Field(description="Its password.")
    cookie: WithCookie = False
    restore: bool = Field(
        False, description="Whether to restore the account, if it is to be deleted."
    )


class Registration(BaseModel, extra="forbid"):
    """Of a new account."""

    email: Email = Field(description="An address that has no account yet.")
    password: NewPassword
    name: Annotated[str, Field(max_length=100), CLEAN] = Field(
        "", description="What the person is called."
    )
    invitation: Annotated[SecretStr, Field(max_length=500)] | None = Field(
        None,
        description="What the person was sent, where only those may register who were invited.",
    )
    cookie: WithCookie = False


class PasswordChange(BaseModel, extra="forbid"):
    """From one password to another."""

    current_password: Password = Field(description="The one until now.")
    new_password: NewPassword
    revoke_keys: bool = Field(
        False, description="Whether the API keys end as well, as the logins do."
    )
    cookie: WithCookie = False


class EmailChange(BaseModel, extra="forbid"):
    """To another address."""

    email: Email = Field(description="The new one, which has no account yet.")
    password: Password = Field(description="The password of the account.")
    cookie: WithCookie = False


class DeletionRequest(BaseModel, extra="forbid"):
    """That it is the person who wants it."""

    password: Password = Field(description="The password of the account.")


class Deletion(BaseModel):
    """An account that is to be deleted. Until then, `POST /api/v1/auth/login` with `"restore": true` restores it."""

    delete_at: datetime = Field(description="When it will be gone for ever.")


class User(BaseModel):
    """An account."""

    id: UUID
    email: str = Field(description="With which one logs in.")
    name: str = Field(description="What the person is called; may be empty.")
    is_admin: bool = Field(False, description="Whether this is an administrator.")
    is_observer: bool = Field(
        False, description="Whether this may look at the operator's room, and change nothing there."
    )


class ListedUser(User):
    """An account, for operators."""

    disabled_at: datetime | None
    delete_at: datetime | None
