"""Metrics: sums of all processes, and the present gauges of each."""

from typing import Any

import peewee


def up(migrator: Any, db: peewee.Database) -> None:
    class Measure(db.Model):
        name = peewee.CharField(max_length=80)
        minute = peewee.IntegerField()
        labels = peewee.TextField()
        part = peewee.CharField(max_length=20)
        value = peewee.DoubleField()

        class Meta:
            primary_key = peewee.CompositeKey("name", "minute", "labels", "part")
            indexes = ((("minute",), False),)

    class MeasuredProcess(db.Model):
        id = peewee.UUIDField(primary_key=True)
        service = peewee.CharField(max_length=20)
        process = peewee.CharField(max_length=80)
        last_batch = peewee.BigIntegerField()
        facts = peewee.JSONField()
        updated_at = peewee.DateTimeField(index=True)

        class Meta:
            legacy_table_names = False

    db.create_tables([Measure, MeasuredProcess])
