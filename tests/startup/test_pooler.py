"""PgBouncer in transaction mode before PostgreSQL, as deploy/pgbouncer.ini has it."""

import os
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from core import migrate
from core.settings import from_environment
from testing.commands import FinishedCommand
from testing.pooler import POOL, PgBouncer
from testing.servers import Postgres, Redis, scratch_folder, started
from testing.stack import Stack, running, server_stack
from testing.waiting import wait_until
from tests.chaos.checks import assert_built_once, written
from tests.commands import in_process
from tests.commands.in_process import roadmap

ROADMAPS = 3
# What belongs to a session, and would stay with a connection that another client is given next.
OF_A_SESSION = re.compile(
    r"(^|;)\s*(SET\s+(?!LOCAL\b|TRANSACTION\b)|RESET\b|LISTEN\b|PREPARE\b|LOAD\b"
    r"|CREATE\s+(LOCAL\s+|GLOBAL\s+)?TEMP)"
    r"|\bWITH\s+HOLD\b|\bpg_(try_)?advisory_lock|\bset_config\([^)]*,\s*false\s*\)",
    re.IGNORECASE,
)
LITERAL = r"E'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'"
BY_THE_POOLER = (
    r"SET (application_name|client_encoding|DateStyle|TimeZone|standard_conforming_strings"
    r"|IntervalStyle)\b"
)
CONNECT_QUERY = "SET idle_in_transaction_session_timeout = 5000; SET lock_timeout = 8000"


@pytest.fixture(scope="module")
def chatty() -> Iterator[Postgres]:
    """A server that writes down every statement."""
    with scratch_folder() as folder, started(Postgres(folder)) as server:
        ask(server.url(), "ALTER SYSTEM SET log_statement = 'all'")
        ask(server.url(), "SELECT pg_reload_conf()")
        yield server


@pytest.fixture
def database(chatty: Postgres) -> str:
    """The name of an empty one; nothing is written down yet."""
    name = f"t{uuid.uuid4().hex}"
    chatty.create_database(name)
    os.truncate(chatty.folder / "log", 0)
    return name


@pytest.fixture
def pooler(chatty: Postgres, database: str) -> Iterator[PgBouncer]:
    with scratch_folder() as folder:
        server = PgBouncer(folder, chatty, database)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture
def pooled(
    pooler: PgBouncer, chatty: Postgres, module_broker: Redis, database: str, tmp_path: Path
) -> Stack:
    """Not yet started; the database is empty."""
    module_broker.client().flushall()
    urls = {"DATABASE_URL": pooler.url(), "DIRECT_DATABASE_URL": chatty.url(database)}
    return server_stack(tmp_path, chatty, module_broker, CONTENT_WORKERS="8", **urls)


def ask(url: str, statement: str, *values: object) -> list[Any]:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []


def statements(postgres: Postgres) -> list[str]:
    """Return all statements in the server's log, also those of several lines."""
    log = (postgres.folder / "log").read_text(errors="replace")
    return re.findall(
        r"LOG:  (?:statement|execute [^:]*): (.*?)(?=\n\d{4}-\d\d-\d\d |\Z)", log, re.DOTALL
    )


def session_state(postgres: Postgres) -> list[str]:
    """Statements of the service that change a session."""
    found = statements(postgres)
    assert len(found) > 100
    assert CONNECT_QUERY in found
    ours = [each for each in found if each != CONNECT_QUERY and not re.match(BY_THE_POOLER, each)]
    return [
        each for each in ours if OF_A_SESSION.search(re.sub(LITERAL, "''", each, flags=re.DOTALL))
    ]


CLIENTS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
)


@contextmanager
def watched(url: str, database: str) -> Iterator[list[int]]:
    """Numbers of connections of the server to the database, until the end of the block."""
    seen: list[int] = []
    ending: list[bool] = []

    def watch() -> None:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True

            def look() -> bool:
                cursor.execute(CLIENTS, (database,))
                seen.append(cursor.fetchone()[0])  # type: ignore[index]
                return bool(ending)

            wait_until(look, reason="the block ends")

    with ThreadPoolExecutor(1) as thread:
        watching = thread.submit(watch)
        try:
            yield seen
        finally:
            ending.append(True)
            watching.result()


def advisory_locks(postgres: Postgres) -> int:
    return int(
        ask(postgres.url(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")[0][0]
    )


@pytest.mark.long
def test_several_roadmaps_are_made_over_few_connections_and_no_session_keeps_anything(
    pooled: Stack, pooler: PgBouncer, chatty: Postgres, database: str
) -> None:
    with running(pooled):
        with watched(chatty.url(), database) as seen:
            paths = [pooled.create() for _ in range(ROADMAPS)]
            for path in paths:
                assert_built_once(pooled, path)
        clients = pooler.clients()

        def steps() -> set[str]:
            return {
                record["step"]
                for record in pooled.get(f"{paths[0]}/logs?limit=100").json()["items"]
            }

        wait_until(
            lambda: {"accept", "outline", "tutorial"} <= steps(), reason="the records are stored"
        )
    assert len(seen) > 10
    print(
        f"{clients} connections of clients, at most {max(seen)} to the server in {len(seen)} looks"
    )
    assert max(seen) <= POOL < clients
    assert session_state(chatty) == []
    assert advisory_locks(chatty) == 0


def test_what_would_stay_with_a_session_is_found() -> None:
    """The judge of the test before."""
    kept = (
        *(
            "SET statement_timeout = 5",
            "set search_path to x",
            "LISTEN news",
            "SELECT pg_advisory_lock(1)",
            "RESET ALL",
        ),
        *(
            "CREATE TEMP TABLE x (y int)",
            "PREPARE x AS SELECT 1",
            "SELECT set_config('lock_timeout', '5', false)",
        ),
    )
    gone = (
        *(
            "SET LOCAL jit = off",
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SELECT pg_advisory_xact_lock(1)",
        ),
        *("SELECT set_config('lock_timeout', '5', true)", "UPDATE roadmap\nSET status = 'ready'"),
    )
    assert [each for each in kept if not OF_A_SESSION.search(each)] == []
    assert [each for each in gone if OF_A_SESSION.search(each)] == []


def test_the_limits_of_a_session_hold_through_the_pooler(pooler: PgBouncer) -> None:
    """A client cut off in a transaction holds locks no longer than without a pooler."""
    assert ask(pooler.url(), "SHOW lock_timeout") == [("8s",)]
    with closing(psycopg2.connect(pooler.url())) as cut_off, cut_off.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(4711)")
        free = "SELECT pg_try_advisory_xact_lock(4711)"
        assert ask(pooler.url(), free) == [(False,)]
        wait_until(lambda: ask(pooler.url(), free) == [(True,)], reason="its lock is free")
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT 1")


@pytest.mark.long
def test_a_pooler_that_is_killed_and_restarted_in_the_middle_loses_nothing(
    pooled: Stack, pooler: PgBouncer
) -> None:
    with running(pooled):
        paths = [pooled.create() for _ in range(ROADMAPS)]
        for times in (1, 2):
            wait_until(
                lambda times=times: written(pooled, paths) >= 10 * times,
                reason="contents are written",
            )
            assert any(pooled.get(path).json()["status"] != "ready" for path in paths)
            pooler.kill()
            assert pooled.get(paths[0]).status_code == 503
            pooler.start()
            pooled.wait_ready()
        for path in paths:
            assert_built_once(pooled, path)


# Without a way past it


def direct_is_unset(stack: Stack) -> None:
    for environment in (
        stack.environment,
        *(service.environment for service in stack.services.values()),
    ):
        del environment["DIRECT_DATABASE_URL"]


def test_without_a_way_past_the_pooler_every_service_refuses_in_a_sentence(
    pooled: Stack, pooler: PgBouncer
) -> None:
    direct_is_unset(pooled)
    for service in pooled.services.values():
        result = in_process.started(service.environment)
        assert result.code == 1, result
        [line] = [
            line
            for line in result.errors.splitlines()
            if not line.startswith("waiting: the schema")
        ]
        assert line.startswith("error: the database cannot be used: a pooler in front of it"), line
        assert "set DIRECT_DATABASE_URL" in line
        assert pooler.url().split("@")[0].rpartition(":")[2] not in result.errors


def test_migrations_through_the_pooler_are_applied_once_and_leave_no_lock(
    pooled: Stack, pooler: PgBouncer, chatty: Postgres, database: str
) -> None:
    direct_is_unset(pooled)
    mine = from_environment(pooled.environment)
    with ThreadPoolExecutor(3) as threads:
        applied = list(threads.map(migrate.migrate, [mine] * 3))
    assert sorted(chain(*applied)) == migrate.known()
    assert advisory_locks(chatty) == 0
    assert ask(pooler.url(), "SHOW lock_timeout") == [("8s",)]
    assert session_state(chatty) == []
    chatty.create_database(f"{database}2")  # no session holds it, either


# Commands


def checks_of(text: FinishedCommand) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in text.data}


def test_the_doctor_looks_at_both_ways_and_a_backup_takes_the_direct_one(
    pooled: Stack, pooler: PgBouncer, chatty: Postgres, database: str, tmp_path: Path
) -> None:
    with running(pooled):
        assert_built_once(pooled, pooled.create())
        body = roadmap(pooled.environment, "doctor", "--json", "--no-model")
    states = {name: check["state"] for name, check in checks_of(body).items()}
    assert (states["database"], states["direct database"], states["migrations"]) == (
        "ok",
        "ok",
        "ok",
    )

    elsewhere = {**pooled.environment, "DIRECT_DATABASE_URL": chatty.url()}
    found = checks_of(roadmap(elsewhere, "doctor", "--json", "--no-model"))["direct database"]
    assert (found["state"], found["told"]) == (
        "failed",
        "DIRECT_DATABASE_URL and DATABASE_URL are different databases",
    )

    roundabout = {**pooled.environment, "DIRECT_DATABASE_URL": pooler.url()}
    assert (
        checks_of(roadmap(roundabout, "doctor", "--json", "--no-model"))["direct database"]["state"]
        == "warning"
    )

    unlimited = {
        **pooled.environment,
        "DATABASE_URL": chatty.url(database),
    }  # as through a pooler without connect_query
    found = checks_of(roadmap(unlimited, "doctor", "--json", "--no-model"))["database"]
    assert (found["state"], "deploy/pgbouncer.ini" in found["fix"]) == ("warning", True)

    pooler.kill()
    made = roadmap(pooled.environment, "backup", str(tmp_path / "backup.gz"), "--json")
    assert made.code == 0, made.errors
    assert made.data["rows"]["roadmap"] == 1
    found = checks_of(roadmap(pooled.environment, "doctor", "--json", "--no-model"))["database"]
    assert found["state"] == "failed"
