"""Answers to requests with an Idempotency-Key, for a day."""

from types import SimpleNamespace
from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    class Table(peewee.Model):
        Meta = SimpleNamespace(database=db, legacy_table_names=False)

    class Account(Table):
        id = peewee.UUIDField(primary_key=True)

    class FirstAnswer(Table):
        key_hash = peewee.CharField(max_length=64, primary_key=True)
        owner = peewee.ForeignKeyField(Account, on_delete="CASCADE", index=False)
        fingerprint = peewee.CharField(max_length=64)
        status = peewee.IntegerField(null=True)
        headers = peewee.JSONField(null=True)
        content = peewee.BlobField(null=True)
        created_at = peewee.DateTimeField(index=True)

    db.create_tables([FirstAnswer])
