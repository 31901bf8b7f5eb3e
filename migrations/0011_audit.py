"""Audit log: a table without references, which the version before does not know."""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    class AuditRecord(db.Model):
        id = peewee.UUIDField(primary_key=True)
        account_id = peewee.UUIDField(null=True)
        actor = peewee.CharField(max_length=200)
        address = peewee.CharField(max_length=100)
        request_id = peewee.CharField(max_length=64)
        action = peewee.CharField(max_length=60)
        target = peewee.CharField(max_length=200)
        details = peewee.JSONField(null=True)
        began_at = peewee.DateTimeField()
        ended_at = peewee.DateTimeField(null=True)
        outcome = peewee.CharField(max_length=10, null=True)
        error = peewee.CharField(max_length=200)

        class Meta:
            legacy_table_names = False
            indexes = ((("action", "id"), False),)

    db.create_tables([AuditRecord])
