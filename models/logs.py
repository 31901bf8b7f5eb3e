"""The execution log, and the ledger of who wrote how much of it."""

from types import SimpleNamespace

import peewee

from models.base import Identified, Table, UtcDateTimeField


class ExecutionLog(Identified):
    """One thing that happened. No foreign keys: a record outlives what it tells of, and is written in bulk.

    On PostgreSQL every month is a partition, by the time in the id: migration 0008, `roadmap/operations/log_partitions.py`.
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
    trace_id = peewee.UUIDField(null=True)  # of the request that it belongs to, through every queue

    Meta = SimpleNamespace(
        indexes=((("roadmap_id", "id"), False),),
    )


class ExpiredLogRecord(Table):
    """A record that came when its month was deleted already, for a day: one that comes twice is counted once."""

    id = peewee.UUIDField(primary_key=True)
    counted_at = UtcDateTimeField(index=True)


class LogSource(Table):
    """One process that writes records, for a day: what it has numbered, and what of that is stored or was too late to be.
    The difference is on its way or lost. The row with id 0 has the sums of those that have ended.
    """

    id = peewee.UUIDField(primary_key=True)
    service = peewee.CharField(max_length=20)
    last_seq = peewee.BigIntegerField()
    stored = peewee.BigIntegerField()
    expired = peewee.BigIntegerField(default=0)  # came when their month was deleted already
    dropped = peewee.BigIntegerField()  # found no room in the buffer, and got no number
    behind_since = UtcDateTimeField(null=True)  # since when fewer are stored than numbered
    updated_at = UtcDateTimeField()
