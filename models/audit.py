"""What operators have done, and what came of it."""

from types import SimpleNamespace

import peewee

from models.base import Identified, UtcDateTimeField


class AuditRecord(Identified):
    """One act. It has no foreign key: that something was done outlives the account that did it."""

    account_id = peewee.UUIDField(null=True)  # null: somebody at the command line
    actor = peewee.CharField(
        max_length=200
    )  # how that account, or the user of the machine, was called then
    address = peewee.CharField(max_length=100, default="")  # from which the request came
    request_id = peewee.CharField(max_length=64, default="")
    action = peewee.CharField(max_length=60)
    target = peewee.CharField(max_length=200)
    details = peewee.JSONField(null=True)  # of names: text, number, yes or no
    began_at = UtcDateTimeField()
    ended_at = UtcDateTimeField(null=True)
    outcome = peewee.CharField(
        max_length=10, null=True
    )  # done, refused, failed; null: not known, the process has died
    error = peewee.CharField(max_length=200, default="")

    Meta = SimpleNamespace(
        indexes=((("action", "id"), False),),
    )
