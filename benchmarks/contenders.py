"""Contenders that accept goals over HTTP: this service and its peers.

Each has one API process, accounts, and counts of what it stored. Consumers run only when a subject
starts them: their work would cost each contender a different amount. Instead, each accepted goal
must have a row, an event, a message and a log record afterwards. Then all of it is deleted, so that
every turn begins with the same tables.
"""

import hashlib
import json
import re
import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from itertools import cycle, islice
from typing import Any

import httpx2
import redis

from benchmarks.ground import (
    BenchmarkFailed,
    Ground,
    Program,
    ask,
    peer_environment,
    python,
    tool,
    until,
)
from benchmarks.load import NAME, ROOT, request
from benchmarks.targets import BARE, BY_HAND, FASTAPI, LEAN, OURS
from testing.servers import free_port
from testing.stack import NO_TLS, answer_to, running
from testing.stack_queues import queue_of
from testing.waiting import HANG, wait_until

MEMBERS = 200  # accounts that send in turn
GOALS = 1_000  # different requests that are sent in turn
STREAMS_OF_ONE = 100  # that an account may have open
SENDERS = 8  # threads that make the roadmaps to watch
PATH = "/api/v1/roadmaps"
LEVELS = ("beginner", "intermediate", "advanced")
LEAN_SHA256 = "0c9e20c380c68f57190a29fcf58ac00c61e266917260370e4e1b20d7b1b4cec8"
WORKER = "benchmarks.peers.fastapi_celery.worker"
UVICORN = (
    "--host",
    "127.0.0.1",
    "--no-access-log",
    "--log-level",
    "warning",
    "--no-server-header",
    "--no-proxy-headers",
    "--ws",
    "none",
)


class Contender:
    """`with contender.serving(ground): ...`; the rest is for the block."""

    name = ""
    tokens: Sequence[str] = ("",)
    port = 0

    @contextmanager
    def serving(self, ground: Ground) -> Iterator[None]:
        raise NotImplementedError
        yield

    def posts(self, *, named: bool = False) -> list[str]:
        """Different goals of all accounts. `named`: each with a new Idempotency-Key."""
        tokens = cycle(self.tokens)
        return [
            self._post(number, token, named) for number, token in enumerate(islice(tokens, GOALS))
        ]

    def _post(self, number: int, token: str, named: bool) -> str:
        body = {
            "goal": goal(number),
            "level": LEVELS[number % len(LEVELS)],
            "hours_per_week": number % 20 + 1,
        }
        return request(
            "POST",
            PATH,
            self.headers(token) | ({"Idempotency-Key": NAME} if named else {}),
            json.dumps(body),
        )

    def headers(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def check(self, accepted: int) -> None:
        """That everything accepted is there. Raises BenchmarkFailed."""
        for what, count in self._expected().items():

            def are_there(count: Callable[[], int] = count) -> bool:
                return count() >= accepted

            with suppress(AssertionError):
                wait_until(are_there)
            if (found := count()) != accepted:
                raise BenchmarkFailed(
                    f"{self.name} accepted {accepted}, and there are {found} {what}"
                )

    def _expected(self) -> Mapping[str, Any]:
        return {}

    def empty(self) -> None:
        """As it was before the turn."""


class Service(Contender):
    """This service: the API as entrypoint.sh starts it."""

    name = OURS

    def __init__(
        self, *, members: int = MEMBERS, with_admin: bool = False, **settings: str
    ) -> None:
        """`with_admin`: the first account is an administrator's.

        `settings`: beside those of a newcomer, by their variables.
        """
        self._members, self._settings = [str(members), *(["admin"] if with_admin else [])], settings

    @contextmanager
    def serving(self, ground: Ground) -> Iterator[None]:
        self.stack = ground.stack(single_process=False, **self._settings)
        self.url = self.stack.environment["DATABASE_URL"]
        self.prepare(ground)
        with running(self.stack, "api"):
            self.port = self.stack.port
            environment = {**self.stack.environment, "SERVICE_TYPE": "api", "PYTHONPATH": str(ROOT)}
            self.tokens = output_of(python("-m", "benchmarks.members", *self._members), environment)
            self.empty()
            yield

    def prepare(self, ground: Ground) -> None:
        """For who needs something of the database before the first process uses it."""

    @contextmanager
    def consuming(self) -> Iterator[None]:
        """Both consumers run."""
        with ExitStack() as ends:
            for name in ("huey_logs", "huey_content"):
                self.stack.services[name].start()
                ends.callback(self.stack.services[name].stop)
            yield

    def finished_roadmap(self) -> Any:
        """The tree of one of the first account, written by the catalogue."""
        self.stack.headers = self.headers(self.tokens[0])
        with self.consuming():
            tree = self.stack.finished(self.stack.create(goal(1)))
        if tree["status"] != "ready":
            raise BenchmarkFailed(f"a roadmap of the catalogue ended as {tree['status']}")
        return tree

    def copies_of(self, tree: Any, accounts: int, each: int) -> list[list[Any]]:
        """The trees of so many copies for each of the first accounts. Raises BenchmarkFailed."""
        url, first = f"http://127.0.0.1:{self.port}", self.headers(self.tokens[0])
        export = f"{url}{PATH}/{tree['id']}/export.json"
        document = answered("GET", export, 200, headers=first).json()

        def copies(token: str) -> list[Any]:
            headers = self.headers(token)
            made = [
                answered("POST", f"{url}/api/v1/imports", 201, headers=headers, json=document)
                for _ in range(each)
            ]
            places = [f"{url}{answer.headers['location']}" for answer in made]
            return [answered("GET", place, 200, headers=headers).json() for place in places]

        return [copies(token) for token in self.tokens[:accounts]]

    def streams(self, count: int) -> list[str]:
        """Requests for the events of so many new roadmaps. Raises BenchmarkFailed.

        They do not end: plans wait for review.
        """
        tokens = [self.tokens[number // STREAMS_OF_ONE] for number in range(count)]
        address = f"http://127.0.0.1:{self.port}"
        with (
            httpx2.Client(base_url=address, timeout=HANG, verify=NO_TLS) as client,
            ThreadPoolExecutor(SENDERS) as pool,
        ):
            return list(pool.map(partial(self._stream, client), range(count), tokens))

    def _stream(self, client: httpx2.Client, number: int, token: str) -> str:
        answer = client.post(
            PATH, headers=self.headers(token), json={"goal": goal(number), "review": True}
        )
        if answer.status_code != 202:
            raise BenchmarkFailed(
                f"a roadmap to watch was answered with {answer.status_code}: {answer.text[:300]}"
            )
        headers = {**self.headers(token), "Accept": "text/event-stream"}
        return request("GET", f"{answer.headers['location']}/events", headers)

    @staticmethod
    def concepts_of(tree: Any) -> int:
        return sum(
            len(module["concepts"]) for stage in tree["stages"] for module in stage["modules"]
        )

    def _expected(self) -> Mapping[str, Any]:
        return {
            "rows": lambda: ask(self.url, "SELECT count(*) FROM roadmap")[0][0],
            "events": lambda: ask(
                self.url, "SELECT count(*) FROM roadmap_event WHERE type = 'roadmap.queued'"
            )[0][0],
            "messages": self._messages,
            "records of the log": self._records,
        }

    def _messages(self) -> int:
        with queue_of(self.stack) as queue:
            return int(queue.storage.queue_size())

    def _records(self) -> int:
        """Those that are on their way to the consumer."""
        with queue_of(self.stack, "logs") as queue:
            batches = (
                queue.serializer.open(data).message.args[0]
                for data in queue.storage.enqueued_items()
            )
            return sum(record["step"] == "accept" for batch in batches for record in batch)

    def empty(self) -> None:
        ask(self.url, "TRUNCATE roadmap, first_answer CASCADE")
        self.empty_queues()

    def empty_queues(self) -> None:
        for name in ("content", "logs"):
            with queue_of(self.stack, name) as queue:
                queue.storage.flush_queue()


class Peer(Contender):
    """Served by uvicorn with one worker and the same options as the service's."""

    module = ""
    queues: Mapping[str, str] = {}  # what is counted in them: the name of the list

    @contextmanager
    def serving(self, ground: Ground) -> Iterator[None]:
        with ExitStack() as ends:
            self.environment = self._environment(ground)
            self._prepare()
            self.port = free_port()
            self.program = program = ends.enter_context(self.program_serving(ground))
            address = f"http://127.0.0.1:{self.port}/health"
            until(lambda: _answers(program, address), self.name, "it answers")
            yield

    def program_serving(self, ground: Ground) -> AbstractContextManager[Program]:
        """Its process, which may not answer yet."""
        command = tool("uvicorn", f"{self.module}:app", "--port", str(self.port), *UVICORN)
        return ground.program(self.name, command, **self.environment)

    def _environment(self, ground: Ground) -> dict[str, str]:
        return {}

    def _prepare(self) -> None:
        """Tables, accounts and their tokens."""


class Bare(Peer):
    name, module = BARE, "benchmarks.peers.bare"


class Stored(Peer):
    """With a database of its own, and Redis."""

    def _environment(self, ground: Ground) -> dict[str, str]:
        url = ground.postgres.create_database(f"peer_{secrets.token_hex(4)}")
        return {
            "DATABASE_URL": url,
            "REDIS_URL": ground.others_broker,
            "SECRET_KEY": secrets.token_hex(32),
        }

    def _expected(self) -> Mapping[str, Any]:
        url = self.environment["DATABASE_URL"]
        lists = {
            what: lambda key=key: self._broker().llen(key) for what, key in self.queues.items()
        }
        return {
            "rows": lambda: ask(url, "SELECT count(*) FROM roadmap")[0][0],
            "events": lambda: ask(url, "SELECT count(*) FROM roadmap_event")[0][0],
            **lists,
        }

    def empty(self) -> None:
        ask(self.environment["DATABASE_URL"], "TRUNCATE roadmap CASCADE")
        self._broker().delete(*self.queues.values())

    def waiting(self) -> int:
        """Messages that no worker has taken."""
        return sum(self._broker().llen(key) for key in self.queues.values())

    def _broker(self) -> redis.Redis:
        return redis.Redis.from_url(self.environment["REDIS_URL"])


class FastApi(Stored):
    name, module = FASTAPI, "benchmarks.peers.fastapi_celery.app"
    queues = {"messages": "content", "records of the log": "logs"}  # noqa: RUF012
    trees: Sequence[
        Sequence[Any]
    ] = ()  # roadmaps to store, as the service answers them, by account

    def _prepare(self) -> None:
        command = python("-m", "benchmarks.peers.fastapi_celery.prepare", str(MEMBERS))
        self.tokens = output_of(
            command, {**peer_environment(), **self.environment}, json.dumps(self.trees)
        )

    @contextmanager
    def consuming(
        self, ground: Ground, *, pool: str = "prefork", at_once: int = 2
    ) -> Iterator[list[Program]]:
        """A worker for each queue."""
        with ExitStack() as ends:
            yield [
                ends.enter_context(self.worker(ground, queue, pool=pool, at_once=at_once))
                for queue in self.queues.values()
            ]

    @contextmanager
    def flower(self, ground: Ground) -> Iterator[Program]:
        """It shows tasks and workers; when it answers."""
        port = free_port()
        command = tool(
            "celery",
            "-A",
            WORKER,
            "flower",
            "--address=127.0.0.1",
            f"--port={port}",
            "--logging=error",
        )
        with ground.program(
            "Flower", command, **self.environment, FLOWER_UNAUTHENTICATED_API="1"
        ) as program:
            until(
                lambda: _answers(program, f"http://127.0.0.1:{port}/healthcheck"),
                "Flower",
                "it answers",
            )
            yield program

    @contextmanager
    def worker(
        self, ground: Ground, queues: str, *, pool: str = "prefork", at_once: int = 2
    ) -> Iterator[Program]:
        """One that takes tasks from these queues (separated by commas)."""
        options = (
            "--queues",
            queues,
            "--pool",
            pool,
            "--concurrency",
            str(at_once),
            "--loglevel",
            "ERROR",
            "-n",
            f"{queues}@%h",
        )
        command = tool("celery", "-A", WORKER, "worker", *options)
        with ground.program(
            f"Celery {queues}", command, **self.environment, SERVICE=f"celery-{queues}"
        ) as program:
            yield program


class Handwritten(Stored):
    name, module = BY_HAND, "benchmarks.peers.handwritten"
    queues = {"messages": "content", "records of the log": "logs"}  # noqa: RUF012

    def _prepare(self) -> None:
        command = python("-m", "benchmarks.peers.handwritten", str(MEMBERS))
        self.tokens = output_of(command, {**peer_environment(), **self.environment})


class Lean(Stored):
    """Nearly the whole path in one file. It has one account, whose token it prints."""

    name, module = LEAN, "benchmarks.peers.lean_accept"
    queues = {"messages": "lean"}  # noqa: RUF012

    def _environment(self, ground: Ground) -> dict[str, str]:
        file = ROOT / "benchmarks/peers/lean_accept.py"
        if hashlib.sha256(file.read_bytes()).hexdigest() != LEAN_SHA256:
            raise BenchmarkFailed(f"{file.name} is not the file whose figures were published")
        environment = super()._environment(ground)
        return environment | {
            "LEAN_DATABASE_URL": environment["DATABASE_URL"],
            "LEAN_REDIS_URL": environment["REDIS_URL"],
        }

    @contextmanager
    def serving(self, ground: Ground) -> Iterator[None]:
        with super().serving(ground):
            self.tokens = re.findall(r"LEAN_TOKEN (\S+)", self.program.output)
            yield

    def _expected(self) -> Mapping[str, Any]:
        url = self.environment["DATABASE_URL"]
        return {
            "rows": lambda: ask(url, "SELECT count(*) FROM lean_roadmap")[0][0],
            "events": lambda: ask(url, "SELECT count(*) FROM lean_event")[0][0],
            "messages": lambda: self._broker().llen("lean"),
        }

    def empty(self) -> None:
        ask(self.environment["DATABASE_URL"], "TRUNCATE lean_key, lean_roadmap, lean_event")
        self._broker().delete("lean")


def answered(method: str, url: str, status: int, **options: Any) -> httpx2.Response:
    """The answer of a contender. Raises BenchmarkFailed when it has another status."""
    answer = answer_to(method, url, **options)
    if answer.status_code != status:
        raise BenchmarkFailed(
            f"{method} {url} was answered with {answer.status_code}: {answer.text[:300]}"
        )
    return answer


def _answers(program: Program, address: str) -> bool:
    """Raises BenchmarkFailed when it has ended. A 404 is an answer, too: not all have this path."""
    program.check_alive()
    try:
        return answer_to("GET", address).status_code in (200, 404)
    except httpx2.TransportError:
        return False


def goal(number: int) -> str:
    """One that the catalogue has a track for; each number another one."""
    return (
        f"Become a backend engineer in Python within {number % 50 + 2} months, as number {number}"
    )


def output_of(
    command: Sequence[str],
    environment: Mapping[str, str],
    given: str = "",
    *,
    seconds: float = HANG,
) -> list[str]:
    """The words that a command writes within so many seconds. Raises BenchmarkFailed."""
    ended = subprocess.run(
        list(command),
        env=dict(environment),
        input=given + "\n",
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=ROOT,
        check=False,
    )
    if ended.returncode:
        raise BenchmarkFailed(f"{' '.join(command[1:])} failed:\n{ended.stderr[-3000:]}")
    return ended.stdout.split()
