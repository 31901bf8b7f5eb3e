"""Targets: the rows of the table of results, for the report and `make bench-smoke`.

A row compares two contenders within each round (a ratio), or compares the figure itself with a
bound. Seconds and rates depend on the machine: such a bound has a control from the same run beside
it.

A missed target fails nothing. The shortest form compares each ratio with the `usual` one, committed
here: typical of its runs on a quiet machine with two cores. After an intended change of speed,
measure it again and commit it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures import Sample, Spread, ratio, spread, values_of

WORSE = 0.25  # of the usual ratio: by how much more a ratio must be worse to fail the short form

# Contenders
OURS, NO_KEY, WATCHED, ALONE = (
    "Roadmap",
    "Roadmap, no key",
    "Roadmap, 500 streams",
    "Roadmap, no streams",
)
FASTAPI, BY_HAND, BARE = "FastAPI + Celery", "asyncpg by hand", "bare Starlette"
LEAN, LEAN_NO_KEY = "one file", "one file, no key"
PREFORK, THREADS = "FastAPI + Celery, prefork", "FastAPI + Celery, threads"
ONE_WORKER = f"{THREADS}, one worker"
WITH_MODEL, AFTER_MANY = "Roadmap, model client loaded", "Roadmap, after many roadmaps"
APART = "Roadmap, three instances"
MEANWHILE = "Roadmap, second half"
STOCK, SQLITE, STOCK_SQLITE, RAW = (
    "stock Huey",
    "Roadmap, SQLite",
    "stock Huey, SQLite",
    "raw Redis",
)
HOME, ROADMAP, LESSON, JSON = (
    "home page",
    "page of a roadmap",
    "lesson",
    "JSON of the roadmaps",
)
OF_ACCOUNTS = ", 20 accounts"
CELERY = "Celery, acks late"
COPY, COPY_ONCE, SQLALCHEMY, LOGGING = (
    "COPY",
    "COPY, one transaction",
    "SQLAlchemy",
    "logging to memory",
)

# Subjects and what is measured of them, with its unit
ACCEPT, READ, QUEUE, LOGS, PAGES = "accept", "read", "queue", "logs", "pages"
CONNECTIONS, MEMORY, START, SIZE, EMBEDDED = "connections", "memory", "start", "size", "embedded"
TITLES = {
    ACCEPT: "Accepting goals",
    READ: "Reading a roadmap",
    PAGES: "Pages",
    CONNECTIONS: "Connections to PostgreSQL",
    MEMORY: "Memory",
    START: "Starting",
    QUEUE: "Queues",
    LOGS: "Writing the execution log",
    SIZE: "Installed packages",
    EMBEDDED: "Embedded mode",
}
POSTS, GENERATOR = "POST, requests/s", "load generator, % of a core"
MEDIAN_POSTS, SLOW_POSTS = "POST at 100/s, 50 %, ms", "POST at 100/s, 99 %, ms"
TREES, UNCHANGED = "GET, requests/s", "GET with ETag, requests/s"
LIST, CONCEPT, SCHEDULE = (
    "GET list, requests/s",
    "GET concept, requests/s",
    "GET schedule, requests/s",
)
WITH_TAG = {
    TREES: UNCHANGED,
    LIST: "GET list with ETag, requests/s",
    CONCEPT: "GET concept with ETag, requests/s",
    SCHEDULE: "GET schedule with ETag, requests/s",
}
VISITS = "GET over 8 connections, requests/s"
KILOBYTES, CONCEPTS = "roadmap, kB", "roadmap, concepts"
OPEN, PSS, GROWTH = "PostgreSQL connections", "PSS, MB", "PSS at the end / at half"
MADE = "roadmaps made"
FIRST = "first POST once ready / median of the following"
TO_TASK, TO_ANSWER = "consumer's start to first task, s", "API's start to first 202, s"
TASKS, ENQUEUED = "tasks/s", "enqueued/s, one by one"
SLOW_STARTS, MEDIAN_STARTS = "enqueue to start, idle, 99 %, ms", "enqueue to start, idle, 50 %, ms"
WRITTEN, RECORDED, DROPPED = "records written/s", "record(), accepted/s", "records dropped"
INSTALLED, PACKAGES, TO_READY = "installed, MB", "packages", "goal to ready, s"

BESIDE = frozenset(
    {GENERATOR, KILOBYTES, CONCEPTS, PACKAGES, MADE}
)  # describe a measurement; no comparison


@dataclass(frozen=True, slots=True)
class Target:
    """Bound for the figure of `contender`, or for its ratio to that of `peer`.

    `allowance` is subtracted from the figure before the ratio. The figure of `control` is reported
    beside it.
    """

    title: str
    subject: str
    measure: str
    wanted: float
    contender: str = OURS
    peer: str | None = None
    at_most: bool = False
    control: str | None = None
    usual: float | None = None
    allowance: float = 0

    def found(self, samples: Sequence[Sample]) -> Spread | None:
        """None when it was not measured."""
        ours = values_of(samples, self.subject, self.measure, self.contender)
        if self.peer is None:
            return spread(list(ours.values())) if ours else None
        theirs = values_of(samples, self.subject, self.measure, self.peer)
        if not ours.keys() & theirs.keys():
            return None
        return ratio({number: value - self.allowance for number, value in ours.items()}, theirs)

    @property
    def unit(self) -> str:
        """Unit of the measure with a space before it, or nothing when the title names it."""
        name, _, unit = self.measure.rpartition(", ")
        return f" {unit}" if name or unit.endswith("/s") else ""

    def is_met(self, found: Spread) -> bool:
        return found.median <= self.wanted if self.at_most else found.median >= self.wanted

    def is_worse(self, found: Spread) -> bool:
        """By the median, and by more than a quarter of the usual ratio."""
        if self.usual is None:
            return False
        by = found.median - self.usual if self.at_most else self.usual - found.median
        return by > self.usual * WORSE


TARGETS = (
    Target("accepting a goal, everything on", ACCEPT, POSTS, 10, peer=FASTAPI, usual=10),
    Target(
        "accepting a goal, no Idempotency-Key", ACCEPT, POSTS, 10, NO_KEY, peer=FASTAPI, usual=12
    ),
    Target("accepting a goal, everything on", ACCEPT, POSTS, 0.8, peer=BY_HAND, usual=1.05),
    Target(
        "accepting a goal, no Idempotency-Key", ACCEPT, POSTS, 1, NO_KEY, peer=BY_HAND, usual=1.25
    ),
    Target("accepting a goal, everything on", ACCEPT, POSTS, 0.6, peer=LEAN, usual=0.5),
    Target(
        "accepting a goal, no Idempotency-Key",
        ACCEPT,
        POSTS,
        0.6,
        NO_KEY,
        peer=LEAN_NO_KEY,
        usual=0.53,
    ),
    Target(
        "accepting at 100/s, 99 % less 3 ms, no error",
        ACCEPT,
        SLOW_POSTS,
        1.5,
        peer=BY_HAND,
        at_most=True,
        usual=1.5,
        allowance=3,
    ),
    Target(
        "accepting while 500 streams are open", ACCEPT, POSTS, 0.8, WATCHED, peer=ALONE, usual=0.95
    ),
    Target("reading a roadmap", READ, TREES, 12, peer=FASTAPI, usual=24),
    Target("reading an unchanged roadmap (304)", READ, UNCHANGED, 10, peer=FASTAPI, usual=25),
    Target("reading an unchanged roadmap (304)", READ, UNCHANGED, 0.15, peer=BARE, usual=0.14),
    Target("reading an unchanged list", READ, WITH_TAG[LIST], 0.15, peer=BARE, usual=0.21),
    Target("reading an unchanged concept", READ, WITH_TAG[CONCEPT], 0.15, peer=BARE, usual=0.18),
    Target("reading an unchanged schedule", READ, WITH_TAG[SCHEDULE], 0.15, peer=BARE, usual=0.14),
    *(
        Target(f"{page}{of}", PAGES, VISITS, 0.25, f"{page}{of}", peer=f"{JSON}{of}", usual=usual)
        for page, of, usual in (
            (HOME, "", 0.4),
            (ROADMAP, "", 0.35),
            (LESSON, "", 0.43),
            (HOME, OF_ACCOUNTS, 0.4),
            (ROADMAP, OF_ACCOUNTS, 0.4),
            (LESSON, OF_ACCOUNTS, 0.4),
        )
    ),
    Target("connections, API and both consumers busy", CONNECTIONS, OPEN, 12, at_most=True),
    Target("memory, one instance with API and both consumers", MEMORY, PSS, 105, at_most=True),
    Target("memory, three instances", MEMORY, PSS, 140, APART, at_most=True),
    Target(
        "memory, against FastAPI + Celery, prefork",
        MEMORY,
        PSS,
        round(1 / 3, 2),
        peer=PREFORK,
        at_most=True,
        usual=0.33,
    ),
    Target("memory with the model client loaded", MEMORY, PSS, 130, WITH_MODEL, at_most=True),
    Target("memory after many roadmaps", MEMORY, PSS, 190, AFTER_MANY, at_most=True),
    Target(
        "memory, growth over the second half of them",
        MEMORY,
        GROWTH,
        1.03,
        AFTER_MANY,
        at_most=True,
    ),
    Target(
        "a consumer's start to its first task",
        START,
        TO_TASK,
        1.25,
        peer=STOCK,
        at_most=True,
        usual=1.2,
    ),
    Target(
        "the API's start to its first 202", START, TO_ANSWER, 3, peer=BARE, at_most=True, usual=4.7
    ),
    Target("the first goal, of the following ones' median", START, FIRST, 1.5, at_most=True),
    Target("tasks at least once", QUEUE, TASKS, 7, peer=CELERY, usual=7),
    Target("tasks at least once", QUEUE, TASKS, 2.2, peer=STOCK, usual=2.1),
    Target("tasks at least once, on SQLite", QUEUE, TASKS, 1, SQLITE, peer=STOCK_SQLITE, usual=1.9),
    Target("enqueue to start, idle, 99 %", QUEUE, SLOW_STARTS, 5, at_most=True, control=RAW),
    Target("writing log records, once each", LOGS, WRITTEN, 0.65, peer=COPY, usual=0.65),
    Target("record(), all records stored", LOGS, RECORDED, 0.8, peer=LOGGING, usual=2.5),
    Target("records dropped meanwhile", LOGS, DROPPED, 0, at_most=True),
    Target("installed from the lock", SIZE, INSTALLED, 125, at_most=True),
    Target("embedded mode: goal to all contents", EMBEDDED, TO_READY, 2, at_most=True),
)
