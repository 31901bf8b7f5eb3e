"""Answers to requests with an Idempotency-Key, for a day."""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    class Account(db.Model):
        id = peewee.UUIDField(primary_key=True)

    class FirstAnswer(db.Model):
        key_hash = peewee.CharField(max_length=64, primary_key=True)
        owner = peewee.ForeignKeyField(Account, on_delete="CASCADE", index=False)
        fingerprint = peewee.CharField(max_length=64)
        status = peewee.IntegerField(null=True)
        headers = peewee.JSONField(null=True)
        content = peewee.BlobField(null=True)
        created_at = peewee.DateTimeField(index=True)

        class Meta:
            legacy_table_names = False

    db.create_tables([FirstAnswer])
