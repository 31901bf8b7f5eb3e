"""Backup and restore of all data, between either kind of database.

A backup is read in one snapshot while the service runs, and restored in one transaction into a
database without rows. Values have a form of their own: ids in hexadecimal, times in UTC, JSON as
text. Keys of the environment (SECRET_KEY), and messages that wait in the queues, are not part of
it: rescue makes new messages for all work in the rows.
"""

import base64
import json
import math
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import peewee

import models
from core import clock
from core.backup_format import (
    FORMAT,
    FORMAT_VERSION,
    Column,
    Manifest,
    NotABackup,
    Reader,
    TableHead,
    Writer,
)
from core.connection_errors import first_line
from core.errors import Conflict
from core.migrate import apply_pending, connected, known, migration_lock, pending, unknown
from core.sanitize import strip_nul, strip_nul_json
from core.settings import Settings
from models.base import Table

for _module in pkgutil.iter_modules(models.__path__):
    import_module(f"models.{_module.name}")

# No backup has exports of accounts: they are made again when they are ordered.
EXPORTS = ("account_export", "export_piece")
LOGS = ("execution_log", "log_source")  # optional; the second counts the first
HISTORY = "schema_migration"
FEWEST, MOST = 20, 2_000  # rows of one statement
GOAL = 1024 * 1024  # bytes of rows in memory at once, about
MOST_VALUES = 30_000  # of one statement; SQLite takes 32,766
KINDS = {  # of fields, as they stand in a backup
    "UUID": "uuid",
    "TEXT": "text",
    "VARCHAR": "text",
    "INT": "integer",
    "BIGINT": "integer",
    "SMALLINT": "integer",
    "BOOL": "boolean",
    "JSON": "json",
    "DATETIME": "time",
    "DATE": "date",
    "BLOB": "bytes",
    "DOUBLE": "number",
    "FLOAT": "number",
}
Value = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Summary:
    """Summary of a backup or restore: rows by table, and bytes of the file."""

    rows: dict[str, int]
    size: int
    left_out: tuple[str, ...]
    made_at: str
    migrated: list[str]


def tables() -> list[type[Table]]:
    """Return all tables of the application, referenced ones first."""
    found = list(Table.__subclasses__())
    for each in found:
        found += each.__subclasses__()
    return [each for each in peewee.sort_models(found) if not each.__subclasses__()]


def kind_of(field: peewee.Field) -> str:
    """Return the kind of a column. Raises KeyError for a type that no backup has."""
    own = field.rel_field if isinstance(field, peewee.ForeignKeyField) else field
    return KINDS[own.field_type]


def write(
    settings: Settings,
    file: AbstractContextManager[BinaryIO],
    entry: AbstractContextManager[object],
    *,
    with_logs: bool = True,
) -> Summary:
    """Back up the database into `file`, inside of `entry`, an audit log entry that is not in it.

    Raises Conflict, OSError, Unavailable, and what the driver raises.
    """
    left_out = () if with_logs else LOGS
    with connected(settings) as database:
        if not database.table_exists(HISTORY):
            raise Conflict("There is nothing to back up: the database has no tables yet.")
        with _snapshot(database):
            if pending(database) or unknown(database):
                raise Conflict(
                    "The database is of another version than this program: "
                    "back it up with that version, or migrate."
                )
            kept = [each for each in tables() if each._meta.table_name not in (*left_out, *EXPORTS)]
            manifest = Manifest(
                format=FORMAT,
                format_version=FORMAT_VERSION,
                mode="embedded" if settings.embedded else "server",
                made_at=clock.now().isoformat(timespec="seconds"),
                migrations=tuple(known()),
                left_out=left_out,
                tables=tuple(
                    TableHead(
                        name=each._meta.table_name,
                        columns=tuple(
                            Column(name=field.column_name, kind=kind_of(field))
                            for field in each._meta.sorted_fields
                        ),
                    )
                    for each in kept
                ),
            )
            with entry, file as output:
                writer = Writer(output, manifest)
                for table, head in zip(kept, manifest.tables, strict=True):
                    writer.begin(head.name)
                    _write_rows(database, table, head, writer)
                writer.end()
    return Summary(writer.rows, writer.size, left_out, manifest.made_at, [])


def restore(settings: Settings, path: Path) -> Summary:
    """Restore everything, and migrate it to this version.

    The file is read to its end first, and nothing is changed unless it is whole and the database
    has no rows. Raises NotABackup, Conflict, OSError, and what the driver raises.
    """
    reader = Reader(path)
    manifest = reader.manifest()
    if newer := sorted(set(manifest.migrations) - set(known())):
        raise NotABackup(
            f"a newer version of this service has made it, which has {newer[-1]}; "
            "restore it with that version"
        )
    if not manifest.migrations or list(manifest.migrations) != known()[: len(manifest.migrations)]:
        raise NotABackup("its list of migrations is not one of this service")
    whole = reader.verify()
    with connected(settings) as database, _one_change(database), migration_lock(database):
        _empty(database)
        apply_pending(database, manifest.migrations[-1])
        for table, rows in reader.tables():
            _read_rows(database, table, rows)
        if reader.rows != whole:
            raise NotABackup("it has changed while it was read")
        migrated = apply_pending(database)
    return Summary(whole, path.stat().st_size, manifest.left_out, manifest.made_at, migrated)


@contextmanager
def _snapshot(database: peewee.Database) -> Iterator[None]:
    """Read everything as of one moment, without locks."""
    is_postgres = isinstance(database, peewee.PostgresqlDatabase)
    with database.atomic(*([] if is_postgres else ["DEFERRED"])):
        database.execute_sql(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
            if is_postgres
            else "SELECT 1 FROM sqlite_master LIMIT 1"  # SQLite's snapshot is of the first query
        )
        yield


@contextmanager
def _one_change(database: peewee.Database) -> Iterator[None]:
    """Change all or nothing.

    SQLite checks references last: its migrations rebuild tables.
    """
    is_sqlite = isinstance(database, peewee.SqliteDatabase)
    if is_sqlite:
        database.pragma("foreign_keys", 0)
    with database.atomic(*(["EXCLUSIVE"] if is_sqlite else [])):
        yield
        if is_sqlite and (broken := database.execute_sql("PRAGMA foreign_key_check").fetchone()):
            raise NotABackup(f"a row of {broken[0]} refers to one that is not there")


def _empty(database: peewee.Database) -> None:
    """Drop our tables, if none of them has a row. Raises Conflict."""
    if database.table_exists(HISTORY) and (newer := unknown(database)):
        raise Conflict(
            f"The database is of a newer version than this program, which has {newer[-1]}."
        )
    there = [
        name for name in (each._meta.table_name for each in tables()) if database.table_exists(name)
    ]
    # Without the lock, a row could be written between the look and the drop.
    if there and isinstance(database, peewee.PostgresqlDatabase):
        quoted = ", ".join(f'"{name}"' for name in there)
        database.execute_sql(f"LOCK TABLE {quoted} IN ACCESS EXCLUSIVE MODE")
    for name in there:
        if database.execute_sql(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone():
            raise Conflict(
                f"The database is not empty: there are rows in {name}. "
                "Nothing was changed; restore into a new one."
            )
    for name in reversed(there):
        database.execute_sql(f'DROP TABLE "{name}"')
    database.execute_sql(f"DROP TABLE IF EXISTS {HISTORY}")


def _write_rows(
    database: peewee.Database, table: type[Table], head: TableHead, writer: Writer
) -> None:
    """Write rows by primary key, some at a time.

    No row is in memory twice, and no statement is long.
    """
    names = [field.column_name for field in table._meta.get_primary_keys()]
    places = [[each.name for each in head.columns].index(name) for name in names]
    # Ids and JSON are read as text: the driver would convert them.
    as_text = ("json", "uuid") if isinstance(database, peewee.PostgresqlDatabase) else ()
    shown = ", ".join(
        f'"{each.name}"{"::text" if each.kind in as_text else ""}' for each in head.columns
    )
    order = ", ".join(f'"{head.name}"."{name}"' for name in names)  # the column, not its text
    beyond = f"WHERE ({order}) > ({', '.join([database.param] * len(names))})"
    to_file = [TO_FILE[each.kind] for each in head.columns]
    last: tuple[Any, ...] = ()
    most = FEWEST
    while True:
        where = beyond if last else ""
        query = f'SELECT {shown} FROM "{head.name}" {where} ORDER BY {order} LIMIT {most}'
        rows = database.execute_sql(query, last).fetchall()
        size = sum(writer.add(_changed(to_file, row)) for row in rows)
        if len(rows) < most:
            return
        last = tuple(rows[-1][place] for place in places)
        most = max(FEWEST, min(MOST, most * 2, most * GOAL // max(size, 1)))


def _changed(changes: list[Value], row: Sequence[Any]) -> list[Any]:
    return [
        value if value is None else change(value)
        for change, value in zip(changes, row, strict=True)
    ]


def _read_rows(database: peewee.Database, table: TableHead, rows: Iterator[list[Any]]) -> None:
    ours = table.name != HISTORY and database.table_exists(table.name)
    there = {each.name for each in database.get_columns(table.name)} if ours else set()
    for column in table.columns:
        if column.name not in there or column.kind not in FITS:
            raise NotABackup(
                f"its table {table.name} has a column {column.name} that this service does not know"
            )
    if len({each.name for each in table.columns}) < len(table.columns):
        raise NotABackup(f"its table {table.name} has a column twice")
    from_file = POSTGRES if isinstance(database, peewee.PostgresqlDatabase) else SQLITE
    fits = [FITS[each.kind] for each in table.columns]
    changes = [from_file.get(each.kind, lambda value: value) for each in table.columns]
    names = ", ".join(f'"{each.name}"' for each in table.columns)
    one = f"({', '.join([database.param] * len(table.columns))})"
    most = min(MOST, MOST_VALUES // len(table.columns))
    batch: list[Any] = []
    size = 0

    def write() -> None:
        places = ", ".join([one] * (len(batch) // len(table.columns)))
        try:
            database.execute_sql(f'INSERT INTO "{table.name}" ({names}) VALUES {places}', batch)
        except (peewee.IntegrityError, peewee.DataError) as error:
            raise NotABackup(
                f"the database does not take a row of {table.name} ({first_line(error)})"
            ) from None

    for row in rows:
        try:
            if not all(value is None or fit(value) for fit, value in zip(fits, row, strict=True)):
                raise ValueError
            values = _changed(changes, row)
        except (ValueError, RecursionError):
            raise NotABackup(
                f"a row of {table.name} has a value that does not fit its column"
            ) from None
        batch += values
        size += sum(len(value) for value in values if isinstance(value, str | bytes))
        if len(batch) == most * len(table.columns) or size > GOAL:
            write()
            batch, size = [], 0
    if batch:
        write()


def _moment(value: Any) -> str:
    moment = datetime.fromisoformat(str(value)).replace(tzinfo=None)
    return moment.isoformat(" ", timespec="microseconds")


def _is_text(value: Any) -> bool:
    """Whether every database takes it."""
    return isinstance(value, str) and strip_nul(value) == value


# Whether a value in a file is of its kind: SQLite would take any value.
FITS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("uuid", "text", "time", "date", "bytes"), _is_text),
    "integer": lambda value: type(value) is int and abs(value) < 2**63,
    "number": lambda value: type(value) in (int, float) and math.isfinite(value),
    "boolean": lambda value: type(value) is bool,
    "json": lambda value: (
        _is_text(value) and strip_nul_json(value) == value and (json.loads(value) or True)
    ),  # or it raises ValueError
}
TO_FILE: dict[str, Value] = {
    "uuid": lambda value: UUID(str(value)).hex,
    "text": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "json": str,
    "time": _moment,
    "date": str,
    "bytes": lambda value: base64.b64encode(bytes(value)).decode(),
}
SQLITE: dict[str, Value] = {
    "uuid": lambda value: UUID(value).hex,
    "boolean": int,
    "time": _moment,
    "bytes": base64.b64decode,
}
POSTGRES: dict[str, Value] = {
    "uuid": lambda value: str(UUID(value)),
    "time": _moment,
    "bytes": base64.b64decode,
}
