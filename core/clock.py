"""Clock of the process: aware datetimes in UTC. Tests move it instead of sleeping."""

import time
from datetime import UTC, datetime, timedelta

_offsets = [timedelta()]
_nanoseconds = [0]  # the same offset


def now() -> datetime:
    return datetime.now(UTC) + _offsets[0]


def time_ns() -> int:
    """Return nanoseconds since 1970, for an order within a microsecond."""
    return time.time_ns() + _nanoseconds[0]


def travel(by: timedelta) -> None:
    """Move the clock of this process (tests only)."""
    _set(_offsets[0] + by)


def reset() -> None:
    _set(timedelta())


def _set(offset: timedelta) -> None:
    _offsets[0], _nanoseconds[0] = offset, offset // timedelta(microseconds=1) * 1000
