"""PostgreSQL killed, stopped or frozen, SQLite locked, while models are asked: their answers wait, and are paid for once."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psycopg2
import pytest

from tests.chaos.test_broker import SEED, WORKERS, Model, assert_paid_once, goals
from tests.chaos.test_faults import assert_built_once, written
from tests.servers import Postgres, Redis
from tests.stack import Stack, embedded_stack, running, server_stack, with_pid_gone
from tests.waiting import wait_until

WAITING = "an answer waits to be saved"
ROUNDS = 10  # of a try to save every half a second: longer than a lease lasts, and than somebody else needs to take it over
STRIKES = 6
HANDLERS = 4  # threads of the API that answer
TERMINATE = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'roadmap-huey_content' AND state <> 'idle'"""
OPEN = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'roadmap-api'"""
HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
connection.execute("begin exclusive")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model(SEED)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def served(tmp_path: Path, own_postgres: Postgres, broker: Redis, model: Model) -> Iterator[Stack]:
    """Server mode with a model, and a PostgreSQL to harm; nobody else uses its queues."""
    broker.client().flushall()
    with running(server_stack(tmp_path, own_postgres, broker, **model.environment)) as stack:
        yield stack


@pytest.fixture
def embedded(tmp_path: Path, model: Model) -> Iterator[Stack]:
    with running(embedded_stack(tmp_path, **model.environment)) as stack:
        yield stack


@contextmanager
def frozen(postgres: Postgres) -> Iterator[None]:
    """SIGSTOP to the whole server; its children are in groups of their own."""
    assert postgres._process is not None
    parent = postgres._process.pid
    postgres.pause()  # first, so that it has no new children
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=True)
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
def locked(path: Path) -> Iterator[None]:
    """Another process holds an exclusive transaction on an SQLite file."""
    assert path.exists()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == b"held\n"
            yield
        finally:
            holder.stdin.close()
            holder.wait(30)


def connections(stack: Stack) -> int:
    """How many the API has open."""
    connection = psycopg2.connect(stack.environment["DATABASE_URL"])
    try:
        with connection.cursor() as cursor:
            cursor.execute(OPEN)
            return int(cursor.fetchone()[0])
    finally:
        connection.close()


def in_the_middle(stack: Stack, model: Model, asked: list[str]) -> list[str]:
    """Paths of these goals; every worker waits for the model's tutorial."""
    model.hold("tutorial")
    paths = [stack.create(goal) for goal in asked]
    wait_until(lambda: model.waiting == WORKERS, reason="every worker waits for a tutorial")
    return paths


def answers_wait(stack: Stack, rounds: int = 1) -> None:
    """The model's answers have been tried to save so often."""
    least = stack.content.output.count(WAITING) + rounds * WORKERS
    wait_until(lambda: stack.content.output.count(WAITING) >= least, timeout=90, reason="the answers wait to be saved")


def assert_unavailable(answer: httpx2.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0


def accepted(stack: Stack, goal: str) -> str:
    """The path of a roadmap that is accepted as soon as the database allows it."""

    def post() -> str:
        answer = stack.post("/api/v1/roadmaps", json={"goal": goal})
        return answer.headers["location"] if answer.status_code == 202 else ""

    return wait_until(post, timeout=60, reason="goals are accepted again")


def assert_finished(stack: Stack, model: Model, paths: list[str], asked: list[str]) -> None:
    """These roadmaps and no others are there, each built once, each call paid once."""
    for path in paths:
        stack.finished(path, timeout=90)
        assert_built_once(stack, path)
    items = stack.get("/api/v1/roadmaps?limit=100").json()["items"]
    assert {f"/api/v1/roadmaps/{item['id']}" for item in items} == set(paths)
    assert_paid_once(model, asked)


def test_a_database_that_is_killed_in_the_middle_of_building_costs_no_second_call(
    served: Stack, own_postgres: Postgres, model: Model
) -> None:
    asked = goals(10)
    paths = [served.create(goal) for goal in asked]
    wait_until(lambda: written(served, paths) > 3, reason="the building is under way")
    own_postgres.kill()
    own_postgres.start()
    assert_finished(served, model, paths, asked)


def test_answers_that_come_while_the_database_is_killed_are_saved_when_it_is_back(
    served: Stack, own_postgres: Postgres, model: Model
) -> None:
    asked = goals(WORKERS)
    paths = in_the_middle(served, model, asked)
    before = model.answered()

    own_postgres.kill()
    model.let_go()
    wait_until(lambda: model.answered() == before + WORKERS, reason="the model answers")
    answers_wait(served)
    own_postgres.start()

    assert_finished(served, model, paths, asked)


@pytest.mark.long
def test_answers_that_come_while_the_database_is_stopped_for_longer_than_a_lease_are_saved_when_it_is_back(
    served: Stack, own_postgres: Postgres, model: Model
) -> None:
    asked = goals(WORKERS)
    paths = in_the_middle(served, model, asked)

    own_postgres.stop()
    model.let_go()
    answers_wait(served, ROUNDS)
    own_postgres.start()

    assert_finished(served, model, paths, asked)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_frozen_database_is_told_by_503_and_everything_goes_on_when_it_thaws(
    served: Stack, own_postgres: Postgres, model: Model
) -> None:
    asked = goals(WORKERS + 1)
    paths = in_the_middle(served, model, asked[:WORKERS])

    with frozen(own_postgres):
        refused = served.post("/api/v1/roadmaps", json={"goal": "Learn to bake bread on ice"})  # waits up to 30 s for it
        assert_unavailable(refused)
        assert_unavailable(served.get(paths[0]))
        assert served.get("/health/live").status_code == 200
        model.let_go()
        answers_wait(served)

    paths.append(accepted(served, asked[-1]))
    assert_finished(served, model, paths, asked)


def test_connections_that_are_cut_in_the_middle_of_transactions_cost_no_second_call(
    served: Stack, own_postgres: Postgres, model: Model
) -> None:
    asked = goals(10)
    paths = [served.create(goal) for goal in asked]
    connection = psycopg2.connect(served.environment["DATABASE_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:

        def cut() -> int:
            cursor.execute(TERMINATE)
            return int(cursor.fetchone()[0])

        for _ in range(STRIKES):
            wait_until(cut, reason="a worker is in the middle of a transaction")
    connection.close()
    assert_finished(served, model, paths, asked)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_nobody_waits_longer_for_a_frozen_database_when_many_connections_are_open(served: Stack, own_postgres: Postgres) -> None:
    """Neither those that idle in the pool, nor other people who ask, add their waiting to one's own."""
    with ThreadPoolExecutor(HANDLERS) as people:
        wait_until(
            lambda: [*people.map(served.get, ["/api/v1/roadmaps"] * 50)] and connections(served) >= HANDLERS,
            reason="the pool of the API has many connections",
        )
        with frozen(own_postgres):
            asking = [people.submit(served.get, "/api/v1/roadmaps") for _ in range(HANDLERS - 1)]
            refused = served.post("/api/v1/roadmaps", json={"goal": "Learn to bake bread on ice"})  # waits up to 30 s for it
            assert_unavailable(refused)
            for asked in asking:
                assert_unavailable(asked.result())
    assert_built_once(served, accepted(served, goals(1)[0]))


@pytest.mark.long
def test_goals_are_refused_while_sqlite_is_locked_and_answers_are_saved_afterwards(embedded: Stack, model: Model) -> None:
    asked = goals(WORKERS + 1)
    paths = in_the_middle(embedded, model, asked[:WORKERS])

    with locked(Path(embedded.environment["DATA_DIR"], "roadmap.db")):
        refused = embedded.post("/api/v1/roadmaps", json={"goal": "Learn to bake bread behind a lock"})
        assert_unavailable(refused)
        model.let_go()
        answers_wait(embedded)

    paths.append(accepted(embedded, asked[-1]))
    assert_finished(embedded, model, paths, asked)


@pytest.mark.long
def test_goals_are_accepted_while_the_queue_file_is_locked_and_built_afterwards(embedded: Stack, model: Model) -> None:
    asked = goals(WORKERS + 1)
    paths = in_the_middle(embedded, model, asked[:WORKERS])
    before = written(embedded, paths)

    with locked(Path(embedded.environment["DATA_DIR"], "queue.db")):
        paths.append(embedded.create(asked[-1]))
        model.let_go()
        wait_until(lambda: written(embedded, paths) == before + WORKERS, reason="the answers are saved without a queue")
        for words in ("the broker does not take", "huey@content: the broker is away", "huey@logs: the broker is away"):
            wait_until(lambda words=words: words in embedded.content.output, reason=words)
        assert embedded.get(paths[-1]).json()["status"] == "queued"

    assert_finished(embedded, model, paths, asked)
