"""Audit log: actions of operators and their outcomes."""

import peewee

from models.base import Identified, UtcDateTimeField


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
