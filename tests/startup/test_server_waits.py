"""Services that wait for their servers and for the schema."""

import os
import re
import signal
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psycopg2
import pytest

from core.migrate import LOCK, known
from core.startup import preflight
from testing.servers import Postgres, Redis, free_port
from testing.waiting import wait_until
from tests import launching
from tests.launching import launched, waited
from tests.startup.processes import (
    KEY,
    READY,
    SECRET,
    Launch,
    answers,
    await_nothing_left,
    await_output,
    await_ready,
    checked,
    exit_code,
    messages,
    printed_lines,
    running,
)


@pytest.fixture
def unmigrated(postgres: Postgres, queues: Redis) -> dict[str, str]:
    """The variables of server mode, with an empty database."""
    url = postgres.create_database(f"t{uuid.uuid4().hex}")
    return {
        "DATABASE_URL": url,
        "REDIS_URL": queues.url(),
        "SECRET_KEY": KEY,
        "REGISTRATION": "open",
    }


def test_an_api_that_loses_its_connection_while_it_waits_to_migrate_waits_on(
    launch: Launch, unmigrated: dict[str, str]
) -> None:
    with closing(psycopg2.connect(unmigrated["DATABASE_URL"])) as other, other.cursor() as cursor:
        other.autocommit = True
        cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))  # somebody else migrates
        service = launch("api", **unmigrated)

        def waiting() -> list[tuple[int]]:
            cursor.execute("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            return cursor.fetchall()

        [(pid,)] = wait_until(waiting, reason="it waits for the lock")
        cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
        wait_until(
            lambda: "waiting: the database does not answer" in service.output, reason="it says so"
        )
        cursor.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
        wait_until(lambda: answers(service), reason="the API is ready")
    assert "Traceback" not in service.output
    service.stop()


def test_the_wait_for_a_server_that_is_away_has_an_end(
    server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock of the test, whose time passes when somebody sleeps."""
    clock = SimpleNamespace(seconds=0.0, paused=0)

    def sleep(pause: float) -> None:
        clock.seconds += pause
        clock.paused += 1

    time = SimpleNamespace(monotonic=lambda: clock.seconds, sleep=sleep)
    monkeypatch.setattr(preflight, "time", time)
    wait = {**server, "STARTUP_WAIT_SECONDS": "4"}
    found = free_port()
    database = {**wait, "DATABASE_URL": f"postgresql://roadmap:{SECRET}@127.0.0.1:{found}/roadmap"}
    broker = {**wait, "REDIS_URL": f"redis://:{SECRET}@127.0.0.1:{found}/0"}
    for what, values, names in (
        ("database", database, ("api", "huey_logs", "huey_content")),
        ("broker", broker, ("huey_logs", "huey_content")),
    ):
        for name in names:
            clock.seconds = clock.paused = 0
            ended = checked(name, **values)
            assert f"the {what} does not answer" in launching.refusal(ended)
            assert waited(ended)
            assert (clock.seconds <= 4, clock.paused) == (True, 5)  # 0.1, 0.2, 0.4, 0.8, 1.6 s


def test_the_wait_for_a_server_that_hangs_has_an_end(server: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        wait = {**server, "STARTUP_WAIT_SECONDS": "0.4"}
        database = {
            **wait,
            "DATABASE_URL": f"postgresql://roadmap:{SECRET}@127.0.0.1:{port}/roadmap",
        }
        with ThreadPoolExecutor() as threads:
            api = threads.submit(launched, "api", **database)
            consumer = threads.submit(
                launched, "huey_logs", **{**wait, "REDIS_URL": f"redis://127.0.0.1:{port}/0"}
            )
        assert "the database does not answer" in launching.refusal(api.result())
        assert "the broker does not answer" in launching.refusal(consumer.result())


def test_a_consumer_waits_for_the_schema_and_both_tell_their_start_in_a_line_each(
    launch: Launch, unmigrated: dict[str, str]
) -> None:
    """Each in the format of its lines, which are those of the other one."""
    given = {**unmigrated, "LOG_LEVEL": "WARNING", "OPENAI_APIKEY": SECRET}
    consumer = launch("huey_content", **given, LOG_FORMAT="json")
    await_output(consumer, f"waiting: the schema is older than {known()[-1]}")
    assert READY["content"] not in consumer.output

    api = launch("api", **given, LOG_FORMAT="text")

    await_ready(consumer, "content")
    wait_until(lambda: answers(api), reason="the API is ready")
    strange = (
        "warning: OPENAI_APIKEY is not a setting and has no effect; did you mean OPENAI_API_KEY?"
    )
    warning, version, *rest = messages(api, "text")
    assert warning == strange
    assert re.fullmatch(r"version: \S+, commit [0-9a-f]{40}|version: \S+, commit unknown", version)
    assert rest == [
        f"address: *:{api.environment['PORT']}, mode: server (PostgreSQL and Redis)",
        f"migrations: {len(known())} applied, the last is {known()[-1]}",
        "api ready",
    ]
    warning, first, waiting, ready = messages(consumer, "json")
    assert (warning, first, ready) == (strange, version, READY["content"])
    assert waiting.startswith("waiting: the schema")


def test_a_service_that_waits_for_a_server_starts_when_it_is_there(
    launch: Launch, server: dict[str, str], tmp_path: Path
) -> None:
    late = Redis(tmp_path)
    consumer = launch("huey_logs", **{**server, "REDIS_URL": late.url()})
    await_output(consumer, "waiting: the broker does not answer")
    with running(late):
        await_ready(consumer, "logs")
        assert consumer.stop() == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_waits_ends_at_once_and_leaves_nothing(
    launch: Launch, unmigrated: dict[str, str], how: signal.Signals
) -> None:
    consumer = launch("huey_logs", **unmigrated)
    await_output(consumer, "waiting: ")
    if how is signal.SIGINT:
        os.killpg(consumer.pid, how)  # as the terminal does
    else:
        consumer.signal(how)
    assert exit_code(consumer) in (0, -how, 130, 143)
    await_nothing_left(consumer)
    assert printed_lines(consumer) == []


def test_three_apis_that_start_at_once_migrate_once_and_all_serve(
    launch: Launch, unmigrated: dict[str, str]
) -> None:
    apis = [launch("api", **unmigrated) for _ in range(3)]
    for api in apis:
        wait_until(lambda api=api: answers(api), reason="the API is ready")
    with (
        closing(psycopg2.connect(unmigrated["DATABASE_URL"])) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT name FROM schema_migration ORDER BY name")
        assert [name for (name,) in cursor.fetchall()] == known()
    assert [printed_lines(api) for api in apis] == [[], [], []]
