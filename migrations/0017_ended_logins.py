"""Indexes of ended logins for pages, and of open logins by their last use.

Many logins end at one moment, so that a page needs an order that begins where the one before ended.
By the last use, upkeep reads idle logins alone. Both replace an index of the end alone: whatever
else it may read along, the planner of PostgreSQL would try it.
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
