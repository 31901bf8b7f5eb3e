"""Time zone and weekly goal of an account, its days of learning, and parts of concepts.

The new columns have a default or may be null, so that the version before can write meanwhile.
"""

from types import SimpleNamespace
from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    db.create_tables([_learning_day(db)])
    db.execute_sql("ALTER TABLE concept ADD COLUMN studied INTEGER NOT NULL DEFAULT 0")
    migrator.migrate(
        migrator.add_column("account", "time_zone", peewee.CharField(max_length=64, null=True)),
        migrator.add_column("account", "weekly_goal", peewee.JSONField(null=True)),
    )


def down(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(
        migrator.drop_column("account", "weekly_goal"),
        migrator.drop_column("account", "time_zone"),
        migrator.drop_column("concept", "studied"),
    )
    db.drop_tables([_learning_day(db)])


def _learning_day(db: peewee.Database) -> type[peewee.Model]:
    class LearningDay(peewee.Model):
        account_id = peewee.UUIDField(
            constraints=[peewee.SQL("REFERENCES account (id) ON DELETE CASCADE")]
        )
        day = peewee.DateField()
        seconds = peewee.IntegerField()
        Meta = SimpleNamespace(
            database=db,
            legacy_table_names=False,
            primary_key=peewee.CompositeKey("account_id", "day"),
        )

    return LearningDay
