"""Everything that the database has, in a file that either kind of database takes back.

A backup is read in one snapshot while the service runs, and restored in one transaction into a database without rows. Values
stand in the file as neither database has them: ids in hexadecimal, times in UTC, JSON as text. Keys of the environment
(SECRET_KEY), and messages that wait in the queues, are not part of it: rescue makes new ones for all work that the rows know.
"""

import base64
import json
import math
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any
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
    new_file,
)
from core.connection_errors import first_line
from core.errors import Conflict
from core.migrate import alone, apply_pending, connected, known, pending, unknown
from core.sanitize import strip_nul, strip_nul_json
from core.settings import Settings
from models.base import Table

for _module in pkgutil.iter_modules(models.__path__):
    import_module(f"models.{_module.name}")

EXPORTS = ("account_export", "export_piece")  # made again when they are ordered: no backup has them
LOGS = ("execution_log", "log_source")  # which may be left out; the second counts the first
HISTORY = "schema_migration"
FEWEST, MOST = 20, 2_000  # rows that are read or written at once
GOAL = 1024 * 1024  # bytes of rows that are in memory at once, about
MOST_VALUES = 30_000  # of one statement; SQLite takes 32,766
KINDS = {  # of fields, as they stand in a backup
    **{
        "UUID": "uuid",
        "TEXT": "text",
        "VARCHAR": "text",
        "INT": "integer",
        "BIGINT": "integer",
        "SMALLINT": "integer",
    },
    **{
        "BOOL": "boolean",
        "JSON": "json",
        "DATETIME": "time",
        "DATE": "date",
        "BLOB": "bytes",
        "DOUBLE": "number",
    },
    **{"FLOAT": "number"},
}
Value = Callable[[Any], Any]
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written or read: rows by table, and bytes of the file."""

    rows: dict[str, int]
    size: int
    left_out: tuple[str, ...]
    made_at: str
    migrated: list[str]


def tables() -> list[type[Table]]:
    """All of the application's, those first that others refer to."""
    found: list[type[Table]] = []
    ahead = list(Table.__subclasses__())
    while ahead:
        each = ahead.pop()
        ahead += each.__subclasses__()
        if each._meta.table_name != "identified":
            found.append(each)
    return list(peewee.sort_models(found))


def kind_of(field: peewee.Field) -> str:
    """Raises KeyError for a field that no backup knows."""
    return KINDS[
        field.rel_field.field_type
        if isinstance(field, peewee.ForeignKeyField)
        else field.field_type
    ]


def write(
    settings: Settings,
    path: Path,
    act: AbstractContextManager[object],
    *,
    with_logs: bool = True,
    replace: bool = False,
) -> Summary:
    """Back the database up inside of `act`, an entry of the audit log that is not in the file.

    Raises Conflict, OSError, Unavailable, and what the driver raises.
    """
    left_out = () if with_logs else LOGS
    with connected(settings) as database:
        if not database.table_exists(HISTORY):
            raise Conflict("There is nothing to back up: the database has no tables yet.")
        with _snapshot(database):
            applied = _applied(database)
            if pending(database) or unknown(database):
                raise Conflict(
                    "The database is of another version than this program: back it up with that version, or migrate."
                )
            kept = [each for each in tables() if each._meta.table_name not in (*left_out, *EXPORTS)]
            made_at = clock.now().isoformat(timespec="seconds")
            manifest = Manifest(
                format=FORMAT,
                format_version=FORMAT_VERSION,
                mode="embedded" if settings.embedded else "server",
                made_at=made_at,
                migrations=tuple(applied),
                left_out=left_out,
                tables=tuple(_head(each) for each in kept),
            )
            with act, new_file(path, replace=replace) as sink:
                writer = Writer(sink, manifest)
                for table in kept:
                    writer.begin(table._meta.table_name)
                    _write_rows(database, table, writer)
                writer.end()
    return Summary(writer.rows, path.stat().st_size, left_out, made_at, [])


def restore(settings: Settings, path: Path) -> Summary:
    """Put everything back, as this version has it. Raises NotABackup, Conflict, OSError, and what the driver raises.

    The file is read to its end first, and nothing is changed unless it is whole and the database has no rows.
    """
    reader = Reader(path)
    manifest = reader.manifest()
    if newer := sorted(set(manifest.migrations) - set(known())):
        raise NotABackup(
            f"a newer version of this service has made it, which has {newer[-1]}; restore it with that version"
        )
    if not manifest.migrations or list(manifest.migrations) != known()[: len(manifest.migrations)]:
        raise NotABackup("its list of migrations is not one of this service")
    whole = reader.verify()
    with connected(settings) as database, _one_change(database), alone(database):
        _empty(database)
        apply_pending(database, manifest.migrations[-1])
        for table, rows in reader.tables():
            _read_rows(database, table, rows)
        if reader.rows != whole:
            raise NotABackup("it has changed while it was read")
        migrated = apply_pending(database)
    return Summary(whole, path.stat().st_size, manifest.left_out, manifest.made_at, migrated)


def _applied(database: peewee.Database) -> list[str]:
    return [
        name
        for (name,) in database.execute_sql(f"SELECT name FROM {HISTORY} ORDER BY name").fetchall()
    ]


@contextmanager
def _snapshot(database: peewee.Database) -> Iterator[None]:
    """All that is read is of one moment, and nobody waits for it."""
    if isinstance(database, peewee.PostgresqlDatabase):
        with database.atomic():
            database.execute_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
        return
    with database.atomic("DEFERRED"):
        database.execute_sql("SELECT 1 FROM sqlite_master LIMIT 1")  # from here on
        yield


@contextmanager
def _one_change(database: peewee.Database) -> Iterator[None]:
    """All or nothing. SQLite compares references at the end, since its migrations build tables anew."""
    if isinstance(database, peewee.PostgresqlDatabase):
        with database.atomic():
            yield
        return
    database.pragma("foreign_keys", 0)
    with database.atomic("EXCLUSIVE"):
        yield
        if broken := database.execute_sql("PRAGMA foreign_key_check").fetchone():
            raise NotABackup(f"a row of {broken[0]} refers to one that is not there")


def _empty(database: peewee.Database) -> None:
    """Without our tables, if none of them has a row. Raises Conflict."""
    if database.table_exists(HISTORY) and (newer := unknown(database)):
        raise Conflict(
            f"The database is of a newer version than this program, which has {newer[-1]}."
        )
    there = [
        each._meta.table_name for each in tables() if database.table_exists(each._meta.table_name)
    ]
    if there and isinstance(
        database, peewee.PostgresqlDatabase
    ):  # or somebody writes a row between the look and the drop
        quoted = ", ".join(f'"{name}"' for name in there)
        database.execute_sql(f"LOCK TABLE {quoted} IN ACCESS EXCLUSIVE MODE")
    for name in there:
        if database.execute_sql(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone():
            raise Conflict(
                f"The database is not empty: there are rows in {name}. Nothing was changed; restore into a new one."
            )
    for name in reversed(there):
        database.execute_sql(f'DROP TABLE "{name}"')
    database.execute_sql(f"DROP TABLE IF EXISTS {HISTORY}")


def _head(table: type[Table]) -> TableHead:
    columns = tuple(
        Column(name=each.column_name, kind=kind_of(each)) for each in table._meta.sorted_fields
    )
    return TableHead(name=table._meta.table_name, columns=columns)


def _write_rows(database: peewee.Database, table: type[Table], writer: Writer) -> None:
    """In the order of the primary key, some at a time: no row is twice in memory, and no statement takes long."""
    head = _head(table)
    key = table._meta.primary_key
    fields = key.field_names if isinstance(key, peewee.CompositeKey) else [key.name]
    names = [table._meta.fields[each].column_name for each in fields]
    places = [[each.name for each in head.columns].index(name) for name in names]
    is_postgres = isinstance(database, peewee.PostgresqlDatabase)
    shown = ", ".join(_shown(each, is_postgres) for each in head.columns)
    order, mark = (
        ", ".join(f'"{head.name}"."{name}"' for name in names),
        database.param,
    )  # not the text that is shown
    beyond = f"WHERE ({order}) > ({', '.join([mark] * len(names))})"
    to_file = [TO_FILE[each.kind] for each in head.columns]
    last: tuple[Any, ...] = ()
    most = FEWEST
    while True:
        query = f'SELECT {shown} FROM "{head.name}" {beyond if last else ""} ORDER BY {order} LIMIT {most}'
        rows = database.execute_sql(query, last).fetchall()
        size = sum(
            writer.add(
                [
                    value if value is None else change(value)
                    for change, value in zip(to_file, row, strict=True)
                ]
            )
            for row in rows
        )
        if len(rows) < most:
            return
        last = tuple(rows[-1][place] for place in places)
        most = max(FEWEST, min(MOST, most * 2, most * GOAL // max(size, 1)))


def _shown(column: Column, is_postgres: bool) -> str:
    """JSON and ids as text, which the driver would make something else of."""
    return (
        f'"{column.name}"::text'
        if is_postgres and column.kind in ("json", "uuid")
        else f'"{column.name}"'
    )


def _read_rows(database: peewee.Database, table: TableHead, rows: Iterator[list[Any]]) -> None:
    ours = table.name != HISTORY and database.table_exists(table.name)
    there = {each.name for each in database.get_columns(table.name)} if ours else set()
    if unfit := [
        each.name for each in table.columns if each.name not in there or each.kind not in FITS
    ]:
        raise NotABackup(
            f"its table {table.name} has a column {unfit[0]} that this service does not know"
        )
    if len({each.name for each in table.columns}) < len(table.columns):
        raise NotABackup(f"its table {table.name} has a column twice")
    is_postgres = isinstance(database, peewee.PostgresqlDatabase)
    fits = [FITS[each.kind] for each in table.columns]
    changes = [
        (POSTGRES if is_postgres else SQLITE).get(each.kind, _same) for each in table.columns
    ]
    names = ", ".join(f'"{each.name}"' for each in table.columns)
    one = f"({', '.join([database.param] * len(table.columns))})"
    most = min(MOST, MOST_VALUES // len(table.columns))
    batch: list[Any] = []
    count = size = 0

    def write() -> None:
        try:
            database.execute_sql(
                f'INSERT INTO "{table.name}" ({names}) VALUES {", ".join([one] * count)}', batch
            )
        except (peewee.IntegrityError, peewee.DataError) as error:
            raise NotABackup(
                f"the database does not take a row of {table.name} ({first_line(error)})"
            ) from None

    for row in rows:
        try:
            if not all(value is None or fit(value) for fit, value in zip(fits, row, strict=True)):
                raise ValueError
            values = [
                value if value is None else change(value)
                for change, value in zip(changes, row, strict=True)
            ]
        except (ValueError, RecursionError):
            raise NotABackup(
                f"a row of {table.name} has a value that does not fit its column"
            ) from None
        batch += values
        count, size = (
            count + 1,
            size + sum(len(value) for value in values if isinstance(value, str | bytes)),
        )
        if count == most or size > GOAL:
            write()
            batch, count, size = [], 0, 0
    if count:
        write()


def _same(value: Any) -> Any:
    return value


def _moment(value: Any) -> str:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return str(moment.replace(tzinfo=None).isoformat(" ", timespec="microseconds"))


def _is_text(value: Any) -> bool:
    """That every database takes."""
    return isinstance(value, str) and strip_nul(value) == value


def _is_json(value: Any) -> bool:
    """Raises ValueError."""
    return _is_text(value) and strip_nul_json(value) == value and (json.loads(value) or True)


FITS: dict[
    str, Callable[[Any], bool]
] = {  # whether a value in a file is one of its kind: SQLite would take any for any
    **dict.fromkeys(("uuid", "text", "time", "date", "bytes"), _is_text),
    "integer": lambda value: type(value) is int and abs(value) < 2**63,
    "number": lambda value: type(value) in (int, float) and math.isfinite(value),
    "boolean": lambda value: type(value) is bool,
    "json": _is_json,
}
TO_FILE: dict[str, Value] = {
    "uuid": lambda value: UUID(str(value)).hex,
    "text": _same,
    "integer": int,
    "number": float,
    "boolean": bool,
    "json": _same,
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
