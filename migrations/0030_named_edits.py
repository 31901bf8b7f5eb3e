"""Edits of a plan by hand are named by what they changed."""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(migrator.add_column("revision", "changes", peewee.JSONField(null=True)))


def down(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(migrator.drop_column("revision", "changes"))
