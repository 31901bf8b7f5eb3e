"""Schema migrations: apply and list them, one process at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peewee

from core.backends import open_migration_database
from core.connection_errors import first_line, is_away
from core.settings import Settings

HISTORY = "schema_migration"  # the table in which playhouse.migrations notes them
DIRECTORY = Path(__file__).resolve().parent.parent / "migrations"
LOCK = 7_201_944_127_113  # any number; the same in every version of this service
LOCK_WAIT = 60_000  # milliseconds that a migration waits for another one
# Milliseconds for a table in use: requests queue behind the wait, so it is tried again instead.
TABLE_WAIT = 2_000


class MigrationFailed(Exception):
    """A migration cannot be applied and was rolled back; those before it are applied."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(
            f"the migration {name} failed: {reason}. It was rolled back; earlier "
            "migrations are applied. Remove the cause and migrate again, which continues "
            "there"
        )


def migrate(settings: Settings) -> list[str]:
    """Apply pending migrations in order, each in a transaction; return their names.

    Raises MigrationFailed, and errors of the driver when the database is away or busy.
    """
    with connected(settings) as database:
        return apply_pending(database)


def apply_pending(database: peewee.Database, last: str | None = None) -> list[str]:
    """Apply pending migrations up to `last`; return those applied by this process.

    Raises MigrationFailed.
    """
    missing, applied = pending(database), list[str]()
    if not missing:
        return applied
    from playhouse.migrations import Runner  # 1 MB, needed once for each version

    runner = Runner(database, str(DIRECTORY))
    for name in missing:
        if last is not None and name > last:
            break
        with migration_lock(database):
            if name not in pending(database):  # another process was quicker
                continue
            if isinstance(database, peewee.PostgresqlDatabase):
                wait = (str(TABLE_WAIT),)
                database.execute_sql("SELECT set_config('lock_timeout', %s, true)", wait)
            try:
                applied += runner.up(name)
            except peewee.PeeweeException as error:
                if is_away(error):
                    raise
                if isinstance(database, peewee.SqliteDatabase) and name not in pending(database):
                    continue  # it has no such lock: another process was quicker
                raise MigrationFailed(name, first_line(error)) from error
    return applied


def pending(database: peewee.Database) -> list[str]:
    """Return the migrations of this version that the connected database lacks."""
    applied = _applied(database)
    return [name for name in known() if name not in applied]


def unknown(database: peewee.Database) -> list[str]:
    """Return the migrations of a newer version that the connected database has."""
    return sorted(_applied(database) - set(known()))


def _applied(database: peewee.Database) -> set[str]:
    if not database.table_exists(HISTORY):
        return set()
    return {name for (name,) in database.execute_sql(f"SELECT name FROM {HISTORY}").fetchall()}


def known() -> list[str]:
    return sorted(path.stem for path in DIRECTORY.glob("[0-9]*.py"))


@contextmanager
def connected(settings: Settings) -> Iterator[peewee.Database]:
    """Open a connection past any transaction pooler. For a process that only migrates."""
    database = open_migration_database(settings)
    database.connect()
    try:
        yield database
    finally:
        database.close()


@contextmanager
def migration_lock(database: peewee.Database) -> Iterator[None]:
    """Hold the lock of migrations: several services may start at once.

    playhouse.migrations takes no lock. Lock and limits end with the transaction, not with the
    session: behind a transaction pooler the next statement may have another one. Earlier versions
    hold the same lock for their session, so that both wait for each other.
    """
    if not isinstance(database, peewee.PostgresqlDatabase):
        yield  # SQLite: the second of two processes rolls its migration back
        return
    with database.atomic():
        database.execute_sql("SELECT set_config('lock_timeout', %s, true)", (str(LOCK_WAIT),))
        # Pooled sessions may have a limit, and migrations compute between their statements.
        database.execute_sql("SELECT set_config('idle_in_transaction_session_timeout', '0', true)")
        database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        yield
