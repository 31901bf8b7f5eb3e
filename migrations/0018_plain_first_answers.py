"""Answers to requests with an Idempotency-Key are stored as they are, or, with a secret in them, not at all.

What the version before stores has been sealed, and what that version stores beside this one will be: it counts as not repeatable.
"""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    db.execute_sql(
        "ALTER TABLE first_answer ADD COLUMN is_repeatable BOOLEAN NOT NULL DEFAULT FALSE"
    )


def down(migrator: Any, db: peewee.Database) -> None:
    db.execute_sql("ALTER TABLE first_answer DROP COLUMN is_repeatable")
