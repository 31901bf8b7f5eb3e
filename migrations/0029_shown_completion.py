"""Share links that show what their owner completed.

The version before makes links that do not.
"""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    db.execute_sql(
        "ALTER TABLE secret_link ADD COLUMN shows_completion BOOLEAN NOT NULL DEFAULT FALSE"
    )


def down(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(migrator.drop_column("secret_link", "shows_completion"))
