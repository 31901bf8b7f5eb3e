"""The execution log."""

import peewee

from models.base import Identified, UtcDateTimeField


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
