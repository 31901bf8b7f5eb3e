"""All data of an account as one archive."""

import peewee

from models.accounts import Account
from models.base import Leased, Table, UtcDateTimeField


class AccountExport(Leased):
    """Export of an account, with the lease and the outcome of its job."""

    account = peewee.ForeignKeyField(Account, on_delete="CASCADE", unique=True)  # one in existence
    status = peewee.CharField(max_length=10)
    error = peewee.CharField(max_length=200, default="")
    size = peewee.BigIntegerField(default=0)  # bytes
    created_at = UtcDateTimeField()
    ready_at = UtcDateTimeField(null=True)
    # When it is deleted; null: it is not finished
    expires_at = UtcDateTimeField(null=True, index=True)

    class Meta:
        indexes = ((("status", "due_at"), False),)


class ExportPiece(Table):
    """Part of the archive, in the database: services share no disk."""

    export = peewee.ForeignKeyField(AccountExport, on_delete="CASCADE", index=False)
    number = peewee.IntegerField()  # from 0
    content = peewee.BlobField()

    class Meta:
        primary_key = peewee.CompositeKey("export", "number")
