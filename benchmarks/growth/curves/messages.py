"""Cost of messages and of queue pages while a queue fills up.

The pages are those of the service, whose consumers are paused. Then, without the service, one
process enqueues, claims and acknowledges messages.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from time import perf_counter
from typing import Any

from benchmarks.contenders import Service
from benchmarks.figures import number
from benchmarks.ground import BenchmarkFailed, Ground, say
from benchmarks.growth.asking import HTML, Asked, answers
from benchmarks.growth.effort import Effort
from benchmarks.growth.points import Curve, Found, Point, growth, lines
from benchmarks.growth.saying import last
from benchmarks.idle import DEFAULTS
from benchmarks.report import filled
from core.ids import new_id
from reliable_queue.queue import ReliableQueue
from testing.stack import Stack, embedded_stack, running
from testing.stack_queues import queue_of

MESSAGE, PAGE = "one message, ms", "a page, ms"
ENQUEUE, CLAIM = "enqueue", "claim and acknowledge"
REDIS, SQLITE = "Redis", "SQLite"
AT_ONCE = 1_000  # messages of one step, when the queue is filled
TRIES = 10  # of each page
ABOUT = """\
Messages of the content queue, of a usual size: the mean of some hundred in one process."""


def measure(ground: Ground, effort: Effort) -> Iterator[Point]:
    service = Service(members=1, with_admin=True)
    with service.serving(ground):
        service.stack.headers = service.headers(service.tokens[0])
        yield from _pages(REDIS, service.stack, effort)
    yield from _one(REDIS, service.stack, effort)
    embedded = embedded_stack(ground.folder("embedded"), **DEFAULTS)
    with running(embedded):
        yield from _pages(SQLITE, embedded, effort)
    yield from _one(SQLITE, embedded, effort)


def pages() -> Mapping[str, str]:
    """By what is looked at."""
    path = "/admin/queues/content"
    return {
        "overview": "/admin",
        "ready": f"{path}?state=ready",
        "a search": f"{path}?state=ready&search=no+such+words",
    }


def _pages(storage: str, stack: Stack, effort: Effort) -> Iterator[Point]:
    with queue_of(stack) as queue, ExitStack() as ends:
        message = _maker(queue)
        queue.storage.pause()
        ends.callback(queue.storage.resume)
        ends.callback(queue.storage.flush_queue)
        for count in effort.messages:
            _fill(queue.storage, message, count)
            say(f"messages: {storage}, pages of {count:,}")
            for name, path in pages().items():
                found = answers(stack.port, stack.headers, Asked(PAGE, name, [path], HTML), TRIES)
                yield Point(PAGE, f"{name}, {storage}", count, found.ms)


def _one(storage: str, stack: Stack, effort: Effort) -> Iterator[Point]:
    with queue_of(stack) as queue:
        message = _maker(queue)
        for count in effort.messages:
            _fill(queue.storage, message, count)
            say(f"messages: {storage}, one of {count:,}")
            enqueued, claimed = _turns(queue.storage, message, effort.sampled)
            yield Point(MESSAGE, f"{ENQUEUE}, {storage}", count, enqueued)
            yield Point(MESSAGE, f"{CLAIM}, {storage}", count, claimed)
        queue.storage.flush_queue()


def _fill(storage: Any, message: Callable[[], bytes], count: int) -> None:
    """So many messages, and no others."""
    storage.flush_queue()
    for first in range(0, count, AT_ONCE):
        storage.enqueue_many([(message(), 0) for _ in range(min(AT_ONCE, count - first))])
    if (found := storage.queue_size()) != count:
        raise BenchmarkFailed(f"of {count} messages {found} are in the queue")


def _maker(queue: ReliableQueue) -> Callable[[], bytes]:
    """Makes messages as the service sends them: for the task of a row, signed."""
    task = queue.task(name="build_content")(_nothing)
    return lambda: bytes(queue.serialize_task(task.s(new_id().hex)))


def _nothing(_: str) -> None:
    """The task, which is never run."""


def _turns(storage: Any, message: Callable[[], bytes], times: int) -> tuple[float, float]:
    """Milliseconds of one message, in and out, while as many as before stay in the queue."""
    sending = taking = 0.0
    done: list[Any] = []
    for _ in range(times):
        data, began = message(), perf_counter()
        storage.enqueue(data, 0)
        sent = perf_counter()
        claim = storage.claim(0.0, done)
        taking += perf_counter() - sent
        sending += sent - began
        if claim is None:
            raise BenchmarkFailed("a message that was enqueued cannot be claimed")
        done = [claim]
    storage.acknowledge(*done)
    return sending / times * 1000, taking / times * 1000


def summary(found: Found) -> str:
    points = found.points
    pages_ = lines(points, PAGE)
    kind, message = max(lines(points, MESSAGE).items(), key=lambda each: growth(each[1]))
    name, slowest = max(pages_.items(), key=lambda each: max(each[1].values()))
    return filled(
        f"With {last(points):,.0f} messages waiting, "
        f"one message takes at most {growth(message):.2f} times as long as in an empty queue "
        f"({kind}: {number(list(message.values())[-1])} ms). The "
        f"slowest page is {name}, with {number(max(slowest.values()))} ms. A search reads at most "
        "10,000 messages. New goals get 503 when "
        "`MOST_QUEUED_ROADMAPS` wait, so a growing queue means too few workers (`CONTENT_WORKERS`)."
    )


CURVE = Curve("messages", "Messages in the queue", "messages", ABOUT, measure, summary)
