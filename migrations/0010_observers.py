"""Accounts that may read operators' pages and change nothing.

The new column has a default in the database, so that the version before can write meanwhile.
"""

from typing import Any

import peewee

NO = [peewee.SQL("DEFAULT FALSE")]


def up(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(
        migrator.add_column(
            "account", "is_observer", peewee.BooleanField(default=False, constraints=NO)
        )
    )
