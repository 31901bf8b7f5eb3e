"""Exports of accounts, dates of their deletion, and the owners of model calls.

The new column may be null, so that the version before can write meanwhile. An account that is to be
deleted is disabled as well, which that version knows.
"""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    # First: from the next statement on, accounts cannot be read until the commit.
    db.execute_sql("CREATE INDEX model_call_owner_id_id ON model_call (owner_id, id)")
    migrator.migrate(migrator.add_column("account", "delete_at", peewee.DateTimeField(null=True)))
    db.execute_sql("CREATE INDEX account_delete_at ON account (delete_at)")

    class Account(db.Model):
        id = peewee.UUIDField(primary_key=True)

    class AccountExport(db.Model):
        id = peewee.UUIDField(primary_key=True)
        account = peewee.ForeignKeyField(Account, on_delete="CASCADE", unique=True)
        status = peewee.CharField(max_length=10)
        error = peewee.CharField(max_length=200)
        attempts = peewee.IntegerField()
        interruptions = peewee.IntegerField()
        lease_token = peewee.UUIDField(null=True)
        lease_until = peewee.DateTimeField(null=True)
        challenged_at = peewee.DateTimeField(null=True)
        due_at = peewee.DateTimeField()
        size = peewee.BigIntegerField()
        created_at = peewee.DateTimeField()
        ready_at = peewee.DateTimeField(null=True)
        expires_at = peewee.DateTimeField(null=True, index=True)

        class Meta:
            legacy_table_names = False
            indexes = ((("status", "due_at"), False),)

    class ExportPiece(db.Model):
        export = peewee.ForeignKeyField(AccountExport, on_delete="CASCADE", index=False)
        number = peewee.IntegerField()
        content = peewee.BlobField()

        class Meta:
            legacy_table_names = False
            primary_key = peewee.CompositeKey("export", "number")

    db.create_tables([AccountExport, ExportPiece])
