"""PostgreSQL killed, stopped or frozen, SQLite locked, while models are asked.

Their answers wait, and are paid for once.
"""

import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest

from testing.servers import Postgres, Redis
from testing.stack import Stack, running, server_stack, with_pid_gone
from testing.waiting import HANG, wait_until
from tests.chaos.checks import (
    WORKERS,
    MakeStack,
    accepted,
    asking,
    assert_built_once,
    assert_paid_once,
    assert_unavailable,
    data_file,
    goals,
    in_the_middle,
    locked,
    rows,
    start_second,
    written,
)
from tests.chaos.model import PATIENT, Model, tutorials

WAITING = "an answer waits to be saved"
# Tries to save, one every half a second: longer than a lease lasts, and than a takeover takes.
ROUNDS = 10
STRIKES = 6
HANDLERS = 4  # threads of the API that answer
TERMINATE = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'roadmap-huey_content'
    AND state <> 'idle'"""
OPEN = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'roadmap-api'"""


@pytest.fixture
def served(
    tmp_path: Path, own_postgres: Postgres, own_broker: Redis, paced: Model
) -> Iterator[Stack]:
    """Server mode with a model, and a PostgreSQL to harm."""
    with running(
        server_stack(tmp_path, own_postgres, own_broker, **paced.environment, **PATIENT)
    ) as stack:
        yield stack


@pytest.fixture
def embedded(make_stack: MakeStack, paced: Model) -> Iterator[Stack]:
    with running(make_stack("embedded", **paced.environment, **PATIENT)) as stack:
        yield stack


@contextmanager
def frozen(postgres: Postgres) -> Iterator[None]:
    """SIGSTOP to the whole server; its children are in groups of their own."""
    parent = postgres.pid
    postgres.pause()  # first, so that it has no new children
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=True
    )
    children = [int(pid) for pid in found.stdout.split()]
    assert len(children) > 1
    try:
        for pid in children:
            with_pid_gone(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in children:
            with_pid_gone(pid, signal.SIGCONT)
        postgres.resume()


@contextmanager
def read_only(stack: Stack) -> Iterator[None]:
    """The whole server, from the next transaction of every connection on."""
    with asking(stack) as ask:

        def say(value: str) -> None:
            ask(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            ask("SELECT pg_reload_conf()")
            wait_until(
                lambda: ask("SHOW default_transaction_read_only") == [(value,)],
                reason="the server has heard it",
            )

        say("on")
        yield
        say("off")


def connections(stack: Stack) -> int:
    """Count those that the API has open."""
    return int(rows(stack, OPEN)[0][0])


def ask_at_once(stack: Stack, path: str, callers: Sequence[Mapping[str, str]]) -> None:
    """Each on a connection of its own: all ask before the first looks at its answer."""
    with ExitStack() as ends:
        opened = [
            ends.enter_context(socket.create_connection(("127.0.0.1", stack.port), timeout=HANG))
            for _ in callers
        ]
        for connection, headers in zip(opened, callers, strict=True):
            given = {"Host": f"127.0.0.1:{stack.port}", "Connection": "close", **headers}
            lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
            connection.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        for connection in opened:
            assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 200 ")


def answers_wait(stack: Stack, rounds: int = 1) -> None:
    """The model's answers have been tried to save so often."""
    least = stack.content.output.count(WAITING) + rounds * WORKERS
    wait_until(
        lambda: stack.content.output.count(WAITING) >= least,
        reason="the answers wait to be saved",
    )


def assert_finished(stack: Stack, paced: Model, paths: list[str], asked: list[str]) -> None:
    """These roadmaps and no others are there, each built once, each call paid once."""
    for path in paths:
        stack.finished(path)
        assert_built_once(stack, path)
    items = stack.get("/api/v1/roadmaps?limit=100").json()["items"]
    assert {f"/api/v1/roadmaps/{item['id']}" for item in items} == set(paths)
    assert_paid_once(paced, asked)


@pytest.mark.long
def test_a_database_that_is_killed_in_the_middle_of_building_costs_no_second_call(
    served: Stack, own_postgres: Postgres, paced: Model
) -> None:
    asked = goals(10)
    paths = [served.create(goal) for goal in asked]
    wait_until(lambda: written(served, paths) > 3, reason="the building is under way")
    own_postgres.kill()
    own_postgres.start()
    assert_finished(served, paced, paths, asked)


def test_answers_that_come_while_the_database_is_killed_are_saved_when_it_is_back(
    served: Stack, own_postgres: Postgres, paced: Model
) -> None:
    asked = goals(WORKERS)
    paths = in_the_middle(served, paced, tutorials, asked)
    before = paced.answered()

    own_postgres.kill()
    paced.let_go()
    wait_until(lambda: paced.answered() == before + WORKERS, reason="the model answers")
    answers_wait(served)
    own_postgres.start()

    assert_finished(served, paced, paths, asked)


@pytest.mark.long
def test_answers_while_the_database_is_stopped_beyond_a_lease_are_saved(
    served: Stack, own_postgres: Postgres, paced: Model
) -> None:
    asked = goals(WORKERS)
    paths = in_the_middle(served, paced, tutorials, asked)

    own_postgres.stop()
    paced.let_go()
    answers_wait(served, ROUNDS)
    own_postgres.start()

    assert_finished(served, paced, paths, asked)


@pytest.mark.long
def test_a_frozen_database_is_answered_by_503_and_everything_goes_on_when_it_thaws(
    served: Stack, own_postgres: Postgres, paced: Model
) -> None:
    asked = goals(WORKERS + 1)
    paths = in_the_middle(served, paced, tutorials, asked[:WORKERS])

    with frozen(own_postgres):
        refused = served.post(
            "/api/v1/roadmaps", json={"goal": "Learn to bake bread on ice"}
        )  # waits up to 30 s for it
        assert_unavailable(refused)
        assert_unavailable(served.get(paths[0]))
        assert served.get("/health/live").status_code == 200
        paced.let_go()
        answers_wait(served)

    paths.append(accepted(served, asked[-1]))
    assert_finished(served, paced, paths, asked)


@pytest.mark.long
def test_connections_that_are_cut_in_the_middle_of_transactions_cost_no_second_call(
    served: Stack, own_postgres: Postgres, paced: Model
) -> None:
    asked = goals(20)  # enough to outlast the strikes
    paths = [served.create(goal) for goal in asked]
    with asking(served) as ask:
        for _ in range(STRIKES):
            wait_until(
                lambda: ask(TERMINATE) != [(0,)],
                reason="a worker is in the middle of a transaction",
            )
    assert_finished(served, paced, paths, asked)


@pytest.mark.long
def test_a_read_only_database_is_answered_by_503_and_answers_wait_for_it(
    served: Stack, own_postgres: Postgres, paced: Model
) -> None:
    """As after a failover, when connections lead to what is a standby now."""
    asked = goals(WORKERS + 1)
    paths = in_the_middle(served, paced, tutorials, asked[:WORKERS])

    with read_only(served):
        assert_unavailable(
            served.post("/api/v1/roadmaps", json={"goal": "Learn to bake bread on stone"})
        )
        assert served.get(paths[0]).status_code == 200
        paced.let_go()
        answers_wait(served)

    paths.append(accepted(served, asked[-1]))
    assert_finished(served, paced, paths, asked)


@pytest.mark.long
def test_a_row_that_somebody_has_locked_costs_the_others_no_second_call(
    served: Stack, paced: Model
) -> None:
    asked = goals(WORKERS)
    paths = in_the_middle(served, paced, tutorials, asked)
    start_second(served)
    with (
        psycopg2.connect(served.environment["DATABASE_URL"]) as locking,
        locking.cursor() as cursor,
        asking(served) as ask,
    ):
        cursor.execute("SELECT id FROM content WHERE status = 'building' LIMIT 1 FOR UPDATE")
        leases = """SELECT min(lease_until), now() at time zone 'utc' FROM content
            WHERE status = 'building' AND id <> '{}'"""
        others = leases.format(*cursor.fetchone())
        [(first, _)] = ask(others)
        renewed = first + timedelta(seconds=2 * float(served.environment["HEARTBEAT_TTL_SECONDS"]))
        wait_until(
            lambda: ask(others)[0][0] > renewed,
            reason="the leases of the others are renewed",
        )
    paced.let_go()
    assert_finished(served, paced, paths, asked)


@pytest.mark.long
def test_no_request_waits_longer_for_a_frozen_database_when_many_connections_are_open(
    served: Stack, own_postgres: Postgres
) -> None:
    """Neither idle ones in the pool nor other people who ask add their waiting to one's own."""
    callers = [served.headers, served.register()]  # one account alone is not given all threads
    with ThreadPoolExecutor(HANDLERS) as people:
        wait_until(
            lambda: (
                ask_at_once(served, "/api/v1/roadmaps", callers * 20)
                or connections(served) >= HANDLERS
            ),
            reason="the pool of the API has many connections",
        )
        with frozen(own_postgres):
            asking = [people.submit(served.get, "/api/v1/roadmaps") for _ in range(HANDLERS - 1)]
            refused = served.post(
                "/api/v1/roadmaps", json={"goal": "Learn to bake bread on ice"}
            )  # waits up to 30 s for it
            assert_unavailable(refused)
            for asked in asking:
                assert_unavailable(asked.result())
    assert_built_once(served, accepted(served, goals(1)[0]))


@pytest.mark.long
def test_goals_are_refused_while_sqlite_is_locked_and_answers_are_saved_afterwards(
    embedded: Stack, paced: Model
) -> None:
    asked = goals(WORKERS + 1)
    paths = in_the_middle(embedded, paced, tutorials, asked[:WORKERS])

    with locked(data_file(embedded, "roadmap.db")):
        refused = embedded.post(
            "/api/v1/roadmaps", json={"goal": "Learn to bake bread behind a lock"}
        )
        assert_unavailable(refused)
        paced.let_go()
        answers_wait(embedded)

    paths.append(accepted(embedded, asked[-1]))
    assert_finished(embedded, paced, paths, asked)


@pytest.mark.long
def test_goals_are_accepted_while_the_queue_file_is_locked_and_built_afterwards(
    embedded: Stack, paced: Model
) -> None:
    asked = goals(WORKERS + 1)
    paths = in_the_middle(embedded, paced, tutorials, asked[:WORKERS])
    before = written(embedded, paths)

    with locked(data_file(embedded, "queue.db")):
        paths.append(embedded.create(asked[-1]))
        paced.let_go()
        wait_until(
            lambda: written(embedded, paths) == before + WORKERS,
            reason="the answers are saved without a queue",
        )
        for words in (
            "the broker does not take",
            "huey@content: the broker is away",
            "huey@logs: the broker is away",
        ):
            wait_until(lambda words=words: words in embedded.content.output, reason=words)
        assert embedded.get(paths[-1]).json()["status"] == "queued"

    assert_finished(embedded, paced, paths, asked)
