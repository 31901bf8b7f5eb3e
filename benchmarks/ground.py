"""The servers of every measurement, for all contenders, and processes that end in any case."""

import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg2

from core.settings import Settings
from testing.servers import Postgres, Redis, free_port
from testing.stack import ROOT, SHORT, Stack, clean_environment, server_stack
from testing.waiting import wait_until

# What a newcomer gets, instead of the short times of the tests.
DEFAULTS = {name: str(Settings.model_fields[name.lower()].default) for name in SHORT}
SHOWN = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_connections",
)
PACKAGES = (
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "huey",
    "peewee",
    "psycopg2-binary",
    "redis",
    "pydantic",
)
PEERS = (
    "fastapi",
    "sqlalchemy",
    "asyncpg",
    "celery",
    "flower",
)
OTHERS_DATABASE = 1  # of Redis; the service has 0
BEGAN = monotonic()
GRACE = 15  # seconds that a process gets after SIGTERM


class BenchmarkFailed(Exception):
    """A contender did not do what it is measured for; the message says which, and what it did."""


class Program:
    """A process of a contender, in a group of its own, with its output in a file."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name, self._log = name, folder / f"{name.replace(' ', '-')}-{free_port()}.log"
        with self._log.open("ab") as sink:
            self._process = subprocess.Popen(
                list(command),
                env=dict(environment),
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                cwd=ROOT,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def check_alive(self) -> None:
        """Raises BenchmarkFailed."""
        if self._process.poll() is not None:
            raise BenchmarkFailed(
                f"{self.name} ended with {self._process.returncode}:\n{self.output[-3000:]}"
            )

    def stop(self) -> None:
        """SIGTERM to it, and in the end SIGKILL to all that it has started."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(GRACE)


class Ground:
    """The servers, and whatever `start` has started; all of it ends with the block.

    A server starts when it is first asked for.
    """

    def __init__(self) -> None:
        self._ends = ExitStack()
        self._postgres: Postgres | None = None
        self._broker: Redis | None = None

    def __enter__(self) -> "Ground":
        self.scratch = Path(
            self._ends.enter_context(
                tempfile.TemporaryDirectory(prefix="roadmap-bench-", ignore_cleanup_errors=True)
            )
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    @property
    def postgres(self) -> Postgres:
        """As it comes, with fsync on."""
        if self._postgres is None:
            self._postgres = Postgres(self.folder("postgres"))
            self._ends.callback(self._postgres.stop)
            self._postgres.start()
        return self._postgres

    @property
    def broker(self) -> Redis:
        """With an append-only file, synced each second."""
        if self._broker is None:
            self._broker = Redis(self.folder("redis"))
            self._ends.callback(self._broker.stop)
            self._broker.start()
        return self._broker

    @property
    def others_broker(self) -> str:
        """The address at which the peers of the service find Redis."""
        return f"{self.broker.url().removesuffix('/0')}/{OTHERS_DATABASE}"

    def folder(self, name: str) -> Path:
        """A new one."""
        path = self.scratch / name
        number = 1
        while path.exists():
            number += 1
            path = self.scratch / f"{name}-{number}"
        path.mkdir()
        return path

    def stack(self, *, single_process: bool = False, **environment: str) -> Stack:
        """The service in server mode, not started, as three instances or as one.

        It has default settings, but limits that count and refuse nothing (OPEN_TO_TESTS).
        """
        settings = {**DEFAULTS, **environment}
        return server_stack(
            self.folder("service"),
            self.postgres,
            self.broker,
            single_process=single_process,
            **settings,
        )

    @contextmanager
    def program(self, name: str, command: Sequence[str], **environment: str) -> Iterator[Program]:
        program = Program(name, command, {**peer_environment(), **environment}, self.scratch)
        try:
            yield program
        finally:
            program.stop()

    def clear(self) -> None:
        """Leave nothing of a subject for the next one.

        Neither messages stay nor databases that are still being vacuumed.
        """
        if self._broker is not None:
            self._broker.client().flushall()
        if self._postgres is not None:
            for (name,) in ask(
                self._postgres.url(), "SELECT datname FROM pg_database WHERE NOT datistemplate"
            ):
                if name != "postgres":
                    ask(self._postgres.url(), f'DROP DATABASE "{name}" WITH (FORCE)')

    def settle(self) -> None:
        """Write out dirty pages, so that the next turn does not pay for them."""
        if self._postgres is not None:
            ask(self._postgres.url(), "CHECKPOINT")


def peer_environment() -> dict[str, str]:
    """Of processes of peers: as that of the service."""
    return {**clean_environment(), "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def tool(name: str, *arguments: str) -> list[str]:
    """A command that a package has installed beside this interpreter. Raises BenchmarkFailed."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise BenchmarkFailed(f"{name} is not installed here: run the benchmarks by `make bench`")
    return [str(path), *arguments]


def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement on a connection of its own; its rows, if it has any."""
    connection = psycopg2.connect(url, connect_timeout=5)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def compiled() -> None:
    """The code of the service as bytecode, as in its image: compiling it makes a start longer."""
    code = (
        "core",
        "reliable_queue",
        "migrations",
        "models",
        "roadmap",
        "tasks",
        "web",
        "cli",
        "benchmarks",
        "roadmap_app.py",
    )
    subprocess.run(python("-m", "compileall", "-q", *code), cwd=ROOT, check=True)


def say(text: str) -> None:
    """For the person who waits, with the seconds since the start."""
    print(f"{monotonic() - BEGAN:5.0f} s  {text}", file=sys.stderr, flush=True)


def until(condition: Any, who: str, what: str) -> Any:
    """The first true value of `condition()`. Raises BenchmarkFailed."""
    try:
        return wait_until(condition, reason=what)
    except AssertionError as error:
        raise BenchmarkFailed(f"{who}: {error}") from None


def machine() -> dict[str, str]:
    """The machine and the versions of a measurement."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), ""
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": cpu or platform.machine(),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {release_number(platform.release())}",
        "file system": file_system(Path(tempfile.gettempdir())),
    }


def release_number(release: str) -> str:
    """Of a kernel, 6.18.44 of 6.18.44-91-generic: its builder tells nothing of a measurement.

    As it stands without one.
    """
    number = re.match(r"\d+(\.\d+)*", release)
    return number[0] if number else release


def file_system(folder: Path) -> str:
    """The kind of the one that the servers write to: on tmpfs, fsync means nothing."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    places = [(place, kind) for place, kind in mounts if folder.resolve().is_relative_to(place)]
    return max(places, key=lambda each: len(each[0]))[1] if places else "unknown"


def versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for package in (*PACKAGES, *PEERS):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def settings_of_servers(ground: Ground) -> dict[str, str]:
    """Of those that were started."""
    found: dict[str, str] = {}
    if ground._postgres is not None:
        found |= {
            f"PostgreSQL {name}": str(ask(ground.postgres.url(), f"SHOW {name}")[0][0])
            for name in SHOWN
        }
    if ground._broker is not None:
        client: Any = ground.broker.client()
        info = client.info("server")
        found[info.get("server_name", "Redis").capitalize()] = info.get(
            "valkey_version", info["redis_version"]
        )
        found |= {
            f"Redis {name}": client.config_get(name)[name] for name in ("appendonly", "appendfsync")
        }
    return found
