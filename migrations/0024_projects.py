"""Projects of stages, and judgements of them.

New columns may be null, so that the version before can write meanwhile. It leaves projects out of
the plans that it changes.
"""

from typing import Any

import peewee

COLUMNS: dict[str, peewee.Field] = {
    "capstone": peewee.JSONField(null=True),
    "work": peewee.TextField(null=True),
    "done_at": peewee.DateTimeField(null=True),
    "token_hash": peewee.CharField(max_length=64, null=True),
    "link_until": peewee.DateTimeField(null=True),
}


def up(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(
        *(migrator.add_column("stage", name, field) for name, field in COLUMNS.items())
    )

    class Judgement(db.Model):
        id = peewee.UUIDField(primary_key=True)
        attempts = peewee.IntegerField()
        interruptions = peewee.IntegerField()
        lease_token = peewee.UUIDField(null=True)
        lease_until = peewee.DateTimeField(null=True)
        challenged_at = peewee.DateTimeField(null=True)
        due_at = peewee.DateTimeField()
        roadmap_id = peewee.UUIDField(
            index=True, constraints=[peewee.SQL("REFERENCES roadmap (id) ON DELETE CASCADE")]
        )
        stage_id = peewee.UUIDField(
            constraints=[peewee.SQL("REFERENCES stage (id) ON DELETE CASCADE")]
        )
        judge = peewee.CharField(max_length=10)
        status = peewee.CharField(max_length=10)
        marks = peewee.JSONField()
        comments = peewee.JSONField()
        error = peewee.TextField()
        created_at = peewee.DateTimeField()

        class Meta:
            indexes = ((("stage_id", "judge"), True), (("status", "due_at"), False))

    db.create_tables([Judgement])
