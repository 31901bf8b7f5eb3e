"""The real services in both modes, forked (`testing/forking.py`) or through entrypoint.sh."""

import contextlib
import os
import signal
import ssl
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from roadmap.generation.catalogue.loader import load_concept, load_track
from testing.forking import OF_ENTRYPOINT, ForkServer, Process, can_be_forked, has_ended
from testing.servers import Postgres, Redis, free_port
from testing.waiting import HANG, wait_until

ROOT = Path(__file__).resolve().parent.parent
ENTRYPOINT = str(ROOT / "entrypoint.sh")
GOAL = "Become a backend engineer in Python"
CONCEPTS = load_track("python-backend").concept_ids  # of its plan for a beginner
QUESTIONS = len(load_concept("python-backend", CONCEPTS[0]).questions)  # of the first one
SHORT = {
    "HEARTBEAT_SECONDS": "0.5",
    "HEARTBEAT_TTL_SECONDS": "2",
    "RETRY_BASE_SECONDS": "0.1",
    "RESCUE_AFTER_SECONDS": "1",
    "LEASE_SECONDS": "6",
    "MODEL_TIMEOUT_SECONDS": "3",
    "SHUTDOWN_GRACE_SECONDS": "5",
    "STARTUP_WAIT_SECONDS": "60",
    "QUIZ_CHECK": "false",  # as they count the calls of what they test
    "LINK_CHECK_DAYS": "0",  # tests of it set their own: the others visit no site
}
# Of services that no test kills: none is taken for dead that only waits for a busy machine.
CALM = {
    "HEARTBEAT_SECONDS": "3",
    "HEARTBEAT_TTL_SECONDS": "60",
    "LEASE_SECONDS": "600",
    "RESCUE_AFTER_SECONDS": "15",
}
OPEN_TO_TESTS = {  # they make many accounts from one address; tests of the limits set their own
    "REGISTRATION": "open",
    "LOGIN_ATTEMPTS": "100000",
    "REQUESTS_PER_MINUTE": "10000000",
    "MOST_UNFINISHED_ROADMAPS": "1000000",
    "MOST_QUEUED_ROADMAPS": "1000000",
}
MONITOR = {"METRICS_TOKEN": "a-token-for-the-tests-that-count"}
# What a service says of its start.
BEFORE = ("version: ", "address: ", "migrations: ", "waiting: ", "api ready")
FINAL = ("ready", "partial", "failed", "cancelled")
PASSWORD = "a long enough passphrase"
NO_TLS = ssl.SSLContext(
    ssl.PROTOCOL_TLS_CLIENT
)  # trusts no certificate; a client without one reads all of this machine


def clean_environment() -> dict[str, str]:
    """This machine as the services of a test see it, without anything that configures them."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


def answer_to(method: str, url: str, **options: Any) -> httpx2.Response:
    """The answer of a server on this machine, on a connection of its own."""
    return httpx2.request(method, url, **{"timeout": HANG, "verify": NO_TLS, **options})


class Service:
    """One process, with its output in a file.

    Started through entrypoint.sh, unless tests have set a server that forks it.
    """

    fork_server: ClassVar[ForkServer | None] = None

    def __init__(self, name: str, environment: dict[str, str], folder: Path) -> None:
        self.name, self.environment = name, {**environment, "SERVICE_TYPE": name}
        self.log = folder / f"{name}-{uuid.uuid4().hex[:6]}.log"
        self.command: list[
            str
        ] = []  # when it is neither forked nor started through entrypoint.sh: a unit of a home, say
        self.process: Process | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def start(self) -> "Service":
        if self.fork_server and not self.command and can_be_forked(self.environment):
            self.log.touch()
            path = f"{Path(sys.executable).parent}:{self.environment['PATH']}"
            environment = {**self.environment, **OF_ENTRYPOINT, "PATH": path}
            self.process = self.fork_server.start("cli.run_services", environment, self.log)
            return self
        command = self.command or [ENTRYPOINT]
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=sink, stderr=sink, start_new_session=True
            )
        return self

    def through_entrypoint(self) -> "Service":
        """From now on started as an image or a person starts it."""
        self.command = [ENTRYPOINT]
        return self

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, what: signal.Signals) -> None:
        os.kill(self.pid, what)

    def kill(self) -> None:
        """SIGKILL, also of the children when this is the supervisor of all three."""
        assert self.process is not None
        killed = [*self.children(), self.pid]
        for pid in killed:
            with_pid_gone(pid, signal.SIGKILL)
        assert all(
            has_ended(pid, HANG) for pid in killed
        )  # and no process listens at its port any more
        self.process.wait(HANG)

    def stop(self) -> int:
        assert self.process is not None
        if self.alive():
            self.signal(signal.SIGTERM)
        return self.process.wait(HANG)

    def children(self) -> list[int]:
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        return [int(pid) for pid in found.stdout.split()]

    def child(self, words: str) -> int:
        """The pid of the child whose command line has these words."""

        def find() -> int:
            for pid in self.children():
                try:
                    command = (
                        Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                    )
                except FileNotFoundError:
                    continue
                if words in command:
                    return pid
            return 0

        return wait_until(find, reason=f"a child with '{words}'")


def with_pid_gone(pid: int, what: signal.Signals) -> None:
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return


class Stack:
    """The API and both consumers of one mode, with a caller who has an account there.

    `embedded`: one process tree under SERVICE_TYPE=all. `server`: with PostgreSQL and Redis, three
    processes, or in one instance such a tree.
    """

    def __init__(
        self, mode: str, folder: Path, environment: dict[str, str], *, single_process: bool = False
    ) -> None:
        self.mode, self.folder = mode, folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **clean_environment(),
            "LOG_FORMAT": "text",
            **SHORT,
            **OPEN_TO_TESTS,
            **MONITOR,
            "PORT": str(self.port),
            **environment,
        }
        names = (
            ("all",)
            if single_process or mode == "embedded"
            else ("api", "huey_logs", "huey_content")
        )
        self.services = {name: Service(name, self.environment, folder) for name in names}
        self.headers: dict[str, str] = {}

    def through_entrypoint(self) -> "Stack":
        for service in self.services.values():
            service.through_entrypoint()
        return self

    @property
    def api(self) -> Service:
        return self._service("api")

    @property
    def content(self) -> Service:
        return self._service("huey_content")

    @property
    def logs(self) -> Service:
        return self._service("huey_logs")

    def _service(self, name: str) -> Service:
        return self.services.get("all") or self.services[name]

    def start(self, *names: str) -> None:
        for name in names or self.services:
            self.services[name].start()
        if not names or self.api.name in names:
            self.wait_ready()
            if not self.headers and self.environment["REGISTRATION"] == "open":
                self.headers = self.register()

    def stop(self) -> None:
        for service in self.services.values():
            if service.alive():
                service.signal(signal.SIGCONT)
                service.stop()

    def wait_ready(self) -> None:
        def ready() -> bool:
            if not self.api.alive():
                raise AssertionError(f"{self.api.name} ended:\n{self.api.output[-3000:]}")
            try:
                return answer_to("GET", f"{self.url}/health/ready", timeout=HANG).status_code == 200
            except httpx2.TransportError:
                return False

        wait_until(ready, reason="the API is ready")

    def register(self) -> dict[str, str]:
        """Headers of a new account; none are needed in embedded mode."""
        if self.mode == "embedded":
            return {}
        person = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD}
        answer = answer_to("POST", f"{self.url}/api/v1/auth/register", json=person)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        return answer_to(method, self.url + path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("POST", path, **options)

    def metrics(self, **headers: str) -> str:
        """The metrics as Prometheus scrapes them."""
        token = {"Authorization": f"Bearer {self.environment['METRICS_TOKEN']}"}
        answer = answer_to("GET", f"{self.url}/metrics", headers={**token, **headers})
        assert answer.status_code == 200, answer.text
        return answer.text

    def metric_sum(self, name: str, **labels: str) -> float:
        """The sum of these samples; 0 when there is none. Processes count within seconds."""
        families = text_string_to_metric_families(self.metrics())
        samples = (
            sample for family in families for sample in family.samples if sample.name == name
        )
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def create(self, goal: str = GOAL, **fields: object) -> str:
        """Post a goal; returns the path of the accepted roadmap."""
        answer = self.post("/api/v1/roadmaps", json={"goal": goal, **fields})
        assert answer.status_code == 202, answer.text
        return answer.headers["location"]

    def events(self, path: str, *, after: int = 0) -> list[dict[str, Any]]:
        """Every event of the stream from the one after number `after`, until the server ends it."""
        headers = {**self.headers, "Last-Event-ID": str(after)}
        events = []
        with httpx2.stream(
            "GET", f"{self.url}{path}/events", headers=headers, timeout=HANG, verify=NO_TLS
        ) as answer:
            assert answer.status_code == 200
            current: dict[str, Any] = {}
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    current = {"id": int(value)}
                elif name in ("event", "data"):
                    current[name] = value
                elif not line and current:
                    events.append(current)
                    current = {}
        return events

    def finished(self, path: str) -> dict[str, Any]:
        """The tree of a roadmap that has reached its end."""

        def ended() -> dict[str, Any] | None:
            try:
                answer = self.get(path)
            except httpx2.TransportError:
                return None
            return (
                answer.json()
                if answer.status_code == 200 and answer.json()["status"] in FINAL
                else None
            )

        try:
            return wait_until(ended, reason=f"{path} reaches its end")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.diagnosis(path)}") from None

    def do_the_main_job(self) -> None:
        """A roadmap becomes ready, and its records are in the log: each service has worked."""
        tree = self.finished(self.create())
        assert tree["status"] == "ready", tree["status"]

        def steps() -> set[str]:
            return {
                record["step"]
                for record in self.get(f"{tree['links']['logs']}?limit=100").json()["items"]
            }

        wait_until(
            lambda: {"accept", "outline", "tutorial"} <= steps(), reason="the records are stored"
        )

    def diagnosis(self, path: str) -> str:
        """State of the roadmap and last output of each service, for the message of a failure."""
        lines = []
        for asked in (path, "/health/ready"):
            with contextlib.suppress(httpx2.TransportError):
                lines.append(f"{asked}: {self.get(asked).text[:300]}")
        lines += [
            f"--- {name} ({service.log}):\n{service.output[-3000:]}"
            for name, service in self.services.items()
        ]
        return "\n".join(lines)


@contextmanager
def running(stack: Stack, *names: str) -> Iterator[Stack]:
    try:
        stack.start(*names)
        yield stack
    finally:
        stack.stop()


def embedded_stack(folder: Path, **environment: str) -> Stack:
    return Stack("embedded", folder, {"DATA_DIR": str(folder / "data"), **environment})


def server_stack(
    folder: Path,
    postgres: Postgres,
    broker: Redis,
    *,
    single_process: bool = False,
    **environment: str,
) -> Stack:
    """On a new database of the given PostgreSQL, which has its tables, and on the given Redis.

    The caller keeps the Redis apart.
    """
    urls = {
        "DATABASE_URL": postgres.create_migrated_database(),
        "REDIS_URL": broker.url(),
        "SECRET_KEY": uuid.uuid4().hex,
    }
    return Stack("server", folder, {**urls, **environment}, single_process=single_process)
