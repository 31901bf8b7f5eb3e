"""Indexes of an account's roadmaps by state, and of logins to purge.

Without them, both were found by reading all others.
"""

from typing import Any

import peewee

INDEXES = {
    "roadmap_owner_id_status_id": "roadmap (owner_id, status, id)",
    "loginsession_expires_at": "login_session (expires_at)",
}


def up(migrator: Any, db: peewee.Database) -> None:
    for name, columns in INDEXES.items():
        db.execute_sql(f"CREATE INDEX {name} ON {columns}")
