"""The faults of a soak: their schedule, their strikes, and the keeper who starts services again."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

from testing.servers import Postgres, Redis
from testing.stack import Service, Stack, with_pid_gone
from testing.waiting import HANG, wait_until
from tests.chaos.load import numbers_in

ROLES = {
    "api": "api",
    "logs": "huey_logs",
    "content-1": "huey_content",
    "content-2": "huey_content",
}
CONSUMERS = [name for name in ROLES if name != "api"]
STARTED_AGAIN_AFTER = 0.5  # seconds
FORCED_AFTER = 15  # seconds between a SIGTERM and the SIGKILL of a platform that has waited enough
AT_WORK_AFTER = 3  # seconds; a start takes half of it

KINDS = ("kill", "term", "pause", "redis_kill", "redis_wipe", "redis_hang", "postgres_restart")
LASTING = {
    "pause": (5, 7.5),
    "redis_kill": (1, 4),
    "redis_hang": (3, 6),
    "postgres_restart": (1, 3),
}  # seconds, from, to
OVERLAPS = 0.3  # share of lasting faults, after the first round, during which another one strikes
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
        return (
            " ".join(
                word for word in (f"{self.at:6.1f} s ", self.kind, self.target, self.how) if word
            )
            + length
        )


class Schedule:
    """A shuffled round of all kinds, then random ones, which now and then overlap."""

    def __init__(self, seed: int, seconds: float) -> None:
        self._random, self._seconds = random.Random(seed), seconds
        self._gap = (1.0, 3.0) if seconds >= 40 else (0.5, 1.0)
        self._victims = {
            kind: self._turns(CONSUMERS if kind == "pause" else list(ROLES))
            for kind in ("kill", "term", "pause")
        }

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
        return Fault(
            round(at, 2),
            kind,
            next(self._victims[kind]) if kind in self._victims else "",
            round(seconds, 2),
            how,
        )

    def _second(self, first: Fault) -> Fault:
        """One that strikes while the first lasts, somewhere else."""
        kinds = (
            ["kill", "term"] if first.kind.startswith("redis") else ["kill", "term", "redis_wipe"]
        )
        second = self._fault(
            first.at + self._random.random() * first.seconds, self._random.choice(kinds)
        )
        return self._second(first) if second.target and second.target == first.target else second

    def _turns(self, names: list[str]) -> Iterator[str]:
        """All of them in random order, again and again.

        A content consumer comes first: there work is interrupted.
        """
        while True:
            turn = self._random.sample(names, len(names))
            yield from sorted(
                turn,
                key=lambda name: name != next(each for each in turn if each.startswith("content")),
            )


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
    leaving: Strike | None = None  # killed or stopped, and not yet started again
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
    """Starts a service again when it has ended, as a PaaS would.

    It ends one that does not end by itself.
    """

    def __init__(self, stack: Stack) -> None:
        self.kept = {
            name: Kept(service, is_api=name == "api") for name, service in stack.services.items()
        }
        self.fallen: list[str] = []  # ended without a signal
        self.forced: list[str] = []
        self._url, self._ended = stack.url, threading.Event()
        self._thread = threading.Thread(target=self._run, name="Keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(HANG)

    def is_at_work(self, name: str) -> bool:
        kept = self.kept[name]
        return time.monotonic() - kept.started > AT_WORK_AFTER and kept.is_ready(self._url)

    def ready(self, name: str) -> Kept:
        kept = self.kept[name]
        wait_until(lambda: kept.is_ready(self._url), reason=f"{name} is ready")
        return kept

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            for name, kept in self.kept.items():
                with kept.lock:
                    self._force(name, kept) if kept.service.alive() else self._start_again(
                        name, kept
                    )

    def _force(self, name: str, kept: Kept) -> None:
        if kept.leaving and not kept.forced and time.time() - kept.leaving.began > FORCED_AFTER:
            self.forced.append(f"{name} lived on for {FORCED_AFTER} s after a SIGTERM")
            kept.forced = True
            kept.service.kill()

    def _start_again(self, name: str, kept: Kept) -> None:
        assert kept.service.process is not None
        if kept.leaving is None:
            code = kept.service.process.returncode
            self.fallen.append(f"{name} ended by itself with {code}: {_last_line(kept.service)}")
        elif not kept.leaving.ended:
            kept.leaving.ended = time.time()
        if not self._ended.wait(STARTED_AGAIN_AFTER):
            kept.start()


class Chaos:
    """Strikes. What it returns, if anything, heals."""

    def __init__(self, keeper: Keeper, postgres: Postgres, broker: Redis) -> None:
        self.strikes: list[Strike] = []
        self.wiped: set[int] = set()  # numbers of log records that a wipe has destroyed
        self.at_risk: set[int] = set()  # those that were in Redis before it was killed
        self.risky: list[tuple[float, float]] = []  # from looking for them until it was dead
        self._keeper, self._postgres, self._broker = keeper, postgres, broker

    def count(self) -> Counter[str]:
        return Counter(strike.fault.kind for strike in self.strikes)

    def can_strike(self, fault: Fault) -> bool:
        """Whether its victim stands: it does not while it starts, or while another fault has it."""
        server = fault.kind.partition("_")[0]
        if any(
            not s.ended and s.fault.kind.startswith(server) and s.fault.target == fault.target
            for s in self.strikes
        ):
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
        since = time.time()
        self.at_risk.update(numbers_in(b"\n".join(contents_of(self._broker))))
        strike = self._struck(fault)
        self._broker.kill()
        self.risky.append((since, time.time()))
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
    """Return every message there, after its key and a line end; a wipe deletes them at once."""
    found: Any = broker.client().eval(TAKE_ALL, 0, "wipe" if wipe else "")
    return list(found)


def _last_line(service: Service) -> str:
    return (service.output.strip().splitlines() or [""])[-1][:200]
