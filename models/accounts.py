"""Accounts with logins, API keys, invitations, idempotency keys, exports and webhooks."""

import peewee

from models.base import Identified, Leased, Table, UtcDateTimeField


class Account(Identified):
    """Account of a person."""

    email = peewee.CharField(max_length=254, unique=True)  # lower case
    name = peewee.CharField(max_length=100, default="")
    # argon2id; empty: no login with a password
    password_hash = peewee.CharField(max_length=200)
    is_admin = peewee.BooleanField(default=False)
    # May read operators' pages, and change nothing
    is_observer = peewee.BooleanField(default=False)
    disabled_at = UtcDateTimeField(null=True)
    # When it is deleted, as its owner wants; until then it is disabled
    delete_at = UtcDateTimeField(null=True, index=True)
    profile = peewee.JSONField(null=True)  # a Profile: defaults of the next roadmap
    time_zone = peewee.CharField(max_length=64, null=True)  # IANA name; null: UTC
    weekly_goal = peewee.JSONField(null=True)  # a WeeklyGoal; null: that of the schedule
    review_limits = peewee.JSONField(null=True)  # a ReviewLimits; null: its defaults
    last_rating = peewee.JSONField(null=True)  # a LastRating, which can be undone; null: none
    # Up to when time was credited, or since when a lesson is open; null: nothing yet
    credited_at = UtcDateTimeField(null=True)
    # Hours were credited by the plan before, and the note about that was not dismissed
    explains_hours = peewee.BooleanField(default=False)
    created_at = UtcDateTimeField()


class LearningDay(Table):
    """Day on which a person has learned, in the zone of that day."""

    account = peewee.ForeignKeyField(Account, on_delete="CASCADE", index=False)
    day = peewee.DateField()
    seconds = peewee.IntegerField()  # spent

    class Meta:
        primary_key = peewee.CompositeKey("account", "day")


class LoginSession(Identified):
    """Login, until its token expires.

    Its owner, a new password or idleness end it before.
    """

    account = peewee.ForeignKeyField(Account, on_delete="CASCADE")
    created_at = UtcDateTimeField()
    expires_at = UtcDateTimeField(index=True)
    seen_at = UtcDateTimeField()  # to within a minute
    ended_at = UtcDateTimeField(null=True)
    user_agent = peewee.CharField(max_length=200, default="")
    address = peewee.CharField(max_length=45, default="")

    class Meta:
        # Migration 0017 adds one of open logins, by seen_at.
        indexes = ((("ended_at", "id"), False),)


class ApiKey(Identified):
    """API key: acts for its account within its scopes.

    Of the secret only a hash is stored, and its beginning to distinguish keys.
    """

    account = peewee.ForeignKeyField(Account, on_delete="CASCADE")
    name = peewee.CharField(max_length=100)
    prefix = peewee.CharField(max_length=20)
    # SHA-256, hex: enough for a random secret
    secret_hash = peewee.CharField(max_length=64, unique=True)
    scopes = peewee.JSONField()  # list of text
    created_at = UtcDateTimeField()
    expires_at = UtcDateTimeField(null=True)
    used_at = UtcDateTimeField(null=True)  # to within a minute
    revoked_at = UtcDateTimeField(null=True, index=True)


class Invitation(Identified):
    """Invitation: lets one person register."""

    email = peewee.CharField(max_length=254, null=True)  # of the only one who may use it
    invited_by = peewee.ForeignKeyField(Account, null=True, on_delete="SET NULL")
    created_at = UtcDateTimeField()
    expires_at = UtcDateTimeField()
    used_at = UtcDateTimeField(null=True)
    used_by = peewee.ForeignKeyField(Account, null=True, on_delete="SET NULL", backref="+")


class IdempotentAnswer(Table):
    """Answer to the first request with an Idempotency-Key.

    `status` null: the transaction that answers it still runs.
    """

    key_hash = peewee.CharField(max_length=64, primary_key=True)  # SHA-256 of owner and key, hex
    owner = peewee.ForeignKeyField(Account, on_delete="CASCADE", index=False)
    fingerprint = peewee.CharField(max_length=64)  # of what was asked: SHA-256, hex
    status = peewee.IntegerField(null=True)
    headers = peewee.JSONField(null=True)
    content = peewee.BlobField(null=True)
    # False: the answer had a secret, or an earlier version encrypted it
    is_repeatable = peewee.BooleanField(default=False)
    created_at = UtcDateTimeField(index=True)

    class Meta:
        table_name = "first_answer"


class AccountExport(Leased):
    """Export of an account, with the lease and the outcome of its job."""

    account = peewee.ForeignKeyField(Account, on_delete="CASCADE", unique=True)  # one in existence
    status = peewee.CharField(max_length=10)
    error = peewee.CharField(max_length=200, default="")
    size = peewee.BigIntegerField(default=0)  # bytes
    created_at = UtcDateTimeField()
    ready_at = UtcDateTimeField(null=True)
    # When it is deleted; null: it is not finished
    expires_at = UtcDateTimeField(null=True, index=True)

    class Meta:
        indexes = ((("status", "due_at"), False),)


class ExportPiece(Table):
    """Part of the archive, in the database: services share no disk."""

    export = peewee.ForeignKeyField(AccountExport, on_delete="CASCADE", index=False)
    number = peewee.IntegerField()  # from 0
    content = peewee.BlobField()

    class Meta:
        primary_key = peewee.CompositeKey("export", "number")


class Webhook(Identified):
    """Receiver of an account. Its secret is stored in plain text, to sign requests."""

    account = peewee.ForeignKeyField(Account, on_delete="CASCADE")
    url = peewee.CharField(max_length=500)
    events = peewee.JSONField()  # list of text
    description = peewee.CharField(max_length=200, default="")
    secret = peewee.CharField(max_length=100)
    # Signs as well for a day after the rotation
    previous_secret = peewee.CharField(max_length=100, default="")
    rotated_at = UtcDateTimeField(null=True)
    created_at = UtcDateTimeField()
    updated_at = UtcDateTimeField()
    disabled_at = UtcDateTimeField(null=True)
    disabled_reason = peewee.CharField(max_length=200, default="")


class WebhookDelivery(Leased):
    """Message to a receiver, with its attempts. Its id is their `webhook-id`."""

    webhook = peewee.ForeignKeyField(Webhook, on_delete="CASCADE", index=False)
    event = peewee.CharField(max_length=40)
    # No foreign key: a delivery outlives its roadmap
    roadmap_id = peewee.UUIDField(null=True)
    payload = peewee.TextField()  # JSON, byte for byte as it is signed and sent
    status = peewee.CharField(max_length=10)
    response_status = peewee.IntegerField(null=True)  # of the last try
    error = peewee.CharField(max_length=200, default="")  # of the last try
    duration_ms = peewee.IntegerField(null=True)  # of the last try
    created_at = UtcDateTimeField()
    finished_at = UtcDateTimeField(null=True, index=True)

    class Meta:
        indexes = (
            (("status", "due_at"), False),
            (("webhook", "id"), False),
            (("webhook", "status", "id"), False),
            (("roadmap_id", "id"), False),
        )
