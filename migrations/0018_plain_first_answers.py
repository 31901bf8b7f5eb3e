"""Answers to requests with an Idempotency-Key: plain, or not stored if secret.

The version before encrypts its answers, also while it runs beside this one: they count as not
repeatable.
"""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    db.execute_sql(
        "ALTER TABLE first_answer ADD COLUMN is_repeatable BOOLEAN NOT NULL DEFAULT FALSE"
    )
