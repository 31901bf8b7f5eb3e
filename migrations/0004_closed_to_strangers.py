"""Sessions, API keys, invitations, administrators, index of unfinished roadmaps.

New columns have a default in the database, so that the version before can write meanwhile.
"""

from typing import Any

import peewee

NO = [peewee.SQL("DEFAULT FALSE")]
UNDER_WAY = "roadmap_owner_under_way"


def up(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(
        migrator.add_column(
            "account", "is_admin", peewee.BooleanField(default=False, constraints=NO)
        ),
        migrator.add_column("account", "disabled_at", peewee.DateTimeField(null=True)),
    )

    class Table(db.Model):
        id = peewee.UUIDField(primary_key=True)

        class Meta:
            legacy_table_names = False

    class Account(Table):
        pass

    class LoginSession(Table):
        account = peewee.ForeignKeyField(Account, on_delete="CASCADE")
        created_at = peewee.DateTimeField()
        expires_at = peewee.DateTimeField()
        seen_at = peewee.DateTimeField()
        ended_at = peewee.DateTimeField(null=True, index=True)
        user_agent = peewee.CharField(max_length=200)
        address = peewee.CharField(max_length=45)

    class ApiKey(Table):
        account = peewee.ForeignKeyField(Account, on_delete="CASCADE")
        name = peewee.CharField(max_length=100)
        prefix = peewee.CharField(max_length=20)
        secret_hash = peewee.CharField(max_length=64, unique=True)
        scopes = peewee.JSONField()
        created_at = peewee.DateTimeField()
        expires_at = peewee.DateTimeField(null=True)
        used_at = peewee.DateTimeField(null=True)
        revoked_at = peewee.DateTimeField(null=True, index=True)

    class Invitation(Table):
        email = peewee.CharField(max_length=254, null=True)
        invited_by = peewee.ForeignKeyField(Account, null=True, on_delete="SET NULL")
        created_at = peewee.DateTimeField()
        expires_at = peewee.DateTimeField()
        used_at = peewee.DateTimeField(null=True)
        used_by = peewee.ForeignKeyField(Account, null=True, on_delete="SET NULL", backref="+")

    db.create_tables([LoginSession, ApiKey, Invitation])
    db.execute_sql(
        f"CREATE INDEX {UNDER_WAY} ON roadmap (owner_id) "
        "WHERE status IN ('queued', 'planning', 'building')"
    )
