"""Metrics: sums of all processes, and the present gauges of each."""

import peewee

from models.base import Table, UtcDateTimeField


class MetricValue(Table):
    """Number of all time (minute 0) or of a minute since 1970. Processes add to it."""

    name = peewee.CharField(max_length=80)
    minute = peewee.IntegerField()
    labels = peewee.TextField()  # JSON with its keys in order
    part = peewee.CharField(max_length=20)  # of a histogram
    value = peewee.DoubleField()

    class Meta:
        table_name = "measure"
        primary_key = peewee.CompositeKey("name", "minute", "labels", "part")
        indexes = ((("minute",), False),)


class ProcessMetrics(Table):
    """Process with its gauges and its last batch, so that none is added twice."""

    id = peewee.UUIDField(primary_key=True)
    service = peewee.CharField(max_length=20)
    process = peewee.CharField(max_length=80)  # host and pid
    last_batch = peewee.BigIntegerField()
    facts = peewee.JSONField()  # numbers by name, of its gauges
    updated_at = UtcDateTimeField(index=True)

    class Meta:
        table_name = "measured_process"
