"""Webhooks of accounts, and their deliveries with attempts."""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    class Account(db.Model):
        id = peewee.UUIDField(primary_key=True)

    class Webhook(db.Model):
        id = peewee.UUIDField(primary_key=True)
        account = peewee.ForeignKeyField(Account, on_delete="CASCADE")
        url = peewee.CharField(max_length=500)
        events = peewee.JSONField()
        description = peewee.CharField(max_length=200)
        secret = peewee.CharField(max_length=100)
        previous_secret = peewee.CharField(max_length=100)
        rotated_at = peewee.DateTimeField(null=True)
        created_at = peewee.DateTimeField()
        updated_at = peewee.DateTimeField()
        disabled_at = peewee.DateTimeField(null=True)
        disabled_reason = peewee.CharField(max_length=200)

    class WebhookDelivery(db.Model):
        id = peewee.UUIDField(primary_key=True)
        webhook = peewee.ForeignKeyField(Webhook, on_delete="CASCADE", index=False)
        event = peewee.CharField(max_length=40)
        roadmap_id = peewee.UUIDField(null=True)
        payload = peewee.TextField()
        status = peewee.CharField(max_length=10)
        attempts = peewee.IntegerField()
        interruptions = peewee.IntegerField()
        lease_token = peewee.UUIDField(null=True)
        lease_until = peewee.DateTimeField(null=True)
        challenged_at = peewee.DateTimeField(null=True)
        due_at = peewee.DateTimeField()
        response_status = peewee.IntegerField(null=True)
        error = peewee.CharField(max_length=200)
        duration_ms = peewee.IntegerField(null=True)
        created_at = peewee.DateTimeField()
        finished_at = peewee.DateTimeField(null=True, index=True)

        class Meta:
            legacy_table_names = False
            indexes = (
                (("status", "due_at"), False),
                (("webhook", "id"), False),
                (("webhook", "status", "id"), False),
            )

    db.create_tables([Webhook, WebhookDelivery])
