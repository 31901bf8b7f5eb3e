"""Brings the schema up to date, one process at a time, and says whether it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peewee
from playhouse.migrations import Runner

from core.settings import Settings
from core.storage import open_migration_database

DIRECTORY = Path(__file__).resolve().parent.parent / "migrations"
LOCK = 7_201_944_127_113  # any number; the same in every version of this service
LOCK_WAIT = 60_000  # milliseconds that one migration waits for another to end


def migrate(settings: Settings) -> list[str]:
    """Apply what is pending, in order, each in a transaction of its own; returns the names applied."""
    with _connection(settings) as database, _locked(database):
        applied: list[str] = Runner(database, str(DIRECTORY)).up()
    return applied


def pending(database: peewee.Database) -> list[str]:
    """Names of migrations that this version of the code needs and the connected database does not have."""
    applied = Runner(database, str(DIRECTORY)).applied()
    return [name for name in known() if name not in applied]


def known() -> list[str]:
    return sorted(path.stem for path in DIRECTORY.glob("[0-9]*.py"))


@contextmanager
def _connection(settings: Settings) -> Iterator[peewee.Database]:
    database = open_migration_database(settings)
    database.connect()
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _locked(database: peewee.Database) -> Iterator[None]:
    """playhouse.migrations takes no lock; three services that start together must not migrate at once."""
    if not isinstance(database, peewee.PostgresqlDatabase):
        yield  # SQLite exists under SERVICE_TYPE=all only, where one process migrates before the others start
        return
    database.execute_sql("SELECT set_config('lock_timeout', %s, false)", (str(LOCK_WAIT),))
    database.execute_sql("SELECT pg_advisory_lock(%s)", (LOCK,))
    try:
        yield
    finally:
        database.execute_sql("SELECT pg_advisory_unlock(%s)", (LOCK,))
