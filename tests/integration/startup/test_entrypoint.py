"""How services start, wait, refuse and end: entrypoint.sh with real processes."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import psycopg2
import pytest
import redis

from core.migrate import LOCK, known, migrate
from core.settings import from_environment
from tests import launching
from tests.commands import refused, roadmap
from tests.integration.conftest import SMALL
from tests.launching import launched, waited
from tests.servers import Postgres, Redis, free_port
from tests.stack import (
    BEFORE,
    GOAL,
    NO_TLS,
    PASSWORD,
    ROOT,
    SHORT,
    Service,
    answer_to,
    clean_environment,
    with_pid_gone,
)
from tests.waiting import wait_until

KEY = "a key of this file with at least 32 characters"
SECRET = "hunter2-s3cret"
SCRIPTS = [
    "entrypoint.sh",
    ".ci/run",
    *sorted(f"scripts/{each.name}" for each in ROOT.glob("scripts/*.sh")),
]
long = pytest.mark.long
READY = {"logs": "huey@logs ready", "content": "huey@content ready"}

Launch = Callable[..., Service]


class Old(Redis):
    """Wants a password, and does not know how redis-py brings it."""

    def client(self) -> redis.Redis:
        return redis.Redis(
            host=self.host, port=self.port, socket_timeout=5, protocol=2, password=SECRET
        )

    def _command(self) -> list[str]:
        return [*super()._command(), "--requirepass", SECRET, "--rename-command", "HELLO", ""]


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A broker of this file's own: its consumers must not take what the shared stack has enqueued."""
    with running(Redis(tmp_path_factory.mktemp("queues"))) as server:
        yield server


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


@pytest.fixture(scope="module")
def server(postgres: Postgres, queues: Redis) -> dict[str, str]:
    """The variables of server mode, with a database that has the schema."""
    url = postgres.create_database(f"t{uuid.uuid4().hex}")
    variables = {
        "DATABASE_URL": url,
        "REDIS_URL": queues.url(),
        "SECRET_KEY": KEY,
        "REGISTRATION": "open",
    }
    migrate(from_environment(variables))
    return variables


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts a service of the given name with the given variables, on a port of its own. Whatever is left is killed."""
    started: list[Service] = []
    usual = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored, it would be ignored by every child too

    def start(name: str, **variables: str) -> Service:
        base = {**clean_environment(), **SHORT, "PORT": str(free_port()), "LOG_FORMAT": "text"}
        base |= {"DATA_DIR": str(tmp_path / "data")}
        started.append(Service(name, {**base, **variables}, tmp_path).through_entrypoint().start())
        return started[-1]

    yield start
    signal.signal(signal.SIGINT, usual)
    for service in started:
        for pid in left_of(service):
            with_pid_gone(pid, signal.SIGKILL)  # when one is killed the others end by themselves
        assert service.process is not None
        service.process.wait(10)


@contextmanager
def running(server: Redis) -> Iterator[Redis]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def left_of(service: Service) -> list[int]:
    """The processes of a service that still run, found by the session that all of them share."""
    return in_session(service.pid)


def in_session(leader: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session, *_ = (process / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == leader and state != "Z":
            found.append(int(process.name))
    return found


def signals_of(pid: int, what: str) -> set[int]:
    """Those that a process ignores (SigIgn) or blocks (SigBlk)."""
    [mask] = [
        line.split()[1]
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith(what)
    ]
    return {number for number in range(1, 65) if int(mask, 16) >> (number - 1) & 1}


def exit_code(service: Service) -> int:
    assert service.process is not None
    return service.process.wait(30)


def said(service: Service) -> list[str]:
    """What a service has said beyond what it is and that it waits."""
    return [line for line in service.output.splitlines() if not line.startswith(BEFORE)]


def refusal(service: Service) -> str:
    """The one sentence of a service that ends with 1."""
    assert exit_code(service) == 1, service.output
    lines = said(service)
    assert len(lines) == 1, service.output
    assert lines[0].startswith("error: ")
    assert SECRET not in service.output
    return lines[0]


def messages(service: Service, log_format: str) -> list[str]:
    """Of all its lines, each of which is of this format."""
    lines = service.output.splitlines()
    if log_format == "text":
        return lines
    told = [json.loads(line) for line in lines]
    assert {each["service"] for each in told} == {service.name}
    levels = {"waiting": "warning", "warning": "warning", "error": "error"}
    for each in told:
        assert each["level"] == levels.get(each["message"].partition(":")[0], "info")
    return [each["message"] for each in told]


def answers(service: Service, host: str = "127.0.0.1", path: str = "/health/ready") -> bool:
    assert service.alive(), service.output
    try:
        return (
            answer_to(
                "GET", f"http://{host}:{service.environment['PORT']}{path}", timeout=5
            ).status_code
            == 200
        )
    except httpx2.TransportError:
        return False


def client_of(api: Service) -> httpx2.Client:
    return httpx2.Client(
        base_url=f"http://127.0.0.1:{api.environment['PORT']}", timeout=30, verify=NO_TLS
    )


def await_output(service: Service, *texts: str) -> None:
    """Until a service that still runs has said all of these."""

    def done() -> bool:
        output = service.output
        assert service.alive() or all(text in output for text in texts), output
        return all(text in output for text in texts)

    wait_until(done, reason=f"{service.name} says {texts}")


def await_ready(service: Service, *names: str) -> None:
    await_output(service, *(READY[name] for name in names))


def await_all(service: Service) -> None:
    wait_until(lambda: answers(service), reason="the API is ready")
    await_ready(service, "logs", "content")


def await_nothing_left(service: Service) -> None:
    wait_until(lambda: not left_of(service), timeout=5, reason="every process has ended")


# Refusing


def test_an_unknown_service_is_told_the_names_there_are(launch: Launch) -> None:
    line = refusal(launch("web"))
    assert [name for name in ("api", "huey_logs", "huey_content", "all") if name not in line] == []


def test_a_single_service_without_servers_refuses() -> None:
    for name in ("api", "huey_logs", "huey_content", "celery_logs", "celery_content"):
        assert "DATABASE_URL and REDIS_URL are needed" in launching.refusal(launched(name)), name


def test_every_bad_variable_gets_a_line(server: dict[str, str]) -> None:
    bad = {
        "PORT": "0",
        "API_WORKERS": "many",
        "LEASE_SECONDS": "-1",
        "LOG_LEVEL": SECRET,
        "OPENAI_BASE_URL": SECRET,
    }
    ended = launched("api", **{**server, **bad})
    assert ended.code == 1
    assert SECRET not in ended.errors
    assert sorted(line.split(":")[1].strip() for line in ended.errors.splitlines()) == sorted(bad)
    assert all(line.startswith("error: ") for line in ended.errors.splitlines())


BAD_URLS = {
    "a port that is no number, of PostgreSQL": {
        "DATABASE_URL": f"postgresql://roadmap:{SECRET}@127.0.0.1:x/roadmap"
    },
    "an option that PostgreSQL does not have": {
        "DATABASE_URL": f"postgresql://roadmap:{SECRET}@127.0.0.1:1/roadmap?colour=red"
    },
    "a port that is no number, of Redis": {"REDIS_URL": f"redis://:{SECRET}@127.0.0.1:x/0"},
}


@pytest.mark.parametrize("bad", BAD_URLS.values(), ids=BAD_URLS)
def test_an_address_that_cannot_be_read_is_refused_by_its_name(
    server: dict[str, str], bad: dict
) -> None:
    [name] = bad
    assert name in launching.refusal(
        launched("huey_logs", **{**server, **bad, "STARTUP_WAIT_SECONDS": "1"})
    )


def test_a_password_that_the_broker_refuses_is_not_waited_for(
    server: dict[str, str], queues: Redis
) -> None:
    url = f"redis://roadmap:{SECRET}@127.0.0.1:{queues.port}/0"
    ended = launched("huey_logs", **{**server, "REDIS_URL": url})
    assert "REDIS_URL" in launching.refusal(ended)
    assert not waited(ended)


def test_a_database_of_the_broker_that_does_not_exist_is_refused(
    server: dict[str, str], queues: Redis
) -> None:
    url = f"redis://127.0.0.1:{queues.port}/4711"
    assert "REDIS_URL" in launching.refusal(launched("huey_logs", **{**server, "REDIS_URL": url}))


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_a_port_in_use_is_refused(server: dict[str, str], family: socket.AddressFamily) -> None:
    with socket.create_server(("", 0), family=family) as taken:
        port = str(taken.getsockname()[1])
        line = launching.refusal(launched("api", **server, PORT=port))
    assert f"PORT {port} cannot be used" in line


def test_a_port_in_use_is_refused_in_embedded_mode(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"PORT {port} cannot be used" in refusal(launch("all", PORT=port))


def test_a_broker_that_drops_queues_is_refused_and_one_that_drops_what_has_a_time_to_live_is_warned_of(
    launch: Launch, server: dict[str, str], tmp_path: Path
) -> None:
    with running(Redis(tmp_path)) as forgetful:
        forgetful.client().config_set("maxmemory-policy", "allkeys-lru")
        line = launching.refusal(
            launched("huey_content", **{**server, "REDIS_URL": forgetful.url()})
        )
        assert "allkeys-lru" in line
        assert "noeviction" in line
        forgetful.client().config_set("maxmemory-policy", "volatile-lru")
        service = launch("huey_logs", **{**server, "REDIS_URL": forgetful.url()})
        await_ready(service, "logs")
        assert service.stop() == 0
    [warning, _] = said(service)
    assert warning.startswith("warning: ")
    assert "volatile-lru" in warning


# Waiting


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


def test_a_broker_that_repeats_what_it_does_not_know_repeats_no_password(
    launch: Launch, server: dict[str, str], tmp_path: Path
) -> None:
    """redis-py logs in with HELLO; a server without it says the whole command again."""
    folder = tmp_path / "old"
    folder.mkdir()
    with running(Old(folder)) as old:
        address = f"redis://:{SECRET}@127.0.0.1:{old.port}/0"
        worker = launched("huey_logs", **{**server, "REDIS_URL": address})
        assert worker.code == 1
        assert "unknown command 'HELLO'" in worker.errors
        api = launch("api", **{**server, "REDIS_URL": address})
        wait_until(lambda: answers(api, path="/health/live"), reason="the API answers")
        with client_of(api) as client:
            person = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD}
            token = client.post("/api/v1/auth/register", json=person).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            assert client.post("/api/v1/roadmaps", json={"goal": GOAL}).status_code == 202
        wait_until(lambda: "the broker does not take" in api.output, reason="it has tried")
        doctor = roadmap({**api.environment}, "doctor", "--json")
    assert [
        each
        for each in (worker.output, worker.errors, api.output, doctor.output, doctor.errors)
        if SECRET in each
    ] == []


def beginning(script: Path) -> str:
    """Up to the line that goes to the house."""
    before, goes, after = script.read_text("utf-8").partition("$(dirname")
    return before + goes + after.partition("\n")[0] + "\n"


@pytest.mark.parametrize(
    "script", [each for each in SCRIPTS if "$(dirname" in (ROOT / each).read_text("utf-8")]
)
def test_no_script_is_misled_by_where_a_shell_looks_for_folders(
    script: str, tmp_path: Path
) -> None:
    """CDPATH leads a relative name elsewhere; what the environment says of Railway's graph is not for its check."""
    house, elsewhere = tmp_path / "house", tmp_path / "elsewhere"
    copy = house / script
    copy.parent.mkdir(parents=True)
    (elsewhere / copy.parent.relative_to(tmp_path)).mkdir(parents=True)
    copy.write_text(
        f'{beginning(ROOT / script)}\npwd -P\necho "of ${{ROADMAP_REPOSITORY:-nobody}}"\n'
    )
    environment = {**clean_environment(), "CDPATH": str(elsewhere)}
    if script == "scripts/railway.sh":
        environment["ROADMAP_REPOSITORY"] = "somebody/else"
    done = subprocess.run(
        ["bash", copy.relative_to(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [str(house.resolve()), "of nobody"]


def test_the_entrypoint_finds_its_own_house_wherever_a_shell_looks_for_folders(
    tmp_path: Path,
) -> None:
    """Called by a relative name, as a service manager may."""
    (tmp_path / "elsewhere" / ROOT.name).mkdir(parents=True)
    done = subprocess.run(
        [f"{ROOT.name}/entrypoint.sh"],
        cwd=ROOT.parent,
        env={
            **clean_environment(),
            "CDPATH": str(tmp_path / "elsewhere"),
            "SERVICE_TYPE": "nothing",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: SERVICE_TYPE")


def test_the_wait_for_a_server_that_is_away_has_an_end(server: dict[str, str]) -> None:
    wait = {
        **server,
        "STARTUP_WAIT_SECONDS": "2",
    }  # long enough for a second look on a busy machine
    nobody = free_port()
    database = {**wait, "DATABASE_URL": f"postgresql://roadmap:{SECRET}@127.0.0.1:{nobody}/roadmap"}
    broker = {**wait, "REDIS_URL": f"redis://:{SECRET}@127.0.0.1:{nobody}/0"}
    with ThreadPoolExecutor() as threads:
        without_database = [
            threads.submit(launched, name, **database)
            for name in ("api", "huey_logs", "huey_content")
        ]
        without_broker = [
            threads.submit(launched, name, **broker) for name in ("huey_logs", "huey_content")
        ]
    for whats, those in (("database", without_database), ("broker", without_broker)):
        for ended in those:
            assert f"the {whats} does not answer" in launching.refusal(ended.result())
            assert waited(ended.result())


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


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_consumer_waits_for_the_schema_and_both_tell_their_start_in_a_line_each(
    launch: Launch, unmigrated: dict[str, str], log_format: str
) -> None:
    given = {
        **unmigrated,
        "LOG_FORMAT": log_format,
        "LOG_LEVEL": "WARNING",
        "OPENAI_APIKEY": SECRET,
    }
    consumer = launch("huey_content", **given)
    await_output(consumer, f"waiting: the schema is not at {known()[-1]} yet")
    assert READY["content"] not in consumer.output

    api = launch("api", **given)

    await_ready(consumer, "content")
    wait_until(lambda: answers(api), reason="the API is ready")
    strange = "warning: OPENAI_APIKEY is no setting and has no effect; name it OPENAI_API_KEY"
    warning, version, *rest = messages(api, log_format)
    assert warning == strange
    assert re.fullmatch(r"version: \S+, commit [0-9a-f]{40}|version: \S+, commit unknown", version)
    assert rest == [
        f"address: *:{api.environment['PORT']}, mode: server (PostgreSQL and Redis)",
        f"migrations: {len(known())} applied, the last is {known()[-1]}",
        "api ready",
    ]
    warning, first, waiting, ready = messages(consumer, log_format)
    assert (warning, first, ready) == (strange, version, READY["content"])
    assert waiting.startswith("waiting: the schema")


def test_a_setting_that_is_missing_because_it_is_misspelt_is_named(server: dict[str, str]) -> None:
    given = {
        **clean_environment(),
        **server,
        "SERVICE_TYPE": "api",
        "DATABSE_URL": server["DATABASE_URL"],
        "DATABASE_URL": "",
    }
    found = refused(given)
    assert found.code == 1
    assert (
        "warning: DATABSE_URL is no setting and has no effect; name it DATABASE_URL\n"
        in found.errors
    )
    assert "error: REDIS_URL is set but DATABASE_URL is not" in found.errors


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
    assert said(consumer) == []


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
    assert [said(api) for api in apis] == [[], [], []]


# Running


@pytest.mark.parametrize(
    ("name", "queue", "threads"),
    [
        ("celery_logs", "logs", {"LOGS_WORKERS": "16"}),
        ("celery_content", "content", {"CONTENT_WORKERS": "16"}),
    ],
)
def test_a_consumer_starts_under_its_old_name_says_once_that_it_is_ready_and_ends_with_zero(
    launch: Launch, server: dict[str, str], name: str, queue: str, threads: dict[str, str]
) -> None:
    consumer = launch(name, **server, **threads)
    await_ready(consumer, queue)
    assert consumer.stop() == 0
    await_nothing_left(consumer)
    assert said(consumer) == [READY[queue]]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_api_is_reached_over_both_families_and_ends_with_zero(
    launch: Launch, server: dict[str, str], workers: str
) -> None:
    api = launch("api", **server, API_WORKERS=workers)
    for host in ("127.0.0.1", "[::1]"):
        wait_until(lambda host=host: answers(api, host), reason=f"{host} answers")
    assert api.stop() in (
        0,
        -signal.SIGTERM,
    )  # uvicorn, once it has drained, ends by the signal that it was sent
    await_nothing_left(api)
    assert said(api) == []


def test_the_services_of_one_instance_share_what_they_have_loaded_and_are_reached_over_loopback_only(
    launch: Launch,
) -> None:
    """More of a consumer's own memory is that of the process from which all are forked than not."""
    service = launch("all")
    await_all(service)
    for words in ("logs_queue", "content_queue"):
        lines = Path(f"/proc/{service.child(words)}/smaps_rollup").read_text().splitlines()[1:]
        kilobytes = {name: int(number) for name, number, _ in (line.split() for line in lines)}
        assert kilobytes["Shared_Dirty:"] > kilobytes["Private_Dirty:"], kilobytes
    assert [host for host in ("127.0.0.2", "[::1]") if answers(service, host, "/health")] == []

    assert "another instance" not in service.output
    second = launch("all")  # with the same DATA_DIR
    await_output(second, "warning: another instance uses DATA_DIR")
    service.stop()
    await_output(launch("all"), "warning: another instance uses DATA_DIR")  # beside the second one


# Ending


def test_sigterm_ends_the_event_streams_of_the_api_in_order(
    launch: Launch, server: dict[str, str]
) -> None:
    api = launch("api", **server)
    wait_until(lambda: answers(api), reason="the API is ready")
    with client_of(api) as client:
        person = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD}
        token = client.post("/api/v1/auth/register", json=person).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        events = client.post("/api/v1/roadmaps", json={"goal": GOAL}).json()["links"]["events"]
        with client.stream("GET", events) as stream:
            lines = stream.iter_lines()
            assert "event: roadmap.queued" in lines  # reads up to it
            api.signal(signal.SIGTERM)
            list(lines)  # raises when the connection is cut
    assert exit_code(api) in (
        0,
        -signal.SIGTERM,
    )  # uvicorn, once it has drained, ends by the signal that it was sent
    assert [
        line for line in said(api) if "roadmap.security" not in line
    ] == []  # who registered is written down


def test_the_services_of_one_instance_count_each_for_itself(launch: Launch) -> None:
    """Numbered as those of one process, batches of two would be taken for batches that were added before."""
    service = launch("all", METRICS_TOKEN=KEY.replace(" ", "-"))
    await_all(service)
    address = f"http://127.0.0.1:{service.environment['PORT']}"
    assert answer_to("POST", f"{address}/api/v1/roadmaps", json=SMALL).status_code == 202

    def told() -> str:
        return answer_to(
            "GET",
            f"{address}/metrics",
            headers={"Authorization": f"Bearer {KEY.replace(' ', '-')}"},
        ).text

    for counted in ('route="/api/v1/roadmaps"', 'queue="content"', 'queue="logs"'):
        wait_until(lambda counted=counted: counted in told(), reason=f"{counted} is counted")
    with closing(
        sqlite3.connect(Path(service.environment["DATA_DIR"]) / "roadmap.db")
    ) as connection:

        def sources() -> list[tuple[int, int]]:
            return connection.execute("SELECT last_seq, stored FROM log_source").fetchall()

        wait_until(
            lambda: len(sources()) >= 2,
            reason="who accepts and who makes have both written records",
        )
        assert [source for source in sources() if source[1] > source[0]] == []
        count = "SELECT count(*) FROM measured_process"
        wait_until(
            lambda: connection.execute(count).fetchall() == [(3,)],
            reason="each of them has saved its counts",
        )


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGTERM,
        signal.SIGINT,
        *(pytest.param(each, marks=long) for each in (signal.SIGQUIT, signal.SIGHUP)),
    ],
)
def test_a_signal_to_all_ends_everything_in_order(launch: Launch, how: signal.Signals) -> None:
    service = launch("all")
    await_all(service)
    service.signal(how)
    assert exit_code(service) == 0
    await_nothing_left(service)
    assert "Traceback" not in service.output
    assert "error" not in service.output


SUPERVISED = """
import os, signal, sys, time

def serve(number):
    told = []
    for each in ENDS:
        signal.signal(each, lambda number, _: told.append(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
    signal.alarm(60)
    open(f"{sys.argv[1]}/{number}.ready", "w").close()
    if number == 3 and sys.argv[2] == "hangs":
        os.kill(os.getpid(), signal.SIGSTOP)
    while not told:
        time.sleep(0.02)
    time.sleep(0.5)  # time for a second one
    with open(f"{sys.argv[1]}/{number}.told", "w") as file:
        file.write(" ".join(signal.Signals(each).name for each in told))
    os._exit(0)

ENDS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP}
BLOCKED, pids = {*ENDS, signal.SIGCHLD}, []
signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
for number in range(4):
    pids.append(os.fork())
    if not pids[-1]:
        os.setpgid(0, 0)
        serve(number)
os.execv(sys.executable, [sys.executable, "-c", SUPERVISE, sys.argv[3], *map(str, pids)])
"""
SUPERVISE = """
import sys
from core.startup import supervisor
supervisor.AFTER_GRACE = 0.5  # seconds
sys.exit(supervisor.main(float(sys.argv[1]), int(sys.argv[2]), [int(pid) for pid in sys.argv[3:]]))
"""


@contextmanager
def supervised(folder: Path, grace: str, how: str = "ends") -> Iterator[subprocess.Popen[bytes]]:
    """The supervisor with programs that write down what they are told."""
    command = [
        sys.executable,
        "-c",
        f"SUPERVISE = {SUPERVISE!r}{SUPERVISED}",
        str(folder),
        how,
        grace,
    ]
    supervisor = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        wait_until(lambda: len(list(folder.glob("*.ready"))) == 4, reason="all of them count")
        wait_until(
            lambda: "SIG_BLOCK" not in Path(f"/proc/{supervisor.pid}/cmdline").read_text(),
            reason="it supervises",
        )
        yield supervisor
    finally:
        for pid in in_session(supervisor.pid):
            with_pid_gone(pid, signal.SIGKILL)
        supervisor.wait(10)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_a_signal_to_all_is_passed_on_once(tmp_path: Path, how: signal.Signals) -> None:
    """A second one would end the grace of a consumer. To programs that count what they are told."""
    with supervised(tmp_path, "10") as supervisor:
        for _ in range(3):
            supervisor.send_signal(how)
        assert supervisor.wait(20) == 0
    assert [file.read_text() for file in sorted(tmp_path.glob("*.told"))] == ["SIGTERM"] * 4


def test_what_does_not_end_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    with supervised(tmp_path, "1", "hangs") as supervisor:
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(20) == 0
        wait_until(
            lambda: in_session(supervisor.pid) == [], timeout=5, reason="every process has ended"
        )
    assert len(list(tmp_path.glob("*.told"))) == 3


@long
def test_a_service_that_does_not_end_is_killed_when_its_time_is_over(launch: Launch) -> None:
    service = launch("all", SHUTDOWN_GRACE_SECONDS="0.5")
    await_all(service)
    os.kill(service.child("uvicorn"), signal.SIGSTOP)
    service.signal(signal.SIGTERM)
    assert exit_code(service) == 0
    await_nothing_left(service)
    assert {line for line in said(service) if "huey@" in line} == set(READY.values())


def test_a_ctrl_c_that_the_shell_was_told_to_ignore_leaves_nothing_behind(launch: Launch) -> None:
    """As for a script that starts it in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # `launch` puts it right
    service = launch("all")
    await_all(service)
    service.signal(signal.SIGINT)
    assert exit_code(service) == 0
    await_nothing_left(service)


def test_a_terminal_that_is_closed_ends_nothing_that_was_told_to_go_on(launch: Launch) -> None:
    """As by nohup."""
    usual = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        service = launch("all")
    finally:
        signal.signal(signal.SIGHUP, usual)
    await_all(service)
    wait_until(
        lambda: len(service.children()) == 3,
        reason="the announcer has ended, and the services are there",
    )
    for pid in service.children():
        assert signal.SIGHUP in signals_of(pid, "SigIgn")
    assert signal.SIGHUP in signals_of(
        service.pid, "SigBlk"
    )  # which waits for others than this one
    for pid in (service.pid, *service.children()):
        os.kill(pid, signal.SIGHUP)
    assert answers(service)
    assert service.stop() == 0


def test_all_end_when_one_is_killed_also_when_nobody_can_be_told(
    launch: Launch, tmp_path: Path
) -> None:
    """Whoever read what it says is gone."""
    reading, writing = os.pipe()
    variables = {
        **clean_environment(),
        **SHORT,
        "PORT": str(free_port()),
        "DATA_DIR": str(tmp_path / "data"),
    }
    service = Service("all", variables, tmp_path)
    service.process = subprocess.Popen(
        [str(ROOT / "entrypoint.sh")],
        env=service.environment,
        stdout=writing,
        stderr=writing,
        start_new_session=True,
    )
    os.close(writing)
    try:
        wait_until(lambda: answers(service), reason="the API is ready")
        killed = service.child("logs_queue")
        os.close(reading)
        os.kill(killed, signal.SIGKILL)
        assert exit_code(service) == 1
        await_nothing_left(service)
    finally:
        for pid in left_of(service):
            os.kill(pid, signal.SIGKILL)


NO_ROOM = """
import errno, os
fork, left = os.fork, [2]

def full():
    left[0] -= 1
    if left[0] < 0:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()

os.fork = full
"""


def test_where_there_is_no_room_for_all_processes_none_stays(
    launch: Launch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_ROOM)
    service = launch("all", PYTHONPATH=str(tmp_path))
    assert "cannot be started" in refusal(service)
    await_nothing_left(service)


def test_a_signal_to_all_while_it_starts_ends_everything(launch: Launch) -> None:
    service = launch("all")
    wait_until(lambda: len(service.children()) >= 3, reason="the services are started")
    service.signal(signal.SIGTERM)
    assert exit_code(service) == 0
    await_nothing_left(service)


@pytest.mark.parametrize(
    "processes", [1, 2, pytest.param(3, marks=long), 4, pytest.param(5, marks=long)]
)
def test_a_signal_to_all_leaves_nothing_behind_that_has_only_just_come(
    launch: Launch, processes: int
) -> None:
    service = launch("all")
    wait_until(
        lambda: len(left_of(service)) >= processes, reason=f"{processes} processes are there"
    )
    service.signal(signal.SIGTERM)
    assert exit_code(service) in (
        0,
        128 + signal.SIGTERM,
        -signal.SIGTERM,
    )  # the last two before there is a service
    await_nothing_left(service)


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        pytest.param("uvicorn", {}, marks=long, id="api"),
        pytest.param("uvicorn", {"API_WORKERS": "2"}, id="api of two processes"),
        pytest.param("logs_queue", {}, marks=long, id="huey_logs"),  # the test above kills it, too
        pytest.param("content_queue", {"LOG_FORMAT": "json"}, id="huey_content"),
    ],
)
def test_all_ends_when_one_of_its_services_is_killed(
    launch: Launch, words: str, variables: dict[str, str]
) -> None:
    service = launch("all", **variables)
    await_all(service)
    os.kill(service.child(words), signal.SIGKILL)
    assert exit_code(service) == 1
    await_nothing_left(service)
    told = messages(service, service.environment["LOG_FORMAT"])
    assert told[-1] == "error: one of the services has ended; the others are stopped"
