"""The execution log of this process, in each mode, with records of any time.

It has a database of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import peewee
from pydantic import SecretStr

from core import clock
from core.backends import open_database
from core.db import database, session, settings
from core.ids import first_id, new_id
from core.migrate import migrate
from models.records import ExecutionLog
from roadmap.operations.execution_log import Entry
from testing.database import using
from testing.servers import Postgres

Document = dict[str, Any]
MODES = ("embedded", "server")


@contextmanager
def own_database(
    folder: Path, postgres: Postgres | None, *, migrated: bool = True
) -> Iterator[Any]:
    """For the block this process uses a new database, on SQLite or that server.

    Gives its settings.
    """
    url = None
    if postgres:
        url = SecretStr(
            postgres.create_migrated_database()
            if migrated
            else postgres.create_database(f"log_{new_id().hex}")
        )
    elif migrated:
        (folder / "roadmap.db").write_bytes(migrated_file())
    mine = settings.model_copy(update={"data_dir": folder, "database_url": url})
    try:
        with using(lambda: open_database(mine)):
            yield mine
    finally:
        clock.reset()


@cache
def migrated_file() -> bytes:
    """A database of SQLite with every table."""
    with TemporaryDirectory() as folder:
        migrate(settings.model_copy(update={"data_dir": Path(folder), "database_url": None}))
        return (Path(folder) / "roadmap.db").read_bytes()


def id_at(moment: datetime) -> UUID:
    """As one that was made then: no two are the same."""
    return UUID(int=first_id(moment).int | 7 << 76 | new_id().int & (2**64 - 1))


def document(at: datetime | None = None, **fields: Any) -> Document:
    moment = at or clock.now()
    common = {
        "id": (id_at(moment) if at else new_id()).hex,
        "at": moment.isoformat(),
        "level": "info",
        "category": "test",
    }
    empty = dict.fromkeys(("details", "duration_ms", "roadmap_id", "concept_id"))
    return {**common, **empty, "step": "step", "message": "It happened.", **fields}


def stored() -> list[Document]:
    with session():
        return list(ExecutionLog.select().order_by(ExecutionLog.id).dicts())


def ask(sql: str) -> list[tuple[Any, ...]]:
    with session():
        rows: list[tuple[Any, ...]] = database.execute_sql(sql).fetchall()
    return rows


def partition_of(id_: str | UUID) -> str:
    """Raises IndexError when there is no such record."""
    return str(ask(f"SELECT tableoid::regclass FROM execution_log WHERE id = '{id_}'")[0][0])


def counts_of(table: type[peewee.Model]) -> int:
    with session():
        return int(table.select().count())


def entry(message: object = "It happened.") -> Entry:
    """A record of now, as it is given to a buffer."""
    now = clock.time_ns()
    return (now, "info", "test", "step", str(message), None, None, None, None, None)
