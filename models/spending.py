"""What calls of a model cost: one row a call, and the sum of each account and month. Amounts are millionths of the currency."""

from types import SimpleNamespace

import peewee

from models.base import Identified, Table, UtcDateTimeField


class ModelCall(Identified):
    """One call. No foreign keys: what was paid stays in the books when the roadmap is deleted."""

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
    price = peewee.BigIntegerField()  # what it cost; while it runs, what is reserved
    prompt_tokens = peewee.IntegerField(null=True)  # null: the server did not say
    completion_tokens = peewee.IntegerField(null=True)
    ms = peewee.IntegerField(null=True)
    started_at = UtcDateTimeField()

    Meta = SimpleNamespace(
        indexes=(
            (("owner_id", "id"), False),
            (("roadmap_id", "id"), False),
            (("model", "step", "id"), False),
        ),
    )


class MonthlySpending(Table):
    """What an account has spent in a month, with what is reserved for calls that run."""

    owner_id = peewee.UUIDField()
    month = peewee.CharField(max_length=7)  # 2026-11, in UTC
    amount = peewee.BigIntegerField()

    Meta = SimpleNamespace(
        table_name="spending",
        primary_key=peewee.CompositeKey("owner_id", "month"),
    )
