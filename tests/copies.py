"""The beginning of many tests: made once by the application itself, then put back from a copy.

In-process tests alone: their database is a file of SQLite, which the fixture `immediate` has
emptied.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from core.db import database, session, transaction
from roadmap.operations import execution_log

Made = TypeVar("Made")
Rows = dict[str, list[tuple[Any, ...]]]

APART = (
    "log_source",
    "measure",
    "measured_process",
    "schema_migration",
)  # of the process, and of the database


class Copies:
    """Rows by the name under which they were made, with what the maker has returned."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[object, Rows]] = {}

    def of(self, name: str, make: Callable[[], Made]) -> Made:
        """The result of `make`, with the rows that it leaves and no others.

        First called before a test has made anything else.
        """
        if name in self._kept:
            made, rows = self._kept[name]
            _put_back(rows)
            return made  # type: ignore[return-value]
        with session():
            own = _emptied_for_each_test()
            others = sorted({*database.get_tables()} - {*own, *APART})
            assert {table for table, found in _rows(own).items() if found} == {"account"}, (
                "there is something already"
            )
            elsewhere = _rows(others)
        made = make()
        execution_log.buffer.flush()
        with session():
            assert _rows(others) == elsewhere, (
                "it has written where nothing is emptied between tests"
            )
            self._kept[name] = made, _rows(own)
        return made


def _emptied_for_each_test() -> list[str]:
    """The tables that hang on an account, parents first, and the records."""
    parents = {
        table: {key.dest_table for key in database.get_foreign_keys(table)}
        for table in database.get_tables()
    }
    found = ["account"]
    while more := [
        table for table, of in parents.items() if of and of <= {*found} and table not in found
    ]:
        found += more
    return [*found, "execution_log", "audit_record"]


def _rows(tables: Iterable[str]) -> Rows:
    return {table: database.execute_sql(f'SELECT * FROM "{table}"').fetchall() for table in tables}


def _put_back(rows: Rows) -> None:
    with transaction():
        for table in reversed(rows):
            database.execute_sql(f'DELETE FROM "{table}"')
        cursor = database.connection().cursor()
        for table, kept in rows.items():
            if kept:
                cursor.executemany(
                    f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(kept[0]))})', kept
                )
