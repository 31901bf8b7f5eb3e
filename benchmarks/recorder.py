"""Call `record()` as often as one thread can, and wait until all of it is in the table.

    python -m benchmarks.recorder RECORDS          of the service whose settings are set
    python -m benchmarks.recorder RECORDS logging  the same by the standard library, kept in memory

Writes as JSON: records a second, and how many found no room.
"""

import json
import logging
import sys
import time

from core.db import database, session
from core.startup.gc_tuning import freeze_startup_objects
from roadmap.operations.execution_log import buffer, record
from tasks import logs  # noqa: F401  (wires the queue)

LONGEST = 300  # seconds until all are stored
PAUSE = 0.1
COUNT = "SELECT count(*) FROM execution_log WHERE step = 'bench'"


def main(records: int, kind: str = "") -> None:
    print(json.dumps(by_logging(records) if kind else recorded(records)))


def recorded(records: int) -> dict[str, float]:
    freeze_startup_objects()  # as services do when they have started
    began = time.perf_counter()
    for number in range(records):
        record("api", "bench", "Wrote the quiz of a concept", details={"number": number})
    seconds = time.perf_counter() - began
    accepted, dropped = buffer.accepted, buffer.dropped
    buffer.flush()
    deadline = time.monotonic() + LONGEST
    while (found := stored()) < accepted:
        if time.monotonic() > deadline:
            raise SystemExit(
                f"of {accepted} records that were accepted {found} are stored after {LONGEST} s"
            )
        time.sleep(PAUSE)
    return {"rate": accepted / seconds, "dropped": dropped}


def stored() -> int:
    with session():
        return int(database.execute_sql(COUNT).fetchone()[0])


class Memory(logging.Handler):
    """Keeps formatted lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def by_logging(records: int) -> dict[str, float]:
    logger = logging.getLogger("bench")
    logger.addHandler(Memory())
    logger.setLevel(logging.INFO)
    logger.propagate = False
    freeze_startup_objects()
    began = time.perf_counter()
    for number in range(records):
        logger.info("Wrote the quiz of a concept, number %d", number)
    return {"rate": records / (time.perf_counter() - began), "dropped": 0}


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
