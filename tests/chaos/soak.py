"""Random faults under load, ending with a ledger: what was accepted is finished, and nothing happened twice.

    python -m tests.chaos.soak --seconds 60 --seed 1      or   make soak SECONDS=60 SEED=1

Real processes with a PostgreSQL, a Redis and a model server of their own. People create roadmaps, a process writes log
records, and a schedule of faults, made from the seed and printed first, strikes them; what dies is started again, as a PaaS
would. Afterwards everything is healthy, and what was accepted has 90 s to reach its end. The ledger is read from the database
and from the model server's own count. Exit 1 on anything lost, repeated or unfinished, on too little load and on a kind of
fault that never struck; the scratch folder with every log is kept then.
"""

import argparse
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import psycopg2

from tests.chaos.load import Creators, LogWriter, numbers_in
from tests.chaos.provider import Asked, Call, Provider, concept_keys
from tests.servers import Postgres, Redis
from tests.stack import FINAL, Service, Stack, server_stack, with_pid_gone
from tests.waiting import wait_until

ENVIRONMENT = {
    "HEARTBEAT_SECONDS": "0.5",
    "HEARTBEAT_TTL_SECONDS": "2",
    "LEASE_SECONDS": "3",
    "MODEL_TIMEOUT_SECONDS": "2.5",
    "RESCUE_AFTER_SECONDS": "2",
    "RETRY_BASE_SECONDS": "0.1",
    "SHUTDOWN_GRACE_SECONDS": "2",
    "CONTENT_WORKERS": "4",
    "OPENAI_API_KEY": "sk-of-the-soak",
    "OPENAI_MODEL": "gpt-soak",
}
THREADS = int(ENVIRONMENT["CONTENT_WORKERS"])
ROLES = {"api": "api", "logs": "huey_logs", "content-1": "huey_content", "content-2": "huey_content"}
CONSUMERS = [name for name in ROLES if name != "api"]
CREATED_A_SECOND, RECORDED_A_SECOND = 12, 200
FLOOR = 500 / 60  # accepted roadmaps for each second of a soak
PATIENCE = 90  # seconds after the last fault in which everything accepted reaches its end
STARTED_AGAIN_AFTER = 0.5  # seconds
FORCED_AFTER = 15  # seconds between a SIGTERM and the SIGKILL of a platform that has waited enough
AT_WORK_AFTER = 3  # seconds; a start takes half of it
READY_WITHIN = 40  # seconds

KINDS = ("kill", "term", "pause", "redis_kill", "redis_wipe", "redis_hang", "postgres_restart")
LASTING = {"pause": (3.5, 6), "redis_kill": (1, 4), "redis_hang": (3, 6), "postgres_restart": (1, 3)}  # seconds, from, to
OVERLAPS = 0.3  # share of lasting faults, after the first round, during which another one strikes
SAVED_WITHIN = 1  # seconds between a claim and its call, or an answer and its commit, at most
WARM_UP = 2  # seconds of load before the first fault

TAKE_ALL = """
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local values = {}
  if kind == 'list' then values = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'zset' then values = redis.call('ZRANGE', key, 0, -1)
  elseif kind == 'hash' then values = redis.call('HVALS', key) end
  for _, value in ipairs(values) do table.insert(found, key .. '\\n' .. value) end
end
if ARGV[1] == 'wipe' then redis.call('FLUSHALL') end
return found"""

REPEATED = {
    "concepts that stand there twice": "SELECT roadmap_id FROM concept GROUP BY roadmap_id, title HAVING count(*) > 1",
    "outlines saved twice": "SELECT roadmap_id FROM stage GROUP BY 1 HAVING count(*) > 1",
    "contents not in exactly one version": """SELECT c.roadmap_id FROM content c
        LEFT JOIN content_version v ON v.content_id = c.id WHERE c.status = 'ready' GROUP BY c.id
        HAVING count(v.version) <> 1 OR max(v.version) <> 1 OR c.version <> 1""",
    "events not numbered 1 to n": """SELECT r.id FROM roadmap r LEFT JOIN roadmap_event e ON e.roadmap_id = r.id GROUP BY r.id
        HAVING count(e.seq) <> r.last_seq OR min(e.seq) IS DISTINCT FROM 1 OR max(e.seq) IS DISTINCT FROM r.last_seq""",
    "outlined or ended twice": """SELECT roadmap_id FROM roadmap_event
        WHERE type IN ('roadmap.outlined', 'roadmap.ready', 'roadmap.partial', 'roadmap.failed')
        GROUP BY roadmap_id, type HAVING count(*) > 1""",
    "contents told ready twice": """SELECT roadmap_id FROM roadmap_event WHERE type = 'content.ready'
        GROUP BY roadmap_id, data->>'concept_id', data->>'kind' HAVING count(*) > 1""",
    "ready roadmaps whose counts are wrong": """SELECT r.id FROM roadmap r LEFT JOIN content c ON c.roadmap_id = r.id
        WHERE r.status = 'ready' GROUP BY r.id HAVING count(c.id) <> r.contents_total OR r.contents_failed <> 0
        OR count(c.id) FILTER (WHERE c.status = 'ready') <> r.contents_ready OR r.contents_ready <> r.contents_total""",
}
FINAL_LIST = ", ".join(f"'{status}'" for status in FINAL)
CLAIMED_AGAIN = """SELECT coalesce(sum(greatest(attempts - 1, 0)), 0)::int, coalesce(sum(interruptions), 0)::int FROM {}"""
STORED = """SELECT (details::jsonb->>'soak')::int, count(*) FROM execution_log WHERE category = 'soak' GROUP BY 1"""
SOURCES = """SELECT service || CASE WHEN id::text = '{}' THEN ' (the log writer)' ELSE '' END, count(*)::int, sum(last_seq)::int,
    sum(stored)::int, sum(dropped)::int FROM log_source GROUP BY 1 ORDER BY 1"""


@dataclass(frozen=True)
class Fault:
    """`at` and `seconds` are seconds from the begin of the load, and the fault's length."""

    at: float
    kind: str
    target: str = ""
    seconds: float = 0.0
    how: str = ""

    @property
    def ends(self) -> float:
        return self.at + self.seconds

    def __str__(self) -> str:
        length = f" for {self.seconds:.1f} s" if self.seconds else ""
        return " ".join(word for word in (f"{self.at:6.1f} s ", self.kind, self.target, self.how) if word) + length


class Schedule:
    """A shuffled round of all kinds, one after the other; then random ones, which now and then overlap."""

    def __init__(self, seed: int, seconds: float) -> None:
        self._random, self._seconds = random.Random(seed), seconds
        self._gap = (1.0, 3.0) if seconds >= 40 else (0.5, 1.0)
        self._victims = {kind: self._turns(CONSUMERS if kind == "pause" else list(ROLES)) for kind in ("kill", "term", "pause")}

    def faults(self) -> list[Fault]:
        at, found = float(WARM_UP), []
        for kind in self._random.sample(KINDS, len(KINDS)):
            found.append(self._fault(at, kind))
            at = found[-1].ends + self._random.uniform(*self._gap)
        while True:
            fault = self._fault(at, self._random.choice(KINDS))
            if fault.ends > self._seconds:
                return sorted(found, key=lambda fault: fault.at)
            found.append(fault)
            if fault.seconds and self._random.random() < OVERLAPS:
                found.append(self._second(fault))
            at = fault.ends + self._random.uniform(*self._gap)

    def _fault(self, at: float, kind: str) -> Fault:
        seconds = self._random.uniform(*LASTING[kind]) if kind in LASTING else 0.0
        how = self._random.choice(["by SIGKILL", "in order"]) if kind == "postgres_restart" else ""
        return Fault(round(at, 2), kind, next(self._victims[kind]) if kind in self._victims else "", round(seconds, 2), how)

    def _second(self, first: Fault) -> Fault:
        """One that strikes while the first lasts, somewhere else."""
        kinds = ["kill", "term"] if first.kind.startswith("redis") else ["kill", "term", "redis_wipe"]
        second = self._fault(first.at + self._random.random() * first.seconds, self._random.choice(kinds))
        return self._second(first) if second.target and second.target == first.target else second

    def _turns(self, names: list[str]) -> Iterator[str]:
        """All of them in random order, again and again, a content consumer first: there work is interrupted."""
        while True:
            turn = self._random.sample(names, len(names))
            yield from sorted(turn, key=lambda name: name != next(each for each in turn if each.startswith("content")))


@dataclass
class Strike:
    """A fault that has struck, from `began` to `ended` (seconds since 1970; 0: it lasts)."""

    fault: Fault
    began: float
    ended: float = 0.0

    def touches(self, since: float, until: float) -> bool:
        return self.began <= until and (not self.ended or self.ended >= since)

    @property
    def interrupts_calls(self) -> bool:
        return self.fault.target.startswith("content")


@dataclass
class Kept:
    """A service, and what its keeper knows of it."""

    service: Service
    is_api: bool
    lock: Any = field(default_factory=threading.RLock)
    started: float = 0.0
    read_from: int = 0  # where its log stood when it was started
    leaving: Strike | None = None  # killed, or told to end, and not yet started again
    forced: bool = False

    def start(self) -> None:
        self.read_from = self.service.log.stat().st_size if self.service.log.exists() else 0
        self.started, self.leaving, self.forced = time.monotonic(), None, False
        self.service.start()

    def is_ready(self, url: str) -> bool:
        if self.leaving or not self.service.alive():
            return False
        if not self.is_api:
            return "ready" in self.service.output[self.read_from :]
        try:
            return httpx2.get(f"{url}/health/live", timeout=2).status_code == 200
        except httpx2.TransportError:
            return False


class Keeper:
    """Starts a service again when it has ended, as a PaaS would, and ends one that does not end by itself."""

    def __init__(self, stack: Stack) -> None:
        self.kept = {name: Kept(service, is_api=name == "api") for name, service in stack.services.items()}
        self.fallen: list[str] = []  # ended without having been told to
        self.forced: list[str] = []
        self._url, self._ended = stack.url, threading.Event()
        self._thread = threading.Thread(target=self._run, name="Keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(10)

    def is_at_work(self, name: str) -> bool:
        kept = self.kept[name]
        return time.monotonic() - kept.started > AT_WORK_AFTER and kept.is_ready(self._url)

    def ready(self, name: str) -> Kept:
        kept = self.kept[name]
        wait_until(lambda: kept.is_ready(self._url), timeout=READY_WITHIN, reason=f"{name} is ready")
        return kept

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            for name, kept in self.kept.items():
                with kept.lock:
                    self._force(name, kept) if kept.service.alive() else self._start_again(name, kept)

    def _force(self, name: str, kept: Kept) -> None:
        if kept.leaving and not kept.forced and time.time() - kept.leaving.began > FORCED_AFTER:
            self.forced.append(f"{name} lived on for {FORCED_AFTER} s after a SIGTERM")
            kept.forced = True
            kept.service.kill()

    def _start_again(self, name: str, kept: Kept) -> None:
        assert kept.service.process is not None
        if kept.leaving is None:
            self.fallen.append(f"{name} ended by itself with {kept.service.process.returncode}: {_last_line(kept.service)}")
        elif not kept.leaving.ended:
            kept.leaving.ended = time.time()
        if not self._ended.wait(STARTED_AGAIN_AFTER):
            kept.start()


class Chaos:
    """Strikes. What it returns, if anything, heals."""

    def __init__(self, keeper: Keeper, postgres: Postgres, broker: Redis) -> None:
        self.strikes: list[Strike] = []
        self.wiped: set[int] = set()  # numbers of log records that a wipe has destroyed
        self.at_risk: set[int] = set()  # those that were in Redis when it was killed
        self._keeper, self._postgres, self._broker = keeper, postgres, broker

    def count(self) -> Counter[str]:
        return Counter(strike.fault.kind for strike in self.strikes)

    def can_strike(self, fault: Fault) -> bool:
        """Whether its victim stands: it does not while it starts, or while another fault has it."""
        server = fault.kind.partition("_")[0]
        if any(not s.ended and s.fault.kind.startswith(server) and s.fault.target == fault.target for s in self.strikes):
            return False
        return not fault.target or self._keeper.is_at_work(fault.target)

    def strike(self, fault: Fault) -> Callable[[], None]:
        """Returns what heals it."""
        heal = getattr(self, f"_{fault.kind}")(fault)
        return heal or (lambda: None)

    def _struck(self, fault: Fault) -> Strike:
        self.strikes.append(Strike(fault, time.time()))
        return self.strikes[-1]

    def _kill(self, fault: Fault) -> None:
        kept = self._keeper.ready(fault.target)
        with kept.lock:
            kept.leaving = self._struck(fault)
            kept.service.kill()

    def _term(self, fault: Fault) -> None:
        kept = self._keeper.ready(fault.target)
        with kept.lock:
            kept.leaving = self._struck(fault)
            kept.service.signal(signal.SIGTERM)

    def _pause(self, fault: Fault) -> Callable[[], None]:
        pid = self._keeper.ready(fault.target).service.pid
        strike = self._struck(fault)
        with_pid_gone(pid, signal.SIGSTOP)

        def resume() -> None:
            with_pid_gone(pid, signal.SIGCONT)
            strike.ended = time.time()

        return resume

    def _redis_kill(self, fault: Fault) -> Callable[[], None]:
        self.at_risk.update(numbers_in(b"\n".join(contents_of(self._broker))))
        strike = self._struck(fault)
        self._broker.kill()
        return self._started(self._broker, strike)

    def _redis_wipe(self, fault: Fault) -> None:
        destroyed = contents_of(self._broker, wipe=True)
        self._struck(fault).ended = time.time()
        self.wiped.update(numbers_in(b"\n".join(destroyed)))

    def _redis_hang(self, fault: Fault) -> Callable[[], None]:
        strike = self._struck(fault)
        self._broker.pause()

        def resume() -> None:
            self._broker.resume()
            strike.ended = time.time()

        return resume

    def _postgres_restart(self, fault: Fault) -> Callable[[], None]:
        strike = self._struck(fault)
        self._postgres.kill() if fault.how == "by SIGKILL" else self._postgres.stop()
        return self._started(self._postgres, strike)

    def _started(self, server: Postgres | Redis, strike: Strike) -> Callable[[], None]:
        def start() -> None:
            server.start()
            strike.ended = time.time()

        return start


def contents_of(broker: Redis, *, wipe: bool = False) -> list[bytes]:
    """Every message there, after its key and a line end; in the same moment, nothing is left there if it is a wipe."""
    found: Any = broker.client().eval(TAKE_ALL, 0, "wipe" if wipe else "")
    return list(found)


class Step(NamedTuple):
    """A fault, or what heals one, at a time in seconds from the begin of the load."""

    at: float
    what: "Fault | Callable[[], None]"


class Reader:
    """Reads the ledger past the application; connects again after PostgreSQL was away."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Raises OperationalError while PostgreSQL is away."""
        try:
            return self._fetch(statement)
        except (psycopg2.OperationalError, psycopg2.InterfaceError):  # the connection from before a restart
            self._connection = None
            return self._fetch(statement)

    def _fetch(self, statement: str) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = psycopg2.connect(self._url, connect_timeout=2)
            self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def count(self, statement: str) -> int:
        return int(self.rows(statement)[0][0])


class Progress:
    """One line that changes on a terminal, elsewhere one every ten seconds."""

    def __init__(self, creators: Creators, chaos: Chaos, reader: Reader) -> None:
        self._creators, self._chaos, self._reader = creators, chaos, reader
        self._began, self._next, self._finished = time.monotonic(), 0.0, 0
        self._terminal = sys.stdout.isatty()

    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def passed(self, moment: float) -> bool:
        """Whether so many seconds have passed since the begin; shows the line."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + (1 if self._terminal else 10)
            self._show()
        return self.elapsed() >= moment

    def end(self) -> None:
        self._show()
        print()

    def _show(self) -> None:
        with suppress(psycopg2.OperationalError):
            self._finished = self._reader.count(f"SELECT count(*) FROM roadmap WHERE status IN ({FINAL_LIST})")
        strikes = self._chaos.strikes
        doing = next((f"  now: {s.fault.kind} {s.fault.target}" for s in reversed(strikes) if not s.ended), "")
        line = (
            f"{self.elapsed():5.0f} s  accepted {len(self._creators.accepted)}  finished {self._finished}  faults {len(strikes)}"
        )
        print(f"\r\033[K{line}{doing}" if self._terminal else f"{line}{doing}", end="" if self._terminal else "\n", flush=True)


class Soak:
    """Everything that takes part in it."""

    def __init__(self, folder: Path, seed: int, ends: ExitStack) -> None:
        folders = [folder / name for name in ("postgres", "redis", "services")]
        for each in folders:
            each.mkdir()
        self.postgres, self.broker, self.provider = Postgres(folders[0]), Redis(folders[1]), Provider(seed)
        for server in (self.postgres, self.broker, self.provider):
            ends.callback(server.stop)
            server.start()
        self.stack = server_stack(folders[2], self.postgres, self.broker, **ENVIRONMENT, OPENAI_BASE_URL=self.provider.url)
        self.stack.services = {name: self._service(name, folders[2]) for name in ROLES}
        self.keeper = Keeper(self.stack)
        self.chaos = Chaos(self.keeper, self.postgres, self.broker)
        self.reader = Reader(self.stack.environment["DATABASE_URL"])
        self.writer = LogWriter(self.stack.environment, folders[2], RECORDED_A_SECOND)
        for end in (self.stack.stop, self.writer.kill, self.keeper.stop):
            ends.callback(end)
        self.stack.start()
        self.keeper.start()
        self.writer.start()
        self.creators = Creators(self.stack.url, self.stack.headers, CREATED_A_SECOND)
        ends.callback(self.creators.stop)
        self.began = 0.0  # seconds since 1970
        self.healed = self.took = 0.0  # when the last fault was over; seconds from then until everything was finished

    def run(self, faults: list[Fault], seconds: float) -> None:
        """Load and faults together; then everything is healthy, and what was accepted reaches its end."""
        for name in ROLES:
            self.keeper.ready(name)
        self.began = time.time()
        self.creators.start()
        progress = Progress(self.creators, self.chaos, self.reader)
        self._strike_all([Step(fault.at, fault) for fault in faults], progress)
        wait_until(lambda: progress.passed(seconds), timeout=seconds, reason="the end of the load")
        self.creators.stop()
        for name in ROLES:
            self.keeper.ready(name)
        self.writer.stop()
        self._in_patience(lambda: progress.passed(0) and self._all_final(), least=0)
        self.took = time.monotonic() - self.healed
        self._in_patience(lambda: not waiting_messages(self.broker), least=10)  # so that nothing happens after the reading
        self.keeper.stop()
        self.stack.stop()
        progress.end()

    def _service(self, name: str, folder: Path) -> Service:
        service = Service(ROLES[name], self.stack.environment, folder)
        service.log = folder / f"{name}.log"
        return service

    def _strike_all(self, steps: list[Step], progress: Progress) -> None:
        def next_step() -> Step | None:
            progress.passed(0)  # shows the line
            due = sorted((step for step in steps if step.at <= progress.elapsed()), key=attrgetter("at"))
            return next((step for step in due if not isinstance(step.what, Fault) or self.chaos.can_strike(step.what)), None)

        while steps:
            longest = max(min(step.at for step in steps) - progress.elapsed(), 0) + READY_WITHIN
            step = wait_until(next_step, timeout=longest, reason=f"time for one of {len(steps)} faults")
            steps.remove(step)
            if isinstance(step.what, Fault):
                steps.append(Step(progress.elapsed() + step.what.seconds, self.chaos.strike(step.what)))
            else:
                step.what()
            late = progress.elapsed() - step.at  # a slow machine keeps its distance between faults
            steps = [each._replace(at=each.at + late) if isinstance(each.what, Fault) else each for each in steps]
            self.healed = time.monotonic()

    def _in_patience(self, condition: Callable[[], bool], *, least: float) -> None:
        left = max(self.healed + PATIENCE - time.monotonic(), least)
        with suppress(AssertionError):  # the ledger tells
            wait_until(now_and_then(condition), timeout=left)

    def _all_final(self) -> bool:
        return self.reader.count(f"SELECT count(*) FROM roadmap WHERE status NOT IN ({FINAL_LIST})") == 0


def now_and_then(condition: Callable[[], bool], seconds: float = 0.3) -> Callable[[], bool]:
    """The same condition, looked at no more often than that."""
    due = 0.0

    def look() -> bool:
        nonlocal due
        if time.monotonic() < due:
            return False
        due = time.monotonic() + seconds
        return condition()

    return look


def waiting_messages(broker: Redis) -> int:
    """Messages of roadmaps, contents and log records that are not dead letters."""
    ours = (b"plan_roadmap", b"build_content", b"store_log_batch")
    entries = (entry.partition(b"\n") for entry in contents_of(broker))
    return sum(b"dead" not in key and any(name in value for name in ours) for key, _, value in entries)


class PaidAgain(NamedTuple):
    """A second call for the same words; `cause` is the fault during the first, or the ones between the two."""

    asked: Asked
    first: Call
    again: Call
    cause: str
    explained: bool  # a process that calls models was struck during the first call


def paid_again(calls: dict[Asked, list[Call]], strikes: list[Strike]) -> list[PaidAgain]:
    found = []
    for asked, made in calls.items():
        for first, again in pairwise(made):
            since, until = first.began - SAVED_WITHIN, (first.ended or again.began) + SAVED_WITHIN
            during = [strike for strike in strikes if strike.touches(since, until)]
            until = max([until, *(s.ended + SAVED_WITHIN for s in during if s.fault.kind == "postgres_restart")])  # saved then
            during = [strike for strike in strikes if strike.touches(since, until)]
            struck = [strike for strike in during if strike.interrupts_calls]
            between = [strike for strike in strikes if strike.touches(first.began, again.began)]
            cause = " + ".join(sorted({strike.fault.kind for strike in struck or during or between})) or "no fault"
            found.append(PaidAgain(asked, first, again, cause, bool(struck)))
    return found


class Ledger:
    """What the database, the model server and the log writer say at the end; `failures` is empty when it is well."""

    def __init__(self, soak: Soak, seconds: float) -> None:
        self.failures: list[str] = []
        self._soak, self._seconds, self._reader = soak, seconds, soak.reader
        accepted = soak.creators.accepted
        rows = self._reader.rows("SELECT id::text, status, error, goal FROM roadmap")
        self._rows = {id_: (status, error, goal) for id_, status, error, goal in rows}
        self.accepted = {id_: self._rows.get(id_) for id_ in accepted}

    def tell(self) -> None:
        print("\nLedger")
        self._roadmaps()
        self._effects()
        self._model()
        self._log()
        self._faults()
        self._services()
        for failure in self.failures:
            print(f"FAILED: {failure}")

    def stuck(self) -> list[str]:
        """Ids of what was accepted and has a row, but no end."""
        return [id_ for id_, row in self.accepted.items() if row and row[0] not in FINAL]

    def _line(self, name: str, value: object, *, wrong: bool = False) -> None:
        print(f"  {name:<28} {value}")
        if wrong:
            self.failures.append(f"{name}: {value}")

    def _roadmaps(self) -> None:
        floor = round(FLOOR * self._seconds)
        refused = ", ".join(f"{reason} {count}" for reason, count in self._soak.creators.refused.most_common())
        self._line("accepted", len(self.accepted), wrong=len(self.accepted) < floor)
        self._line("refused", f"{sum(self._soak.creators.refused.values())}  {refused}")
        self._line("finished, by status", _told(Counter(row[0] for row in self.accepted.values() if row and row[0] in FINAL)))
        self._line("finished after the last fault", f"{self._soak.took:.1f} s")
        gone, stuck = [id_ for id_, row in self.accepted.items() if row is None], self.stuck()
        self._line("lost", f"{len(gone)} without a row, {len(stuck)} without an end", wrong=bool(gone or stuck))
        failed = Counter(f"{row[0]}: {row[1]}" for row in self.accepted.values() if row and row[0] in FINAL and row[0] != "ready")
        self._line("visibly failed", _told(failed), wrong=bool(failed))
        unanswered = Counter(row[0] for id_, row in self._rows.items() if id_ not in self.accepted)
        self._line("stored, answer not heard", _told(unanswered), wrong=any(status not in FINAL for status in unanswered))

    def _effects(self) -> None:
        found = {name: {str(id_) for (id_,) in self._reader.rows(statement)} for name, statement in REPEATED.items()}
        keys = dict(self._reader.rows("SELECT roadmap_id::text, array_agg(key::text ORDER BY position) FROM concept GROUP BY 1"))
        ready = {id_: goal for id_, (status, _, goal) in self._rows.items() if status == "ready"}
        found["ready, but not as outlined"] = {id_ for id_, goal in ready.items() if keys.get(id_) != concept_keys(goal)}
        self._line("repeated effects", sum(map(len, found.values())), wrong=any(found.values()))
        for name, ids in found.items():
            print(f"    {name:<38} {len(ids)} {' '.join(sorted(ids)[:5])}")

    def _model(self) -> None:
        calls = self._soak.provider.calls
        again = paid_again(calls, self._soak.chaos.strikes)
        most = THREADS * sum(strike.interrupts_calls for strike in self._soak.chaos.strikes)
        for table in ("roadmap", "content"):
            [(attempts, interruptions)] = self._reader.rows(CLAIMED_AGAIN.format(table))
            self._line(f"run twice, {table}s", _told({"tried again": attempts, "taken over": interruptions}))
        self._line("model calls", f"{sum(map(len, calls.values()))} for {len(calls)} outlines and contents")
        self._line("model calls paid again", f"{len(again)} of at most {most}", wrong=len(again) > most)
        self._line("  by a struck consumer", _told(Counter(paid.cause for paid in again if paid.explained)))
        others = [paid for paid in again if not paid.explained]
        self._line("  by anything else", _told(Counter(paid.cause for paid in others)))
        for paid in others[:8]:
            print(f"    {self._told_again(paid)}")

    def _told_again(self, paid: PaidAgain) -> str:
        first, at = paid.first, paid.first.began - self._soak.began
        heard = "answered" if first.heard else "not heard"
        called = (
            f"at {at:.2f} s for {first.ended - first.began:.2f} s, {heard}, again {paid.again.began - first.began:.2f} s later"
        )
        return f"{' / '.join(paid.asked)}: {called}: {paid.cause}"

    def _log(self) -> None:
        chaos, counts = self._soak.chaos, self._soak.writer.counts()
        stored = dict(self._reader.rows(STORED))
        flushed = {number: batch.at for batch in self._soak.writer.flushed() for number in batch.numbers}
        kills = [s.began for s in chaos.strikes if s.fault.kind == "redis_kill"]
        missing = flushed.keys() - stored.keys()
        by_wipe = missing & chaos.wiped
        by_kill = {n for n in missing - by_wipe if n in chaos.at_risk or any(-0.5 < k - flushed[n] < 1.5 for k in kills)}
        others = sorted(missing - by_wipe - by_kill)
        twice = sum(count > 1 for count in stored.values())
        self._line(
            "log records",
            _told({"recorded": counts.get("recorded", 0), "flushed": len(flushed), "stored": len(stored)}),
            wrong=not flushed,
        )
        self._line("  stored twice", twice, wrong=bool(twice))
        self._line("  gone with Redis", _told({"by wipes": len(by_wipe), "by kills": len(by_kill)}))
        self._line("  lost otherwise", f"{len(others)} {self._lost_when(others, flushed)}", wrong=bool(others))
        unflushed = int(counts.get("recorded", 0)) - len(flushed)
        self._line("  never flushed", unflushed, wrong=bool(unflushed))
        self._sources(counts.get("source", ""), len(stored))

    def _sources(self, writer: str, stored: int) -> None:
        """What the application itself says of its log, which must agree with what is there."""
        for service, processes, numbered, told, dropped in self._reader.rows(SOURCES.format(writer)):
            said = _told({"processes": processes, "numbered": numbered, "stored": told, "dropped": dropped})
            self._line(f"  {service}", f"{said}, lost {numbered - told}", wrong="writer" in service and told != stored)

    def _lost_when(self, numbers: list[int], flushed: dict[int, float]) -> str:
        return " ".join(f"{number} at {flushed[number] - self._soak.began:.2f} s" for number in numbers[:3])

    def _faults(self) -> None:
        struck = self._soak.chaos.count()
        self._line("faults", _told({kind: struck[kind] for kind in KINDS}))
        for kind in KINDS:
            if not struck[kind]:
                self.failures.append(f"{kind} never struck")
        dead = sum(b"dead" in entry.partition(b"\n")[0] for entry in contents_of(self._soak.broker))
        self._line("dead letters", dead)

    def _services(self) -> None:
        keeper = self._soak.keeper
        for sentence in keeper.fallen + keeper.forced:
            print(f"  {sentence}")
        for name, kept in keeper.kept.items():
            found = Counter(re.findall(r"^(?:\w+\.)*\w*(?:Error|Exception)\b.{0,120}", kept.service.output, re.MULTILINE))
            for words, count in found.most_common(4):
                print(f"  {name} printed {count} times: {words}")


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "0"


def _last_line(service: Service) -> str:
    return (service.output.strip().splitlines() or [""])[-1][:200]


def explain(soak: Soak, ledger: Ledger) -> None:
    """What a person needs: what is stuck, with its rows, and what the services said last."""
    for id_ in ledger.stuck()[:5]:
        for table, column in (("roadmap", "id"), ("content", "roadmap_id")):
            columns = "id, status, attempts, due_at, lease_until, lease_token, error"
            for row in soak.reader.rows(f"SELECT '{table}', {columns} FROM {table} WHERE {column} = '{id_}' ORDER BY id"):
                print("  stuck:", *row)
    for name, kept in soak.keeper.kept.items():
        print(f"--- {name} ({kept.service.log}):\n{kept.service.output[-2000:]}")


def soak(seconds: float, seed: int, folder: Path) -> bool:
    """Whether everything is well."""
    faults = Schedule(seed, seconds).faults()
    print(f"Soak of {seconds:g} s with seed {seed}, {len(faults)} faults:", *faults, sep="\n  ", flush=True)
    with ExitStack() as ends:
        taking_part = Soak(folder, seed, ends)
        taking_part.run(faults, seconds)
        ledger = Ledger(taking_part, seconds)
        ledger.tell()
        if ledger.failures:
            explain(taking_part, ledger)
        return not ledger.failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long the load lasts")
    parser.add_argument("--seed", type=int, default=1, help="of the schedule; the same one makes the same schedule")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # everything that was started is ended
    folder = Path(tempfile.mkdtemp(prefix="roadmap-soak-"))
    well = False
    try:
        well = soak(options.seconds, options.seed, folder)
    finally:
        if well:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"Everything that was written is kept in {folder}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
