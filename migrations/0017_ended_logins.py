"""Logins that have ended in an order in which a page begins where the one before ended, since many end at one moment; and those
that have not, by when they were used last, so that upkeep looks at the idle ones only.

Both take the place of an index of when they ended alone: whatever else it may read along, the planner of PostgreSQL will try.
"""

from typing import Any

import peewee

BEFORE = "login_session_ended_at"
INDEXES = {
    "login_session_ended_at_id": "login_session (ended_at, id)",
    "login_session_open_seen_at": "login_session (seen_at) WHERE ended_at IS NULL",
}


def up(migrator: Any, db: peewee.Database) -> None:
    for name, columns in INDEXES.items():
        db.execute_sql(f"CREATE INDEX {name} ON {columns}")
    db.execute_sql(f"DROP INDEX {BEFORE}")


def down(migrator: Any, db: peewee.Database) -> None:
    db.execute_sql(f"CREATE INDEX {BEFORE} ON login_session (ended_at)")
    for name in INDEXES:
        db.execute_sql(f"DROP INDEX {name}")
