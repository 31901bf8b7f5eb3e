"""Mixed tests, wrong answers in reviews, left placements, and attempts at more exercises.

New columns have a default or may be null, so that the version before can write meanwhile.
"""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    json = "JSONB" if isinstance(db, peewee.PostgresqlDatabase) else "TEXT"
    db.execute_sql(f"ALTER TABLE concept ADD COLUMN more_attempts {json} NOT NULL DEFAULT '[]'")
    migrator.migrate(
        migrator.add_column("stage", "test", peewee.JSONField(null=True)),
        migrator.add_column("roadmap", "test", peewee.JSONField(null=True)),
        migrator.add_column("roadmap", "placement", peewee.JSONField(null=True)),
        migrator.add_column("review_card", "missed_at", peewee.DateTimeField(null=True)),
    )
