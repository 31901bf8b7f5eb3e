"""Bulk inserts: many rows in one statement, as a JSON document.

The database takes it apart, which is quicker than a list of values. Ids may be hexadecimal text,
times ISO 8601 in UTC, as in a message.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, cast
from uuid import UUID

import peewee

from core.backends import FROM_HEX
from core.db import database, is_postgres, skip_locked, transaction
from models.base import Table

AS_IN_JSON = {"TEXT", "VARCHAR", "INT", "BIGINT", "SMALLINT", "BOOL", "DOUBLE", "FLOAT"}
Change = Callable[[Any], Any]
COMPACT = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
# Types of fields in PostgreSQL
TYPES = {
    "UUID": "uuid", "TEXT": "text", "VARCHAR": "text", "INT": "integer", "BIGINT": "bigint",
    "SMALLINT": "smallint", "BOOL": "boolean", "JSON": "jsonb", "DATETIME": "timestamp",
    "DATE": "date", "BLOB": "bytea", "DOUBLE": "float8", "FLOAT": "float4",
}  # fmt: skip


class InsertStatement(NamedTuple):
    """A statement with the defaults of its fields, and the conversions of its values."""

    sql: str
    common: list[tuple[str, Change]]  # of fields that all rows have in common
    defaults: list[Any]
    own: list[tuple[str, Change]]  # of fields of each row that are not JSON anyway


def insert_rows(
    table: type[Table],
    rows: Sequence[Mapping[str, Any]],
    *,
    common: Mapping[str, Any] | None = None,
    pass_over: bool = False,
    are_json: bool = False,
) -> int:
    """Insert rows that have the same fields, and return their number.

    `common` are values of all rows. Fields without a value have their default. With `pass_over`,
    existing rows are skipped; otherwise they raise peewee.IntegrityError, and none is inserted.
    Rows that `are_json` have values of JSON alone, as in a message: PostgreSQL reads them as they
    are.
    """
    if not rows:
        return 0
    same, for_postgres = common or {}, is_postgres()
    insert = _insert_statement(
        table,  # type: ignore[arg-type]  # a class is hashable, as the cache requires
        tuple(rows[0]),
        tuple(same),
        pass_over,
        for_postgres,
    )
    changes = [] if are_json and for_postgres else insert.own
    own = []
    for row in rows:
        if row.keys() != rows[0].keys():
            raise ValueError(f"not all rows of {table.__name__} have the same fields")
        own.append(
            {
                **row,
                **{name: change(row[name]) for name, change in changes if row[name] is not None},
            }
        )
    values = [None if same[name] is None else change(same[name]) for name, change in insert.common]
    return int(
        database.execute_sql(insert.sql, (*values, *insert.defaults, COMPACT.encode(own))).rowcount
    )


@lru_cache
def _insert_statement(
    table: type[Table],
    own: tuple[str, ...],
    shared: tuple[str, ...],
    pass_over: bool,
    for_postgres: bool,
) -> InsertStatement:
    fields = table._meta.fields
    defaults = {
        name: field.default
        for name, field in fields.items()
        if name not in (*own, *shared) and field.default is not None
    }
    if computed := [name for name, default in defaults.items() if callable(default)]:
        raise ValueError(f"{table.__name__}.{computed[0]} is computed for each row: pass a value")
    columns = ", ".join(f'"{fields[name].column_name}"' for name in (*shared, *defaults, *own))
    types = {name: TYPES[_kind(fields[name])] for name in (*shared, *defaults, *own)}
    if for_postgres:
        read = [f"%s::{types[name]}" for name in (*shared, *defaults)]
        read += [f'"{name}"' for name in own]
        columns_read = ", ".join(f'"{name}" {types[name]}' for name in own)
        source = f"json_to_recordset(%s) AS row({columns_read})"
    else:
        read = ["?" for _ in (*shared, *defaults)]
        for name in own:
            value = f"json_extract(value, '$.{name}')"
            read.append(f"{FROM_HEX}({value})" if _kind(fields[name]) == "BLOB" else value)
        source = "json_each(?)"
    into = f'INSERT INTO "{table._meta.table_name}" ({columns})'
    changes = ((name, _change(fields[name], for_postgres)) for name in own)
    return InsertStatement(
        f"{into} SELECT {', '.join(read)} FROM {source} WHERE true"
        + (" ON CONFLICT DO NOTHING" if pass_over else ""),
        [(name, _written(fields[name])) for name in shared],
        [_written(fields[name])(default) for name, default in defaults.items()],
        [(name, change) for name, change in changes if change is not None],
    )


def _kind(field: peewee.Field) -> str:
    return str((field.rel_field if isinstance(field, peewee.ForeignKeyField) else field).field_type)


def _change(field: peewee.Field, for_postgres: bool) -> Change | None:
    """Return the conversion of a value to JSON, or None if it is JSON already."""
    kind = _kind(field)
    if kind in AS_IN_JSON or (for_postgres and kind == "JSON"):
        return None
    if kind == "BLOB":
        return (lambda value: f"\\x{value.hex()}") if for_postgres else bytes.hex
    if for_postgres and kind in ("UUID", "DATETIME"):  # it reads text of any form
        written = _written(field)
        return lambda value: value if type(value) is str else written(value)
    return _written(field)


def _written(field: peewee.Field) -> Change:
    """Return the conversion to a number or text that both databases accept."""
    kind = _kind(field)
    if kind == "JSON":
        return COMPACT.encode
    if kind == "DATE":
        return str
    if kind == "UUID":
        return lambda value: value.hex if isinstance(value, UUID) else str(value).replace("-", "")
    if kind == "DATETIME":
        return lambda value: field.db_value(
            datetime.fromisoformat(value) if isinstance(value, str) else value
        )
    return cast(Change, field.db_value)


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
