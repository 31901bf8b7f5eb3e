"""Base of all tables: the database, UUIDv7 keys, times in UTC."""

from datetime import UTC, datetime
from typing import Any

import peewee

from core.backends import database
from core.ids import new_id


class UtcDateTimeField(peewee.DateTimeField):
    """Aware in Python, UTC without a zone in the database; SQLite text sorts as time."""

    def db_value(self, value: Any) -> Any:
        if isinstance(value, datetime):
            return (
                value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", timespec="microseconds")
            )
        return value

    def python_value(self, value: Any) -> Any:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.replace(tzinfo=UTC) if isinstance(moment, datetime) else moment


class Table(peewee.Model):
    class Meta:
        database = database
        legacy_table_names = False
        only_save_dirty = True


class Identified(Table):
    """A table whose key is a UUID version 7, so that newer rows sort last."""

    id = peewee.UUIDField(primary_key=True, default=new_id)


class Leased(Identified):
    """Work for one worker at a time, which holds a lease of the row."""

    # Attempts that ended by themselves, and the one that runs
    attempts = peewee.IntegerField(default=0)
    interruptions = peewee.IntegerField(default=0)  # attempts that ended with their worker
    lease_token = peewee.UUIDField(null=True)
    lease_until = UtcDateTimeField(null=True)
    challenged_at = UtcDateTimeField(null=True)  # when the lease was found to be over
    due_at = UtcDateTimeField()  # of the next step
