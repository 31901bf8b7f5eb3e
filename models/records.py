"""Records of what the service did: execution log, audit log, metrics, model calls.

They have no foreign keys, so that they outlive what they are about. Amounts are millionths of the
currency.
"""

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


class AuditRecord(Identified):
    """One action. Without foreign keys: the record outlives the account."""

    account_id = peewee.UUIDField(null=True)  # null: the command line
    # Name of that account, or of the user of the machine, at that time
    actor = peewee.CharField(max_length=200)
    address = peewee.CharField(max_length=100, default="")  # from which the request came
    request_id = peewee.CharField(max_length=64, default="")
    action = peewee.CharField(max_length=60)
    target = peewee.CharField(max_length=200)
    details = peewee.JSONField(null=True)  # of names: text, number, yes or no
    began_at = UtcDateTimeField()
    ended_at = UtcDateTimeField(null=True)
    # done, refused, failed; null: not known, the process has died
    outcome = peewee.CharField(max_length=10, null=True)
    error = peewee.CharField(max_length=200, default="")

    class Meta:
        indexes = ((("action", "id"), False),)


class ModelCall(Identified):
    """Model call. Without foreign keys: costs stay when the roadmap is deleted."""

    owner_id = peewee.UUIDField()
    roadmap_id = peewee.UUIDField()
    concept_id = peewee.UUIDField(null=True)
    content_id = peewee.UUIDField(null=True)
    step = peewee.CharField(max_length=20)
    model = peewee.CharField(max_length=200)
    prompt_version = peewee.CharField(max_length=40)
    attempt = peewee.IntegerField()
    outcome = peewee.CharField(max_length=10)
    reason = peewee.TextField(default="")
    reserved = peewee.BigIntegerField()
    price = peewee.BigIntegerField()  # its cost; while it runs, its reservation
    prompt_tokens = peewee.IntegerField(null=True)  # null: the server did not say
    completion_tokens = peewee.IntegerField(null=True)
    cached_tokens = peewee.IntegerField(null=True)  # of the prompt; null: none, or unknown
    ms = peewee.IntegerField(null=True)
    started_at = UtcDateTimeField()

    class Meta:
        indexes = (
            (("owner_id", "id"), False),
            (("roadmap_id", "id"), False),
            (("model", "step", "id"), False),
        )


class MonthlySpending(Table):
    """Costs of an account in a month, with reservations of running calls."""

    owner_id = peewee.UUIDField()
    month = peewee.CharField(max_length=7)  # 2026-11, in UTC
    amount = peewee.BigIntegerField()

    class Meta:
        table_name = "spending"
        primary_key = peewee.CompositeKey("owner_id", "month")
