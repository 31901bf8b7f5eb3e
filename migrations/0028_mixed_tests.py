"""Mixed tests, wrong answers in reviews, and placements that were left.

New columns may be null, so that the version before can write meanwhile.
"""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(
        migrator.add_column("stage", "test", peewee.JSONField(null=True)),
        migrator.add_column("roadmap", "test", peewee.JSONField(null=True)),
        migrator.add_column("roadmap", "placement", peewee.JSONField(null=True)),
        migrator.add_column("review_card", "missed_at", peewee.DateTimeField(null=True)),
    )
