"""Questions before the plan: whether a roadmap may ask, and the answers.

The version before makes roadmaps that do not ask. It does not know the new status: a roadmap that
waits for answers has failed for it, and can be retried.
"""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    db.execute_sql("ALTER TABLE roadmap ADD COLUMN clarify BOOLEAN NOT NULL DEFAULT FALSE")
    migrator.migrate(migrator.add_column("roadmap", "answers", peewee.JSONField(null=True)))
