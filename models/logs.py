"""The execution log, and the ledger of who wrote how much of it."""

import peewee

from models.base import Identified, Table, UtcDateTimeField


class ExecutionLog(Identified):
    """One thing that happened. No foreign keys: a record outlives what it tells of, and is written in bulk."""

    at = UtcDateTimeField()
    level = peewee.CharField(max_length=10)
    category = peewee.CharField(max_length=40)
    step = peewee.CharField(max_length=80)
    message = peewee.TextField()
    details = peewee.JSONField(null=True)
    duration_ms = peewee.IntegerField(null=True)
    roadmap_id = peewee.UUIDField(null=True)
    concept_id = peewee.UUIDField(null=True)

    class Meta:
        indexes = ((("roadmap_id", "id"), False),)


class LogSource(Table):
    """One process that writes records: what it has numbered, and what of that is stored. The difference is on its way or lost."""

    id = peewee.UUIDField(primary_key=True)
    service = peewee.CharField(max_length=20)
    last_seq = peewee.BigIntegerField()
    stored = peewee.BigIntegerField()
    dropped = peewee.BigIntegerField()  # found no room in the buffer, and got no number
    behind_since = UtcDateTimeField(null=True)  # since when fewer are stored than numbered
    updated_at = UtcDateTimeField()
