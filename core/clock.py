"""The one clock. Times are aware datetimes in UTC; tests move the clock instead of sleeping."""

from datetime import UTC, datetime, timedelta

_offsets = [timedelta()]


def now() -> datetime:
    return datetime.now(UTC) + _offsets[0]


def travel(by: timedelta) -> None:
    """Move the clock of this process (tests only)."""
    _offsets[0] += by


def reset() -> None:
    _offsets[0] = timedelta()
