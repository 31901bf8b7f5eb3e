"""Remarks on versions of contents, and cached tokens of model calls.

The new columns may be null, so that the version before can write meanwhile.
"""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(
        migrator.add_column("content_version", "remarks", peewee.JSONField(null=True)),
        migrator.add_column("model_call", "cached_tokens", peewee.IntegerField(null=True)),
    )
