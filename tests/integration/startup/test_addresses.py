"""Addresses of servers that are odd or wrong: what is meant is done, and what cannot be meant is refused in one sentence."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from core.backends import open_database
from core.migrate import known
from core.settings import from_environment
from testing.commands import roadmap
from testing.servers import LOOPBACK, Postgres, Redis
from testing.stack import clean_environment, running, server_stack
from tests.launching import KEY, SECRET, Launch, launching, refusal, waited

NOWHERE = f"redis://{LOOPBACK}:1/0"
each_service = pytest.mark.parametrize(
    "name", ["api", "huey_content"]
)  # whose checks are not all the same


@pytest.fixture(scope="module")
def launch(postgres: Postgres) -> Launch:
    return launching("launched_addresses", postgres)


def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    """The rows, of what has some."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


# What is meant


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_migrations_are_applied_once_whatever_isolation_the_database_has_by_default(
    postgres: Postgres, isolation: str
) -> None:
    url = postgres.create_database(f"t{uuid.uuid4().hex}")
    ask(
        url,
        f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_isolation = '{isolation}'",
    )
    environment = {
        **clean_environment(),
        "SERVICE_TYPE": "api",
        "DATABASE_URL": url,
        "REDIS_URL": NOWHERE,
        "SECRET_KEY": KEY,
    }
    with ThreadPoolExecutor(3) as threads:
        body = list(threads.map(lambda _: roadmap(environment, "migrate", "--json"), range(3)))
    assert [each.errors for each in body if each.code] == []
    assert sorted(name for each in body for name in each.data["applied"]) == known()


def test_the_main_job_is_done_with_a_schema_and_an_isolation_of_its_own(
    postgres: Postgres, own_broker: Redis, tmp_path: Path
) -> None:
    """Also under the older name of the scheme, as some platforms write it."""
    url = postgres.create_database(f"a{uuid.uuid4().hex}")
    stack = server_stack(tmp_path, postgres, own_broker)
    ask(
        url,
        f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_isolation = 'serializable'",
    )
    ask(url, "CREATE SCHEMA mine")
    stack.environment["DATABASE_URL"] = (
        url.replace("postgresql://", "postgres://") + "?options=-c%20search_path%3Dmine"
    )
    for service in stack.services.values():
        service.environment["DATABASE_URL"] = stack.environment["DATABASE_URL"]
    with running(stack):
        stack.do_the_main_job()
    assert ask(
        url,
        "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_name LIKE 'roadmap%'",
    ) == [("mine",)]


def test_statements_outside_a_transaction_have_that_isolation_too(postgres: Postgres) -> None:
    url = postgres.create_database(f"t{uuid.uuid4().hex}")
    ask(
        url,
        f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_isolation = 'serializable'",
    )
    environment = {
        "SERVICE_TYPE": "api",
        "DATABASE_URL": url,
        "REDIS_URL": NOWHERE,
        "SECRET_KEY": KEY,
    }
    database = open_database(from_environment(environment))
    with closing(database):
        database.connect()
        assert database.execute_sql("SHOW transaction_isolation").fetchone() == ("read committed",)


# What cannot be meant


@each_service
@pytest.mark.parametrize("state", ["both are migrated", "the direct one is empty"])
def test_two_addresses_that_lead_to_different_databases_are_refused(
    launch: Launch, postgres: Postgres, name: str, state: str
) -> None:
    """Before anything is changed there."""
    direct = postgres.create_database(f"d{uuid.uuid4().hex}")
    if state == "both are migrated":
        assert (
            roadmap(
                {"DATABASE_URL": direct, "REDIS_URL": NOWHERE, "SECRET_KEY": KEY}, "migrate"
            ).code
            == 0
        )
    line = refusal(launch(name, REDIS_URL=NOWHERE, DIRECT_DATABASE_URL=direct))
    assert line == (
        "error: DIRECT_DATABASE_URL and DATABASE_URL are different databases or "
        "schemas; use the same in both"
    )
    tables = ask(
        direct, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    )[0][0]
    assert (tables > 0) is (state == "both are migrated")


@each_service
def test_a_wrong_direct_address_is_reported_by_its_name(launch: Launch, name: str) -> None:
    direct = f"postgresql://postgres:{SECRET}@{LOOPBACK}:1/app"
    service = launch(name, REDIS_URL=NOWHERE, DIRECT_DATABASE_URL=direct, STARTUP_WAIT_SECONDS="1")
    line = refusal(service)
    assert line.endswith("check host and port in DIRECT_DATABASE_URL")
    assert waited(service)


@each_service
def test_an_option_of_the_database_with_no_such_value_is_not_waited_for(
    launch: Launch, postgres: Postgres, name: str
) -> None:
    service = launch(
        name,
        REDIS_URL=NOWHERE,
        DATABASE_URL=f"postgresql://postgres@{postgres.address}/postgres?sslmode=bogus",
    )
    assert "an option has an invalid value" in refusal(service)
    assert not waited(service)


@each_service
def test_a_key_without_a_certificate_is_refused(launch: Launch, name: str) -> None:
    line = refusal(
        launch(name, REDIS_URL=f"rediss://:{SECRET}@{LOOPBACK}:1/0?ssl_keyfile=/key.pem")
    )
    assert line == "error: REDIS_URL: ssl_keyfile needs the certificate of the key in ssl_certfile"
