"""Daily limits of reviews, the last rating for its undo, and two times of a review card.

New columns may be null, so that the version before can write meanwhile: its ratings cannot be
undone. The indexes find new questions, others, and those that were rated today.
"""

from typing import Any

import peewee

COLUMNS = (
    ("account", "review_limits", peewee.JSONField(null=True)),
    ("account", "last_rating", peewee.JSONField(null=True)),
    ("review_card", "begun_at", peewee.DateTimeField(null=True)),
    ("review_card", "gave_up_at", peewee.DateTimeField(null=True)),
)
INDEXES = {
    "review_card_new": "(owner_id, due_at) WHERE reviews = 0",
    "review_card_known": "(owner_id, due_at) WHERE reviews > 0",
    "review_card_rated": "(owner_id, reviewed_at) WHERE reviews > 0",
}


def up(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(*(migrator.add_column(*column) for column in COLUMNS))
    for name, columns in INDEXES.items():
        db.execute_sql(f"CREATE INDEX {name} ON review_card {columns}")


def down(migrator: Any, db: peewee.Database) -> None:
    for name in INDEXES:
        db.execute_sql(f"DROP INDEX {name}")
    migrator.migrate(*(migrator.drop_column(table, name) for table, name, _ in COLUMNS))
