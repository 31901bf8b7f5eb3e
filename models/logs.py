"""Execution log, and the numbers of records by process."""

import peewee

from models.base import Identified, Table, UtcDateTimeField


class ExecutionLog(Identified):
    """Record of an event.

    It has no foreign keys: it outlives its subject and is written in bulk. On PostgreSQL every
    month is a partition, by the time in the id (migration 0008,
    `roadmap/operations/log_retention.py`).
    """

    at = UtcDateTimeField()
    level = peewee.CharField(max_length=10)
    category = peewee.CharField(max_length=40)
    step = peewee.CharField(max_length=80)
    message = peewee.TextField()
    details = peewee.JSONField(null=True)
    duration_ms = peewee.IntegerField(null=True)
    roadmap_id = peewee.UUIDField(null=True)
    concept_id = peewee.UUIDField(null=True)
    # Of the request that caused it, through every queue
    trace_id = peewee.UUIDField(null=True)

    class Meta:
        indexes = ((("roadmap_id", "id"), False),)


class ExpiredLogRecord(Table):
    """Record that came after its month was deleted. Kept for a day, to count it once."""

    id = peewee.UUIDField(primary_key=True)
    counted_at = UtcDateTimeField(index=True)


class LogSource(Table):
    """Process that writes records: how many it numbered, stored, and sent too late.

    The difference is on its way or lost. A row is kept for a day after the end of its process; the
    row with id 0 has the sums of those before.
    """

    id = peewee.UUIDField(primary_key=True)
    service = peewee.CharField(max_length=20)
    last_seq = peewee.BigIntegerField()
    stored = peewee.BigIntegerField()
    expired = peewee.BigIntegerField(default=0)  # came when their month was deleted already
    dropped = peewee.BigIntegerField()  # found no room in the buffer, and got no number
    behind_since = UtcDateTimeField(null=True)  # since when fewer are stored than numbered
    updated_at = UtcDateTimeField()
