"""Webhooks of accounts, and their deliveries: the outbox and its log."""

import peewee

from models.accounts import Account
from models.base import Identified, Leased, UtcDateTimeField


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
