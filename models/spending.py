"""Costs of model calls, and their sums by account and month.

Amounts are millionths of the currency.
"""

import peewee

from models.base import Identified, Table, UtcDateTimeField


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
