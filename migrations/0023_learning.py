"""Exercises, mastery, days of learning, daily limits of reviews, named edits, shown completion.

New columns have a default or may be null, so that the version before can write meanwhile: its
ratings cannot be undone. The indexes find new questions, others, and those that were rated today.
"""

from typing import Any

import peewee

COLUMNS: tuple[tuple[str, str, peewee.Field], ...] = (
    (
        "concept",
        "exercise_attempt",
        peewee.TextField(default="", constraints=[peewee.SQL("DEFAULT ''")]),
    ),
    ("concept", "learned_at", peewee.DateTimeField(null=True)),
    ("account", "time_zone", peewee.CharField(max_length=64, null=True)),
    ("account", "weekly_goal", peewee.JSONField(null=True)),
    ("account", "review_limits", peewee.JSONField(null=True)),
    ("account", "last_rating", peewee.JSONField(null=True)),
    ("review_card", "begun_at", peewee.DateTimeField(null=True)),
    ("review_card", "gave_up_at", peewee.DateTimeField(null=True)),
    ("revision", "changes", peewee.JSONField(null=True)),
)
WITH_DEFAULT = (
    ("concept", "studied", "INTEGER NOT NULL DEFAULT 0"),
    ("secret_link", "shows_completion", "BOOLEAN NOT NULL DEFAULT FALSE"),
)
INDEXES = {
    "review_card_new": "(owner_id, due_at) WHERE reviews = 0",
    "review_card_known": "(owner_id, due_at) WHERE reviews > 0",
    "review_card_rated": "(owner_id, reviewed_at) WHERE reviews > 0",
}


def up(migrator: Any, db: peewee.Database) -> None:
    class LearningDay(db.Model):
        account_id = peewee.UUIDField(
            constraints=[peewee.SQL("REFERENCES account (id) ON DELETE CASCADE")]
        )
        day = peewee.DateField()
        seconds = peewee.IntegerField()

        class Meta:
            legacy_table_names = False
            primary_key = peewee.CompositeKey("account_id", "day")

    db.create_tables([LearningDay])
    migrator.migrate(*(migrator.add_column(*column) for column in COLUMNS))
    for table, name, kind in WITH_DEFAULT:
        db.execute_sql(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
    for name, columns in INDEXES.items():
        db.execute_sql(f"CREATE INDEX {name} ON review_card {columns}")
