"""Odd addresses of servers mean what they say; wrong ones are refused in one sentence."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg2

from core import migrate
from core.backends import open_database
from core.settings import from_environment
from testing.servers import LOOPBACK, Postgres, Redis
from testing.stack import running, server_stack
from tests.cases import try_each
from tests.launching import refusal, waited
from tests.startup.processes import KEY, SECRET, Check

NOWHERE = f"redis://{LOOPBACK}:1/0"
each_service = try_each("name", ["api", "huey_content"])  # whose checks are not all the same


def ask(url: str, statement: str, *values: str) -> list[tuple[Any, ...]]:
    """The rows, of what has some."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


def with_isolation(url: str, isolation: str) -> None:
    name = url.rpartition("/")[2]
    ask(url, f"ALTER DATABASE {name} SET default_transaction_isolation = '{isolation}'")


# What is meant


@try_each("isolation", ["repeatable read", "serializable"])
def test_migrations_are_applied_once_whatever_isolation_the_database_has_by_default(
    postgres: Postgres, isolation: str
) -> None:
    url = postgres.create_database(f"t{uuid.uuid4().hex}")
    with_isolation(url, isolation)
    mine = from_environment({"DATABASE_URL": url, "REDIS_URL": NOWHERE, "SECRET_KEY": KEY})
    with ThreadPoolExecutor(3) as threads:
        applied = list(threads.map(migrate.migrate, [mine] * 3))
    assert sorted(chain(*applied)) == migrate.known()


def test_the_main_job_is_done_with_a_schema_and_an_isolation_of_its_own(
    postgres: Postgres, own_broker: Redis, tmp_path: Path
) -> None:
    """Also under the older name of the scheme, as some platforms write it."""
    url = postgres.create_database(f"a{uuid.uuid4().hex}")
    stack = server_stack(tmp_path, postgres, own_broker)
    with_isolation(url, "serializable")
    ask(url, "CREATE SCHEMA mine")
    stack.environment["DATABASE_URL"] = (
        url.replace("postgresql://", "postgres://") + "?options=-c%20search_path%3Dmine"
    )
    for service in stack.services.values():
        service.environment["DATABASE_URL"] = stack.environment["DATABASE_URL"]
    with running(stack):
        stack.do_the_main_job()
    tables = "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_name LIKE %s"
    assert ask(url, tables, "roadmap%") == [("mine",)]


def test_statements_outside_a_transaction_have_that_isolation_too(postgres: Postgres) -> None:
    url = postgres.create_database(f"t{uuid.uuid4().hex}")
    with_isolation(url, "serializable")
    environment = {"DATABASE_URL": url, "REDIS_URL": NOWHERE, "SECRET_KEY": KEY}
    database = open_database(from_environment(environment))
    with closing(database):
        database.connect()
        assert database.execute_sql("SHOW transaction_isolation").fetchone() == ("read committed",)


# What cannot be meant


@each_service
@try_each("state", ["both are migrated", "the direct one is empty"])
def test_two_addresses_that_lead_to_different_databases_are_refused(
    check: Check, postgres: Postgres, name: str, state: str
) -> None:
    """Before anything is changed there."""
    is_migrated = state == "both are migrated"
    direct = postgres.create_migrated_database()
    if not is_migrated:
        direct = postgres.create_database(f"d{uuid.uuid4().hex}")
    line = refusal(check(name, REDIS_URL=NOWHERE, DIRECT_DATABASE_URL=direct))
    assert line == (
        "error: DIRECT_DATABASE_URL and DATABASE_URL are different databases or "
        "schemas; use the same in both"
    )
    tables = "SELECT count(*) > 0 FROM information_schema.tables WHERE table_schema = 'public'"
    assert ask(direct, tables) == [(is_migrated,)]


@each_service
def test_a_wrong_direct_address_is_reported_by_its_name(check: Check, name: str) -> None:
    direct = f"postgresql://postgres:{SECRET}@{LOOPBACK}:1/app"
    service = check(name, REDIS_URL=NOWHERE, DIRECT_DATABASE_URL=direct, STARTUP_WAIT_SECONDS="0.5")
    line = refusal(service)
    assert line.endswith("check host and port in DIRECT_DATABASE_URL")
    assert waited(service)


@each_service
def test_an_option_of_the_database_with_no_such_value_is_not_waited_for(
    check: Check, postgres: Postgres, name: str
) -> None:
    service = check(
        name,
        REDIS_URL=NOWHERE,
        DATABASE_URL=f"postgresql://postgres@{postgres.address}/postgres?sslmode=bogus",
    )
    assert "an option has an invalid value" in refusal(service)
    assert not waited(service)


@each_service
def test_a_key_without_a_certificate_is_refused(check: Check, name: str) -> None:
    line = refusal(check(name, REDIS_URL=f"rediss://:{SECRET}@{LOOPBACK}:1/0?ssl_keyfile=/key.pem"))
    assert line == "error: REDIS_URL: ssl_keyfile needs the certificate of the key in ssl_certfile"
