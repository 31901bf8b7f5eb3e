"""Metrics: sums of all processes, and the present gauges of each."""

from types import SimpleNamespace
from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    class Table(peewee.Model):
        Meta = SimpleNamespace(database=db, legacy_table_names=False)

    class Measure(Table):
        name = peewee.CharField(max_length=80)
        minute = peewee.IntegerField()
        labels = peewee.TextField()
        part = peewee.CharField(max_length=20)
        value = peewee.DoubleField()

        Meta = SimpleNamespace(
            primary_key=peewee.CompositeKey("name", "minute", "labels", "part"),
            indexes=((("minute",), False),),
        )

    class MeasuredProcess(Table):
        id = peewee.UUIDField(primary_key=True)
        service = peewee.CharField(max_length=20)
        process = peewee.CharField(max_length=80)
        last_batch = peewee.BigIntegerField()
        facts = peewee.JSONField()
        updated_at = peewee.DateTimeField(index=True)

    db.create_tables([Measure, MeasuredProcess])
