"""Looks at a stack, verdicts on it, and faults that several tests need."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import psycopg2
import redis

from reliable_queue.queue import ReliableQueue
from testing.servers import Redis
from testing.stack import ROOT, Service, Stack
from testing.stack_queues import environment_of
from testing.waiting import HANG, wait_until
from tests.chaos.model import Asked, Model, Which, quizzes

GOAL = "Learn to bake sourdough bread"
WORKERS = 4  # threads of one content consumer
CONTENT = "tasks.queues.content_queue"
RESCUE_ONCE = "from tasks.upkeep import rescue_overdue; rescue_overdue.call_local()"
Row = tuple[Any, ...]
Ask = Callable[[str], list[Row]]
MakeStack = Callable[..., Stack]  # the fixture `make_stack`
EARLIER = {  # by the clocks of the databases
    "embedded": "datetime('now', '-{} seconds')",
    "server": "now() at time zone 'utc' - interval '{} seconds'",
}
HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
connection.execute("begin exclusive")
print("held", flush=True)
sys.stdin.read()
"""


class CommandResult(NamedTuple):
    """Exit code and output of a command."""

    code: int
    output: str
    errors: str


# What must be true in the end


def assert_built_once(stack: Stack, path: str) -> None:
    """Ready, every content in its first version, every event there once."""
    tree = stack.finished(path)
    assert tree["status"] == "ready"
    contents = [
        content
        for stage in tree["stages"]
        for module in stage["modules"]
        for concept in module["concepts"]
        for content in concept["contents"].values()
    ]
    assert {(content["status"], content["version"]) for content in contents} == {("ready", 1)}
    assert tree["progress"] == {"ready": len(contents), "failed": 0, "total": len(contents)}
    events = stack.events(path)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    names = [event["event"] for event in events]
    assert names.count("content.ready") == len(contents)
    assert (names.count("roadmap.outlined"), names.count("roadmap.ready"), names[-1]) == (
        1,
        1,
        "roadmap.ready",
    )


def assert_paid_once(model: Model, asked: Iterable[str]) -> None:
    """One call for the outline of each goal, and one for each of its contents."""
    assert model.counts() == {call: 1 for goal in asked for call in model.due(goal)}


def assert_unavailable(answer: httpx2.Response) -> None:
    """The service says that it is not its fault, and when to come back."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0


# Where a stack is


def written(stack: Stack, paths: list[str]) -> int:
    """Contents of these roadmaps that are ready."""
    return sum(stack.get(path).json()["progress"]["ready"] for path in paths)


def status(stack: Stack, path: str) -> str:
    """Empty while the API is away."""
    with suppress(httpx2.TransportError):
        answer = stack.get(path)
        return answer.json()["status"] if answer.status_code == 200 else ""
    return ""


def ready(service: Service, queue: str = "content") -> int:
    """Count the ready lines of this consumer."""
    return service.output.count(f"huey@{queue} ready") if service.log.exists() else 0


def consumer_pid(stack: Stack) -> int:
    """Of the process that consumes contents, which in embedded mode is a child."""
    return stack.content.pid if stack.mode == "server" else stack.content.child(CONTENT)


@contextmanager
def asking(stack: Stack) -> Iterator[Ask]:
    """Asks the application's database of either mode, past the application."""
    if stack.mode == "embedded":
        opened: Any = _sqlite(data_file(stack, "roadmap.db"))
    else:
        opened = psycopg2.connect(stack.environment["DATABASE_URL"])
        opened.autocommit = True
    with closing(opened):
        yield partial(_execute, opened)


def rows(stack: Stack, statement: str) -> list[Row]:
    with asking(stack) as ask:
        return ask(statement)


def queue_rows(stack: Stack, statement: str, *values: object) -> list[Row]:
    """The same of embedded mode's queue file."""
    with closing(_sqlite(data_file(stack, "queue.db"))) as opened:
        return _execute(opened, statement, *values)


def data_file(stack: Stack, name: str) -> Path:
    """Of embedded mode."""
    return Path(stack.environment["DATA_DIR"], name)


def _sqlite(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=HANG, isolation_level=None)


def _execute(opened: Any, statement: str, *values: object) -> list[Row]:
    with closing(opened.cursor()) as cursor:
        cursor.execute(statement, values) if values else cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def wait_until_idle(queue: ReliableQueue) -> None:
    """No message is ready or held, nor on the schedule but for the next runs of the rescue job."""
    storage = queue.storage

    def waiting() -> int:
        now = int(storage.queue_size() + storage.stats().held)
        return now + sum(b"rescue_again" not in message for message in storage.scheduled_items())

    # Two looks, each in the order in which a message goes, so that none that moves is overlooked.
    wait_until(lambda: waiting() + waiting() == 0, reason=f"no message waits in {queue.name}")


def is_overdue(stack: Stack) -> bool:
    """Whether rescue takes up everything that waits, as it is late enough."""
    limit = EARLIER[stack.mode].format(int(float(stack.environment["RESCUE_AFTER_SECONDS"])) + 1)
    late = f"SELECT 1 FROM {{}} WHERE due_at > {limit}"
    return rows(stack, f"{late.format('roadmap')} UNION ALL {late.format('content')}") == []


def rescue_once(stack: Stack) -> None:
    """Run the rescue job once, in a process of its own."""
    subprocess.run(
        [sys.executable, "-c", RESCUE_ONCE], cwd=ROOT, env=environment_of(stack), check=True
    )


def forget_the_minute(stack: Stack) -> None:
    """As if the next start were in another minute: the rescue job has had its turn in this one."""
    if stack.mode == "embedded":
        queue_rows(stack, "delete from once")
        queue_rows(stack, "delete from schedule where queue = 'logs'")  # the job's next runs
        return
    with closing(redis.Redis.from_url(stack.environment["REDIS_URL"])) as client:
        client.delete("{huey.logs}:schedule", *client.scan_iter(match="{huey.logs}:once:*"))


def minutes_of_rescue(stack: Stack) -> list[str]:
    """Return the minutes in which the rescue job was enqueued, in order."""
    if stack.mode == "embedded":
        keys = [str(key) for (key,) in queue_rows(stack, "select key from once")]
    else:
        with closing(
            redis.Redis.from_url(stack.environment["REDIS_URL"], decode_responses=True)
        ) as client:
            keys = list(client.scan_iter(match="{huey.logs}:once:*"))
    return sorted(key.rpartition(":")[2] for key in keys if "rescue_overdue" in key)


def dead(stack: Stack, *arguments: str) -> CommandResult:
    """Call `roadmap_cli.py jobs ...` in the environment of the service, on a wide terminal."""
    command = [sys.executable, str(ROOT / "roadmap_cli.py"), "jobs", *arguments]
    environment = {**stack.environment, "COLUMNS": "300", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    return CommandResult(done.returncode, done.stdout, done.stderr)


# What is done to a stack


def goals(number: int, *, first: int = 0) -> list[str]:
    """Different ones."""
    return [f"Learn to bake bread number {index}" for index in range(first, first + number)]


def accepted(stack: Stack, goal: str = GOAL) -> str:
    """The path of a roadmap that is accepted as soon as the service is able to."""

    def post() -> str:
        answer = stack.post("/api/v1/roadmaps", json={"goal": goal})
        return answer.headers["location"] if answer.status_code == 202 else ""

    return wait_until(post, reason="goals are accepted again")


def wait_until_held(model: Model, number: int) -> None:
    wait_until(lambda: len(model.held()) == number, reason=f"{number} calls wait for the model")


def every_thread_waits(stack: Stack, model: Model, which: Which = quizzes) -> str:
    """Return the path of a roadmap of which every thread of the consumer waits for such a call."""
    [path] = in_the_middle(stack, model, which, [GOAL])
    return path


def in_the_middle(stack: Stack, model: Model, which: Which, asked: list[str]) -> list[str]:
    """Paths of the roadmaps of these goals; every thread waits for such a call."""
    model.hold(which)
    paths = [stack.create(goal) for goal in asked]
    wait_until_held(model, WORKERS)
    return paths


def start_second(stack: Stack, name: str = "huey_content") -> Service:
    """Another consumer beside the stack's own, at work; it is ended with the stack."""
    second = stack.services[f"second {name}"] = Service(
        name, stack.environment, stack.folder
    ).start()
    wait_until(
        lambda: ready(second, name.removeprefix("huey_")),
        reason="the second consumer is at work",
    )
    return second


def restart(stack: Stack) -> None:
    """As a platform starts again what has died."""
    stack.start() if stack.mode == "embedded" else stack.content.start()


def wait_until_at_work(stack: Stack, *queues: str, starts: int = 1) -> None:
    """The consumers of these queues have come so far that they hear a signal as they should."""
    for queue in queues:
        service = stack.content if queue == "content" else stack.logs

        def is_ready(service: Service = service, queue: str = queue) -> bool:
            return ready(service, queue) >= starts

        wait_until(is_ready, reason=f"the consumer of {queue} is at work")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process holds an exclusive transaction on an SQLite file."""
    assert path.exists()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == b"held\n"
            yield
        finally:
            holder.stdin.close()
            holder.wait(HANG)


def on_disk(broker: Redis) -> None:
    """Everything that Redis has taken so far is in its file, so that a SIGKILL does not lose it."""
    client: Any = broker.client()
    client.set("the last write", "1")

    def synced() -> bool:
        return bool(client.execute_command("WAITAOF", 1, 0, 1000)[0] == 1)

    wait_until(synced, reason="Redis has synced its file")


def repeated(model: Model) -> dict[Asked, int]:
    """Return the calls that were made, and so paid for, more than once."""
    return {asked: times for asked, times in model.counts().items() if times > 1}
