"""Daily limits of reviews, the last rating for its undo, and two times of a review card.

New columns may be null, so that the version before can write meanwhile: its ratings cannot be
undone. The indexes find new questions, others, and those that were rated today.
"""

from typing import Any

import peewee

COLUMNS: dict[str, dict[str, peewee.Field]] = {
    "account": {
        "review_limits": peewee.JSONField(null=True),
        "last_rating": peewee.JSONField(null=True),
    },
    "review_card": {
        "begun_at": peewee.DateTimeField(null=True),
        "gave_up_at": peewee.DateTimeField(null=True),
    },
}
INDEXES = {
    "review_card_new": "(owner_id, due_at) WHERE reviews = 0",
    "review_card_known": "(owner_id, due_at) WHERE reviews > 0",
    "review_card_rated": "(owner_id, reviewed_at) WHERE reviews > 0",
}


def up(migrator: Any, db: peewee.Database) -> None:
    for table, fields in COLUMNS.items():
        migrator.migrate(
            *(migrator.add_column(table, name, field) for name, field in fields.items())
        )
    for name, columns in INDEXES.items():
        db.execute_sql(f"CREATE INDEX {name} ON review_card {columns}")


def down(migrator: Any, db: peewee.Database) -> None:
    for name in INDEXES:
        db.execute_sql(f"DROP INDEX {name}")
    for table, fields in COLUMNS.items():
        migrator.migrate(*(migrator.drop_column(table, name) for name in fields))
