"""Random faults under load, then a ledger: what was accepted is finished, and done once.

    python -m tests.chaos.soak --seconds 60 --seed 1

Real processes with a PostgreSQL, a Redis and a model server of their own. People create roadmaps, a
process writes log records, and a schedule of faults, made from the seed and printed first, strikes
them; what dies is started again, as a PaaS would. The load lasts longer where a slow machine has
not accepted enough. Afterwards everything is healthy, and the soak waits as long as something
finishes (`patience.py`). The ledger is read from the database and from the model server's own
count. Exit 1 on anything lost, repeated or unfinished, on too little load and on a kind of fault
that never struck; the scratch folder with every log is kept then.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import psycopg2

from testing.receiver import receiving
from testing.servers import Postgres, Redis
from testing.stack import Service, server_stack
from testing.waiting import wait_until
from tests.chaos.faults import ROLES, Chaos, Fault, Keeper, Schedule, contents_of
from tests.chaos.ledger import (
    DONE,
    FINISHED,
    THREADS,
    UNDELIVERED,
    UNFINISHED,
    WEBHOOK_EVENTS,
    Evidence,
    Ledger,
    Reader,
    enough_for,
    explain,
)
from tests.chaos.load import Creators, LogWriter
from tests.chaos.model import PATIENT, Model
from tests.chaos.patience import Patience

ENVIRONMENT = {
    **PATIENT,
    "HEARTBEAT_SECONDS": "0.5",
    "HEARTBEAT_TTL_SECONDS": "4",
    "RESCUE_AFTER_SECONDS": "2",
    "RETRY_BASE_SECONDS": "0.1",
    "SHUTDOWN_GRACE_SECONDS": "2",
    "CONTENT_WORKERS": str(THREADS),
    "WEBHOOK_NETWORKS": "127.0.0.0/8",
}
CREATED_A_SECOND, RECORDED_A_SECOND = 12, 200
LOOK = 0.3  # seconds between two looks at what has finished


class Step(NamedTuple):
    """A fault, or what heals one, at a time in seconds from the begin of the load."""

    at: float
    what: "Fault | Callable[[], None]"


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
            self._finished = self._reader.count(FINISHED)
        strikes = self._chaos.strikes
        doing = next(
            (f"  now: {s.fault.kind} {s.fault.target}" for s in reversed(strikes) if not s.ended),
            "",
        )
        line = (
            f"{self.elapsed():5.0f} s  accepted {len(self._creators.accepted)}  finished"
            f" {self._finished}  faults {len(strikes)}"
        )
        print(
            f"\r\033[K{line}{doing}" if self._terminal else f"{line}{doing}",
            end="" if self._terminal else "\n",
            flush=True,
        )


class Soak:
    """Everything that takes part in it."""

    def __init__(self, folder: Path, seed: int, ends: ExitStack) -> None:
        folders = [folder / name for name in ("postgres", "redis", "services")]
        for each in folders:
            each.mkdir()
        self.postgres, self.broker, self.model = (
            Postgres(folders[0]),
            Redis(folders[1]),
            Model(seed=seed),
        )
        for server in (self.postgres, self.broker, self.model):
            ends.callback(server.stop)
            server.start()
        self.stack = server_stack(
            folders[2], self.postgres, self.broker, **ENVIRONMENT, **self.model.environment
        )
        self.stack.services = {name: self._service(name, folders[2]) for name in ROLES}
        self.keeper = Keeper(self.stack)
        self.chaos = Chaos(self.keeper, self.postgres, self.broker)
        self.reader = Reader(self.stack.environment["DATABASE_URL"])
        self.writer = LogWriter(self.stack.environment, folders[2], RECORDED_A_SECOND)
        for end in (self.stack.stop, self.writer.kill, self.keeper.stop):
            ends.callback(end)
        self.stack.start()
        self.receiver = ends.enter_context(receiving())
        made = self.stack.post(
            "/api/v1/webhooks", json={"url": self.receiver.url, "events": sorted(WEBHOOK_EVENTS)}
        )
        assert made.status_code == 201, made.text
        self.keeper.start()
        self.writer.start()
        self.creators = Creators(self.stack.url, self.stack.headers, CREATED_A_SECOND)
        ends.callback(self.creators.stop)
        self.healed = 0.0  # when the last fault was over

    def run(self, faults: list[Fault], seconds: float) -> Evidence:
        """Load and faults together; then everything is healthy, and what was accepted ends."""
        for name in ROLES:
            self.keeper.ready(name)
        began = time.time()
        self.creators.start()
        progress = Progress(self.creators, self.chaos, self.reader)
        self._strike_all([Step(fault.at, fault) for fault in faults], progress)
        self._wait(
            lambda: progress.passed(seconds) and len(self.creators.accepted) >= enough_for(seconds),
            lambda: len(self.creators.accepted),
            progress,
        )
        self.creators.stop()
        for name in ROLES:
            self.keeper.ready(name)
        self.writer.stop()
        self._wait(self._all_final, self._done, progress)
        took = time.monotonic() - self.healed
        # So that nothing happens after the reading.
        self._wait(lambda: not waiting_messages(self.broker), self._done, progress)
        self.keeper.stop()
        self.stack.stop()
        progress.end()
        return Evidence(
            seconds=seconds,
            creators=self.creators,
            writer=self.writer,
            receiver=self.receiver,
            model=self.model,
            broker=self.broker,
            reader=self.reader,
            keeper=self.keeper,
            chaos=self.chaos,
            began=began,
            took=took,
        )

    def _service(self, name: str, folder: Path) -> Service:
        service = Service(ROLES[name], self.stack.environment, folder)
        service.log = folder / f"{name}.log"
        return service

    def _strike_all(self, steps: list[Step], progress: Progress) -> None:
        def next_step() -> Step | None:
            progress.passed(0)  # shows the line
            due = sorted(
                (step for step in steps if step.at <= progress.elapsed()), key=attrgetter("at")
            )
            return next(
                (
                    step
                    for step in due
                    if not isinstance(step.what, Fault) or self.chaos.can_strike(step.what)
                ),
                None,
            )

        while steps:
            step = wait_until(next_step, reason=f"time for one of {len(steps)} faults")
            steps.remove(step)
            if isinstance(step.what, Fault):
                steps.append(
                    Step(progress.elapsed() + step.what.seconds, self.chaos.strike(step.what))
                )
            else:
                step.what()
            late = progress.elapsed() - step.at  # a slow machine keeps its distance between faults
            steps = [
                each._replace(at=each.at + late) if isinstance(each.what, Fault) else each
                for each in steps
            ]
            self.healed = time.monotonic()

    def _wait(
        self, condition: Callable[[], bool], finished: Callable[[], int], progress: Progress
    ) -> None:
        """Until it is true, or nothing finishes any more: the ledger tells which."""
        patience = Patience(finished)
        while not condition() and not patience.is_over():
            progress.passed(0)  # shows the line
            time.sleep(LOOK)

    def _done(self) -> int:
        return self.reader.count(DONE)

    def _all_final(self) -> bool:
        return self.reader.count(UNFINISHED) == 0 and self.reader.count(UNDELIVERED) == 0


def waiting_messages(broker: Redis) -> int:
    """Messages of roadmaps, contents, webhooks and log records that are not dead letters."""
    ours = (b"plan_roadmap", b"build_content", b"deliver_webhook", b"store_log_batch")
    entries = (entry.partition(b"\n") for entry in contents_of(broker))
    return sum(
        b"dead" not in key and any(name in value for name in ours) for key, _, value in entries
    )


def soak(seconds: float, seed: int, folder: Path) -> bool:
    """Whether everything is well."""
    faults = Schedule(seed, seconds).faults()
    print(
        f"Soak of {seconds:g} s with seed {seed}, {len(faults)} faults:",
        *faults,
        sep="\n  ",
        flush=True,
    )
    with ExitStack() as ends:
        taking_part = Soak(folder, seed, ends)
        evidence = taking_part.run(faults, seconds)
        ledger = Ledger(evidence)
        ledger.tell()
        if ledger.failures:
            explain(evidence, ledger)
        return not ledger.failures


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long the load lasts")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the schedule; the same one makes the same schedule"
    )
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
