"""People who may use the service, and what proves who they are."""

from types import SimpleNamespace

import peewee

from models.base import Identified, Table, UtcDateTimeField


class Account(Identified):
    email = peewee.CharField(max_length=254, unique=True)  # lower case
    name = peewee.CharField(max_length=100, default="")
    password_hash = peewee.CharField(
        max_length=200
    )  # argon2id; empty: nobody can log in with a password
    is_admin = peewee.BooleanField(default=False)
    is_observer = peewee.BooleanField(
        default=False
    )  # may look at the operator's room, and change nothing
    disabled_at = UtcDateTimeField(null=True)
    delete_at = UtcDateTimeField(
        null=True, index=True
    )  # its person wants it deleted then; until then it is disabled
    profile = peewee.JSONField(null=True)  # a Profile: what a form for the next roadmap begins with
    created_at = UtcDateTimeField()


class LoginSession(Identified):
    """One login, for as long as its token says; ended before by its owner, a new password or by being idle."""

    account = peewee.ForeignKeyField(Account, on_delete="CASCADE")
    created_at = UtcDateTimeField()
    expires_at = UtcDateTimeField(index=True)
    seen_at = UtcDateTimeField()  # to within a minute
    ended_at = UtcDateTimeField(null=True)
    user_agent = peewee.CharField(max_length=200, default="")
    address = peewee.CharField(max_length=45, default="")

    Meta = SimpleNamespace(
        indexes=(
            (("ended_at", "id"), False),
        ),  # and one of those that are open, by seen_at: migration 0017
    )


class ApiKey(Identified):
    """Acts for its account within its scopes. Of the secret there is a hash only, and its beginning to tell keys apart."""

    account = peewee.ForeignKeyField(Account, on_delete="CASCADE")
    name = peewee.CharField(max_length=100)
    prefix = peewee.CharField(max_length=20)
    secret_hash = peewee.CharField(
        max_length=64, unique=True
    )  # SHA-256, hex: the secret is random, and not guessed
    scopes = peewee.JSONField()  # list of text
    created_at = UtcDateTimeField()
    expires_at = UtcDateTimeField(null=True)
    used_at = UtcDateTimeField(null=True)  # to within a minute
    revoked_at = UtcDateTimeField(null=True, index=True)


class Invitation(Identified):
    """Lets one person register."""

    email = peewee.CharField(max_length=254, null=True)  # of the only one who may use it
    invited_by = peewee.ForeignKeyField(Account, null=True, on_delete="SET NULL")
    created_at = UtcDateTimeField()
    expires_at = UtcDateTimeField()
    used_at = UtcDateTimeField(null=True)
    used_by = peewee.ForeignKeyField(Account, null=True, on_delete="SET NULL", backref="+")


class IdempotentAnswer(Table):
    """The answer to the first request with an Idempotency-Key. `status` null: the transaction that answers it still runs."""

    key_hash = peewee.CharField(max_length=64, primary_key=True)  # SHA-256 of owner and key, hex
    owner = peewee.ForeignKeyField(Account, on_delete="CASCADE", index=False)
    fingerprint = peewee.CharField(max_length=64)  # of what was asked: SHA-256, hex
    status = peewee.IntegerField(null=True)
    headers = peewee.JSONField(null=True)
    content = peewee.BlobField(null=True)
    is_repeatable = peewee.BooleanField(
        default=False
    )  # false: the answer had a secret, or an earlier version encrypted it
    created_at = UtcDateTimeField(index=True)

    Meta = SimpleNamespace(table_name="first_answer")
