"""The one clock. Times are aware datetimes in UTC; tests move the clock instead of sleeping."""

import time
from datetime import UTC, datetime, timedelta

_offsets = [timedelta()]


def now() -> datetime:
    return datetime.now(UTC) + _offsets[0]


def time_ns() -> int:
    """The same in nanoseconds since 1970, for what must be in order within a microsecond."""
    return time.time_ns() + _offsets[0] // timedelta(microseconds=1) * 1000


def travel(by: timedelta) -> None:
    """Move the clock of this process (tests only)."""
    _offsets[0] += by


def reset() -> None:
    _offsets[0] = timedelta()
