"""Match of a goal and the built-in catalogue: the course that was chosen, and the match.

The version before makes the whole track of any goal that it accepts.
"""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    db.execute_sql("ALTER TABLE roadmap ADD COLUMN scope VARCHAR(10) NOT NULL DEFAULT 'ask'")
    migrator.migrate(migrator.add_column("roadmap", "goal_match", peewee.JSONField(null=True)))
