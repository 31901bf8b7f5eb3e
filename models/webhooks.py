"""Where accounts want to be told of events, and each message to there: the outbox of webhooks, and its log."""

from types import SimpleNamespace

import peewee

from models.accounts import Account
from models.base import Identified, UtcDateTimeField


class Webhook(Identified):
    """One receiver of an account. Its secret signs what it is sent, so it has to be kept as it is."""

    account = peewee.ForeignKeyField(Account, on_delete="CASCADE")
    url = peewee.CharField(max_length=500)
    events = peewee.JSONField()  # list of text
    description = peewee.CharField(max_length=200, default="")
    secret = peewee.CharField(max_length=100)
    previous_secret = peewee.CharField(
        max_length=100, default=""
    )  # signs as well for a day after the rotation
    rotated_at = UtcDateTimeField(null=True)
    created_at = UtcDateTimeField()
    updated_at = UtcDateTimeField()
    disabled_at = UtcDateTimeField(null=True)
    disabled_reason = peewee.CharField(max_length=200, default="")


class WebhookDelivery(Identified):
    """One message to one receiver, and the ledger of its tries. Its id is the `webhook-id` of each of them."""

    webhook = peewee.ForeignKeyField(Webhook, on_delete="CASCADE", index=False)
    event = peewee.CharField(max_length=40)
    roadmap_id = peewee.UUIDField(
        null=True
    )  # no foreign key: what was told outlives what it tells of
    payload = peewee.TextField()  # JSON, to the byte as it is signed and sent
    status = peewee.CharField(max_length=10)
    attempts = peewee.IntegerField(default=0)
    interruptions = peewee.IntegerField(default=0)
    lease_token = peewee.UUIDField(null=True)
    lease_until = UtcDateTimeField(null=True)
    challenged_at = UtcDateTimeField(null=True)
    due_at = UtcDateTimeField()  # when its next try should begin
    response_status = peewee.IntegerField(null=True)  # of the last try
    error = peewee.CharField(max_length=200, default="")  # of the last try
    duration_ms = peewee.IntegerField(null=True)  # of the last try
    created_at = UtcDateTimeField()
    finished_at = UtcDateTimeField(null=True, index=True)

    Meta = SimpleNamespace(
        indexes=(
            *(
                (("status", "due_at"), False),
                (("webhook", "id"), False),
                (("webhook", "status", "id"), False),
            ),
            (("roadmap_id", "id"), False),
        ),
    )
