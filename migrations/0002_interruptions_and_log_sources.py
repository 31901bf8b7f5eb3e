"""Interruptions apart from attempts, challenged leases, numbers of log records.

New columns have a default in the database, so that the version before can write meanwhile.
"""

from typing import Any

import peewee

LEASED = ("roadmap", "content")


def up(migrator: Any, db: peewee.Database) -> None:
    for table in LEASED:
        interruptions = peewee.IntegerField(default=0, constraints=[peewee.SQL("DEFAULT 0")])
        migrator.migrate(
            migrator.add_column(table, "interruptions", interruptions),
            migrator.add_column(table, "challenged_at", peewee.DateTimeField(null=True)),
        )

    class LogSource(db.Model):
        id = peewee.UUIDField(primary_key=True)
        service = peewee.CharField(max_length=20)
        last_seq = peewee.BigIntegerField()
        stored = peewee.BigIntegerField()
        dropped = peewee.BigIntegerField()
        behind_since = peewee.DateTimeField(null=True)
        updated_at = peewee.DateTimeField()

        class Meta:
            legacy_table_names = False

    db.create_tables([LogSource])
