"""What was answered to requests that have a name of their own."""

import peewee

from models.accounts import Account
from models.base import Table, UtcDateTimeField


class FirstAnswer(Table):
    """The answer to the first request with an Idempotency-Key. `status` null: the transaction that answers it still runs."""

    key_hash = peewee.CharField(max_length=64, primary_key=True)  # SHA-256 of owner and key, hex
    owner = peewee.ForeignKeyField(Account, on_delete="CASCADE", index=False)
    fingerprint = peewee.CharField(max_length=64)  # of what was asked: SHA-256, hex
    status = peewee.IntegerField(null=True)
    headers = peewee.JSONField(null=True)
    content = peewee.BlobField(null=True)
    is_repeatable = peewee.BooleanField(
        default=False
    )  # false: the answer had a secret, or an earlier version encrypted it
    created_at = UtcDateTimeField(index=True)
