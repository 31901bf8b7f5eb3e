"""Exercises and mastery: what a learner wrote at an exercise, and since when a concept is learned.

Both have a default in the database, so that the version before can write meanwhile.
"""

from typing import Any

import peewee

EMPTY = [peewee.SQL("DEFAULT ''")]


def up(migrator: Any, db: peewee.Database) -> None:
    at = peewee.DateTimeField(null=True)
    migrator.migrate(
        migrator.add_column(
            "concept", "exercise_attempt", peewee.TextField(default="", constraints=EMPTY)
        ),
        migrator.add_column("concept", "learned_at", at),
    )


def down(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(
        migrator.drop_column("concept", "learned_at"),
        migrator.drop_column("concept", "exercise_attempt"),
    )
