"""Many rows in one statement: as a JSON document that the database takes apart, which is quicker than to write out each value.
Ids may be given as hexadecimal text, times as ISO 8601 in UTC, as they are in a message.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import peewee

from core.backends import FROM_HEX
from core.db import database, is_postgres, skip_locked, transaction
from models.base import Table

AS_IN_JSON = {"TEXT", "VARCHAR", "INT", "BIGINT", "SMALLINT", "BOOL", "DOUBLE", "FLOAT"}
Change = Callable[[Any], Any]
# Of fields, as PostgreSQL reads them from JSON.
TYPES = {
    **{
        "UUID": "uuid",
        "TEXT": "text",
        "VARCHAR": "text",
        "INT": "integer",
        "BIGINT": "bigint",
        "SMALLINT": "smallint",
    },
    **{
        "BOOL": "boolean",
        "JSON": "jsonb",
        "DATETIME": "timestamp",
        "DATE": "date",
        "BLOB": "bytea",
        "DOUBLE": "float8",
        "FLOAT": "float4",
    },
}


def insert_rows(
    table: type[Table],
    rows: Sequence[Mapping[str, Any]],
    *,
    common: Mapping[str, Any] | None = None,
    pass_over: bool = False,
    are_json: bool = False,
) -> int:
    """How many were inserted. All have the same fields; `common` are those of all rows, beside what has a default. With
    `pass_over`, rows that are there already are passed over; else they raise peewee.IntegrityError, and none is inserted.
    Rows that `are_json` have no values but those of JSON, as a message has brought them: PostgreSQL reads them as they are.
    """
    if not rows:
        return 0
    same = common or {}
    if any(row.keys() != rows[0].keys() for row in rows):
        raise ValueError(f"not all rows of {table.__name__} have the same fields")
    plan = _plan(table, tuple(rows[0]), tuple(same), pass_over, is_postgres())  # type: ignore[arg-type] # a class is hashable
    own = rows if are_json and is_postgres() else [_changed(row, plan.own) for row in rows]
    shared = [None if same[name] is None else change(same[name]) for name, change in plan.shared]
    return int(
        database.execute_sql(plan.statement, (*shared, *plan.defaults, _dumped(own))).rowcount
    )


def _changed(row: Mapping[str, Any], changes: Sequence[tuple[str, Change]]) -> dict[str, Any]:
    changed = dict(row)
    for name, change in changes:
        if changed[name] is not None:
            changed[name] = change(changed[name])
    return changed


@dataclass(frozen=True, slots=True)
class _Plan:
    """A statement, and what makes its values: of the fields that all rows have in common, of defaults, of each row (where the
    value is not what JSON has anyway).
    """

    statement: str
    shared: Sequence[tuple[str, Change]]
    defaults: Sequence[Any]
    own: Sequence[tuple[str, Change]]


@lru_cache
def _plan(
    table: type[Table],
    own: tuple[str, ...],
    shared: tuple[str, ...],
    pass_over: bool,
    for_postgres: bool,
) -> _Plan:
    fields = table._meta.fields
    found = {name: field.default for name, field in fields.items() if name not in (*own, *shared)}
    defaults = {name: default for name, default in found.items() if default is not None}
    if made := [name for name, default in defaults.items() if callable(default)]:
        raise ValueError(f"{table.__name__}.{made[0]} is made anew for each row: give it")
    columns = ", ".join(f'"{fields[name].column_name}"' for name in (*shared, *defaults, *own))
    if for_postgres:
        read = [
            *(f"%s::{_type(fields[name])}" for name in (*shared, *defaults)),
            *(f'"{name}"' for name in own),
        ]
        told = ", ".join(f'"{name}" {_type(fields[name])}' for name in own)
        source = f"json_to_recordset(%s) AS row({told})"
    else:
        read = [
            *("?" for _ in (*shared, *defaults)),
            *(_extracted(fields[name], name) for name in own),
        ]
        source = "json_each(?)"
    statement = f'INSERT INTO "{table._meta.table_name}" ({columns}) SELECT {", ".join(read)} FROM {source} WHERE true'
    return _Plan(
        statement=statement + " ON CONFLICT DO NOTHING" if pass_over else statement,
        shared=[(name, _written(fields[name])) for name in shared],
        defaults=[_written(fields[name])(default) for name, default in defaults.items()],
        own=[
            (name, change)
            for name in own
            if (change := _change(fields[name], for_postgres)) is not None
        ],
    )


def _extracted(field: peewee.Field, name: str) -> str:
    value = f"json_extract(value, '$.{name}')"
    return f"{FROM_HEX}({value})" if _kind(field) == "BLOB" else value


def _type(field: peewee.Field) -> str:
    return TYPES[_kind(field)]


def _is_json(field: peewee.Field) -> bool:
    return _kind(field) == "JSON"


def _kind(field: peewee.Field) -> str:
    kind: str = (field.rel_field if isinstance(field, peewee.ForeignKeyField) else field).field_type
    return kind


def _change(field: peewee.Field, for_postgres: bool) -> Change | None:
    """What a value needs before it is part of the document; None: it may stay as it is."""
    kind = _kind(field)
    if kind in AS_IN_JSON or (for_postgres and kind == "JSON"):
        return None
    if kind == "BLOB":
        return _escaped if for_postgres else bytes.hex
    if for_postgres and kind in ("UUID", "DATETIME"):  # it reads every spelling
        written = _written(field)
        return lambda value: value if type(value) is str else written(value)
    return _written(field)


def _written(field: peewee.Field) -> Change:
    """What makes a number or a text of a value of this field, as both databases take it."""
    if _is_json(field):
        return _dumped
    if isinstance(field, peewee.DateField):
        return str
    if _kind(field) == "UUID":
        return _hexadecimal
    if _kind(field) == "DATETIME":
        return lambda value: field.db_value(
            datetime.fromisoformat(value) if isinstance(value, str) else value
        )
    change: Change = field.db_value
    return change


def _escaped(value: bytes) -> str:
    """As PostgreSQL reads bytes from a text."""
    return f"\\x{value.hex()}"


def _hexadecimal(value: Any) -> str:
    return value.hex if isinstance(value, UUID) else str(value).replace("-", "")


def _dumped(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def delete_batches(key: peewee.Field, old: peewee.Select, *, size: int, batches: int) -> None:
    """Delete the rows whose keys a query selects: so many in one transaction, and so many times.

    Rows that another process has locked are passed over.
    """
    for _ in range(batches):
        with transaction():
            keys = [each for (each,) in skip_locked(old.limit(size)).tuples()]
            if keys:
                key.model.delete().where(key.in_(keys)).execute()
        if len(keys) < size:
            return
