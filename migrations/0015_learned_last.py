"""Index of begun concepts by roadmap, for "Continue learning" on the home page."""

from typing import Any

import peewee

NAME = "concept_roadmap_id_progress_at"


def up(migrator: Any, db: peewee.Database) -> None:
    db.execute_sql(
        f"CREATE INDEX {NAME} ON concept (roadmap_id, progress_at) WHERE progress_at IS NOT NULL"
    )
