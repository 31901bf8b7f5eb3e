"""Learning: notes, quiz attempts, and a profile for the next roadmap.

New columns have a default in the database, so that the version before can write meanwhile.
"""

from typing import Any

import peewee

EMPTY = [peewee.SQL("DEFAULT ''")]


def up(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(
        migrator.add_column("concept", "notes", peewee.TextField(default="", constraints=EMPTY)),
        migrator.add_column("account", "profile", peewee.JSONField(null=True)),
    )

    class Roadmap(db.Model):
        id = peewee.UUIDField(primary_key=True)

    class Concept(db.Model):
        id = peewee.UUIDField(primary_key=True)

    class QuizAttempt(db.Model):
        id = peewee.UUIDField(primary_key=True)
        roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
        concept = peewee.ForeignKeyField(Concept, on_delete="CASCADE", index=False)
        version = peewee.IntegerField()
        answers = peewee.JSONField()
        score = peewee.IntegerField()
        total = peewee.IntegerField()
        created_at = peewee.DateTimeField()

        class Meta:
            legacy_table_names = False
            indexes = ((("concept", "id"), False),)

    db.create_tables([QuizAttempt])
