"""Every statement that a service sends, with the plan by which it was run.

By auto_explain of PostgreSQL, on for a block. Sessions load it when they begin (`prepare`, before
the service starts), and it costs nothing while it is off.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg2

from benchmarks.contenders import Service
from benchmarks.ground import Ground, ask
from benchmarks.growth.plans import MANY, Statement, statements
from testing.stack import answer_to

SETTLE = 0.3  # seconds until all sessions have read a setting
SETTINGS = {
    "log_analyze": "on",
    "log_timing": "off",
    "log_nested_statements": "on",
    "log_format": "json",
}
LARGE = f"SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= {MANY}"


class Explained:
    """Of one database of the ground's PostgreSQL."""

    def __init__(self, ground: Ground, url: str) -> None:
        self._url, self._log = url, ground.postgres.folder / "log"

    def prepare(self) -> None:
        """For all sessions that begin from now on."""
        name = self._url.rpartition("/")[2]
        self._run(
            "LOAD 'auto_explain'",
            "ALTER SYSTEM SET auto_explain.log_min_duration = -1",
            *(
                f"ALTER SYSTEM SET auto_explain.{setting} = '{value}'"
                for setting, value in SETTINGS.items()
            ),
            f"ALTER DATABASE \"{name}\" SET session_preload_libraries = 'auto_explain'",
            "SELECT pg_reload_conf()",
        )

    @contextmanager
    def looking(self, place: str, x: float) -> Iterator[list[Statement]]:
        """The list is filled when the block has ended."""
        found: list[Statement] = []
        self._set_least(0)
        begin = self._log.stat().st_size
        try:
            yield found
        finally:
            self._set_least(-1)
        large = {name for (name,) in ask(self._url, LARGE)}
        with self._log.open("rb") as log:
            log.seek(begin)
            found += statements(log.read().decode(errors="replace"), large, place=place, x=x)

    def _set_least(self, ms: int) -> None:
        """Statements that take as long are written; -1: none."""
        least = f"ALTER SYSTEM SET auto_explain.log_min_duration = {ms}"
        self._run("LOAD 'auto_explain'", least, "SELECT pg_reload_conf()")
        time.sleep(SETTLE)

    def _run(self, *sql: str) -> None:
        connection = psycopg2.connect(self._url, connect_timeout=5)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for each in sql:
                    cursor.execute(each)
        finally:
            connection.close()


class ExplainedService(Service):
    """Statements of this service can be looked at, by `explained`."""

    explained: Explained

    def prepare(self, ground: Ground) -> None:
        self.explained = Explained(ground, self.url)
        self.explained.prepare()

    def account(self) -> UUID:
        """That of the first token."""
        answer = answer_to(
            "GET",
            f"http://127.0.0.1:{self.port}/api/v1/auth/me",
            headers=self.headers(self.tokens[0]),
        )
        return UUID(answer.json()["id"])
