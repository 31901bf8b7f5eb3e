"""Brings the schema up to date, one process at a time, and says whether it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peewee
from playhouse.migrations import Runner

from core.reaching import first_line, is_away
from core.settings import Settings
from core.storage import open_migration_database

DIRECTORY = Path(__file__).resolve().parent.parent / "migrations"
LOCK = 7_201_944_127_113  # any number; the same in every version of this service
LOCK_WAIT = 60_000  # milliseconds that one migration waits for another to end
TABLE_WAIT = 2_000  # and for a table that others use; who asks for that meanwhile waits behind it, so it is asked again instead


class MigrationFailed(Exception):
    """One migration cannot be applied. Nothing of it was; those before it are."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(
            f"the migration {name} failed: {reason}. Nothing of it was applied, and those before it are; remove the cause and "
            "migrate again, which goes on there"
        )


def migrate(settings: Settings) -> list[str]:
    """Apply what is pending, in order, each in a transaction of its own; returns the names applied.

    Raises MigrationFailed, and what the driver raises when the database is away or busy.
    """
    with connected(settings) as database:
        return apply_pending(database)


def apply_pending(database: peewee.Database, last: str | None = None) -> list[str]:
    """Up to `last`, or all; returns those that nobody else has applied meanwhile. Raises MigrationFailed."""
    runner, applied = Runner(database, str(DIRECTORY)), []
    for name in pending(database):
        if last is not None and name > last:
            break
        with alone(database):
            if name in pending(database):  # still, now that nobody else migrates
                _apply(database, runner, name)
                applied.append(name)
    return applied


def _apply(database: peewee.Database, runner: Runner, name: str) -> None:
    if isinstance(database, peewee.PostgresqlDatabase):
        database.execute_sql("SELECT set_config('lock_timeout', %s, true)", (str(TABLE_WAIT),))
    try:
        runner.up(name)
    except peewee.PeeweeException as error:
        if is_away(error):
            raise
        raise MigrationFailed(name, first_line(error)) from error


def pending(database: peewee.Database) -> list[str]:
    """Names of migrations that this version of the code needs and the connected database does not have."""
    applied = Runner(database, str(DIRECTORY)).applied()
    return [name for name in known() if name not in applied]


def unknown(database: peewee.Database) -> list[str]:
    """Names of migrations that the connected database has and this version of the code does not: a newer one was here."""
    return sorted(Runner(database, str(DIRECTORY)).applied().keys() - set(known()))


def known() -> list[str]:
    return sorted(path.stem for path in DIRECTORY.glob("[0-9]*.py"))


@contextmanager
def connected(settings: Settings) -> Iterator[peewee.Database]:
    """A connection of its own, past any transaction pooler. For a process that does only this."""
    database = open_migration_database(settings)
    database.connect()
    try:
        yield database
    finally:
        database.close()


@contextmanager
def alone(database: peewee.Database) -> Iterator[None]:
    """A transaction beside which nobody migrates: playhouse.migrations takes no lock, and three services may start at once.

    Its lock and its limit end with it, and not with the session, which behind a transaction pooler is another one for the next
    statement. Versions before hold the same lock for their session, so that they wait for each other.
    """
    if not isinstance(database, peewee.PostgresqlDatabase):
        yield  # SQLite exists under SERVICE_TYPE=all only, where one process migrates before the others start
        return
    with database.atomic():
        database.execute_sql("SELECT set_config('lock_timeout', %s, true)", (str(LOCK_WAIT),))
        # Behind a pooler the session may have one, and a migration computes in Python between its statements.
        database.execute_sql("SELECT set_config('idle_in_transaction_session_timeout', '0', true)")
        database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        yield
