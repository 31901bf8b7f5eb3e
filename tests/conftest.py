"""The environment of in-process tests, and the servers and stacks that tests share.

In-process tests run the application on SQLite in a scratch folder; `immediate` runs both queues
without a consumer.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.faulty import Faulty, faults_before
from testing.scratch import write_in_memory
from testing.servers import Postgres, Redis, scratch_folder
from testing.stack import (
    CALM,
    OPEN_TO_TESTS,
    SHORT,
    Service,
    Stack,
    clean_environment,
    embedded_stack,
    running,
    server_stack,
)
from testing.waiting import wait_until
from tests.durations import FixtureDurations

# One of several processes that run tests; another one gives them out.
TESTER = "PYTEST_XDIST_WORKER" in os.environ
write_in_memory()
SCRATCH = Path(
    tempfile.mkdtemp(
        prefix="roadmap-tests-", dir=os.environ.get("ROADMAP_TEST_SCRATCH") if TESTER else None
    )
)
os.environ["ROADMAP_TEST_SCRATCH"] = str(SCRATCH)  # those of the testers are in it
PLACE = {"SERVICE_TYPE": "all", "DATA_DIR": str(SCRATCH / "data"), "LOG_LEVEL": "WARNING"}
ENVIRONMENT = {**clean_environment(), **SHORT, **OPEN_TO_TESTS, **PLACE}
# Started in the background: what the tests start must hear Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # by nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
KEPT = {
    name: value
    for name, value in os.environ.items()
    if name.startswith(("ROADMAP_TEST_", "PYTEST_", "CI", "PIP_"))
}
os.environ.clear()  # before the application is imported: its settings are read once
os.environ.update({**KEPT, **ENVIRONMENT})

from starlette.testclient import TestClient  # noqa: E402

from core import clock  # noqa: E402
from core.db import settings, transaction  # noqa: E402
from core.migrate import migrate  # noqa: E402
from models.accounts import Account, Invitation  # noqa: E402
from models.records import AuditRecord, ExecutionLog  # noqa: E402
from roadmap.accounts.accounts import ensure_local_owner  # noqa: E402
from roadmap.operations import execution_log  # noqa: E402
from roadmap_app import app  # noqa: E402
from tasks.queues import content_queue, logs_queue  # noqa: E402
from testing.forking import fork_server  # noqa: E402
from tests.copies import Copies  # noqa: E402

Service.fork_server = fork_server()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long tests too")


def pytest_configure(config: pytest.Config) -> None:
    if getattr(config.option, "maxworkerrestart", "0") is None:
        config.option.maxworkerrestart = "0"  # `--dist loadfile` hangs after it replaced a worker
    if config.option.durations is not None:
        config.pluginmanager.register(FixtureDurations())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones out unless they are asked for: deselected, not skipped."""
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Ctrl-C waits until everything is ended that the test has started."""
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if heard:
            raise KeyboardInterrupt


def pytest_keyboard_interrupt() -> None:
    """Ignore the second Ctrl-C of a tester, which the one who gives out the tests sends."""
    if TESTER:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Iterator[None]:
    """Wait for the testers after Ctrl-C: they would be killed within seconds otherwise."""
    if exitstatus == pytest.ExitCode.INTERRUPTED and session.config.pluginmanager.hasplugin(
        "dsession"
    ):
        wait_until(
            lambda: not list(SCRATCH.glob("roadmap-tests-*")),
            reason="every tester has ended",
        )
    try:
        yield
    finally:
        if TESTER:
            shutil.rmtree(SCRATCH)  # what the test has started is ended


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(SCRATCH, ignore_errors=True)


def _postgres() -> Iterator[Postgres]:
    with scratch_folder() as folder:
        server = Postgres(folder)
        try:
            server.start()
            yield server
        finally:  # also when somebody interrupts the start
            server.stop()


def _broker() -> Iterator[Redis]:
    with scratch_folder() as folder:
        server = Redis(folder)
        try:
            server.start()
            yield server
        finally:  # also when somebody interrupts the start
            server.stop()


# Shared by tests that only use them, and of a test's own for those that harm them.
postgres = pytest.fixture(scope="session", name="postgres")(_postgres)
broker = pytest.fixture(scope="session", name="broker")(_broker)
module_broker = pytest.fixture(scope="module", name="module_broker")(_broker)
own_postgres = pytest.fixture(name="own_postgres")(_postgres)
own_broker = pytest.fixture(name="own_broker")(_broker)


@pytest.fixture(scope="session")
def shared_embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("embedded")
    with running(embedded_stack(folder, **CALM).through_entrypoint()) as made:
        yield made


@pytest.fixture(scope="session")
def shared_server(
    postgres: Postgres, broker: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """As a person starts it: through entrypoint.sh, on an empty database."""
    own = {**CALM, "DATABASE_URL": postgres.create_database("shared")}
    with running(
        server_stack(
            tmp_path_factory.mktemp("server"), postgres, broker, **own
        ).through_entrypoint()
    ) as made:
        yield made


@pytest.fixture(scope="session", params=["embedded", "server"])
def stack(request: pytest.FixtureRequest) -> Stack:
    """The whole service in each mode, shared by tests that only use it.

    Tests that harm it make their own. Both stay up, in whichever order tests want them.
    """
    shared: Stack = request.getfixturevalue(f"shared_{request.param}")
    return shared


@pytest.fixture(scope="session")
def schema() -> None:
    """The application's own database, in this process, migrated."""
    migrate(settings)


@pytest.fixture
def immediate(schema: None) -> Iterator[None]:
    """Both queues run their tasks at once, in the thread that enqueues, on empty tables.

    A test posts a goal and reads `ready`, with no consumer running. Retries and schedules wait
    until the test moves the clock (`core.clock.travel`) and drains a queue
    (`content_queue.drain()`).
    """
    with transaction():
        # Everything else hangs on an account.
        for table in (ExecutionLog, AuditRecord, Invitation, Account):
            table.delete().execute()
    ensure_local_owner()
    logs_queue.immediate = content_queue.immediate = True
    yield
    execution_log.buffer.flush()
    logs_queue.immediate = content_queue.immediate = False
    clock.reset()


@pytest.fixture
def with_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Concepts that are not of the catalogue are written here, not left to the person."""
    monkeypatch.setattr("roadmap.generation.generator.has_model", lambda: True)


@pytest.fixture
def client(immediate: None) -> Iterator[TestClient]:
    """The application in this process, in immediate mode, called as its local owner."""
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as made:
        yield made


@pytest.fixture(scope="session")
def copies(schema: None) -> Copies:
    """Databases that tests of this process begin with; `copies.of(name, make)` makes one once."""
    return Copies()


@pytest.fixture
def faulty(shared_server: Stack) -> Iterator[Faulty]:
    """Before a service in server mode: what goes wrong on the way is the same in both."""
    with faults_before(shared_server.port) as server:
        yield server
