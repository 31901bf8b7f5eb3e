"""Indexes of the operators' search of roadmaps, and of a roadmap's deliveries.

PostgreSQL has a full-text index of goals and titles; SQLite, which serves one person, reads them.
"""

from typing import Any

import peewee

INDEXES = {
    "roadmap_status_id": "roadmap (status, id)",
    "roadmap_generator_id": "roadmap (generator, id)",
    "roadmap_over_budget": "roadmap (id) WHERE over_budget",
    "roadmap_with_error": "roadmap (id) WHERE error <> ''",
    "webhookdelivery_roadmap_id_id": "webhook_delivery (roadmap_id, id)",
}
WORDS = (
    "CREATE INDEX roadmap_words ON roadmap USING gin (to_tsvector('simple', goal || ' ' || title))"
)


def up(migrator: Any, db: peewee.Database) -> None:
    for name, columns in INDEXES.items():
        db.execute_sql(f"CREATE INDEX {name} ON {columns}")
    if isinstance(db, peewee.PostgresqlDatabase):
        db.execute_sql(WORDS)
