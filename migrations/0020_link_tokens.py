"""Hashes of share link tokens, so that no key has to stay for them.

A link without hashes was made by the version before, whose tokens are signed: the API stores their
hashes when it starts, since a migration does not know the keys. That version goes on making such
links.
"""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    db.execute_sql("ALTER TABLE secret_link ADD COLUMN token_hashes TEXT")
