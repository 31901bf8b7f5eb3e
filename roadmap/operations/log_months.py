"""Months of the execution log (UTC).

A record belongs to the month of the time in its id.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from core import clock
from core.db import settings
from core.ids import EPOCH, first_id


def month_of(moment: datetime) -> datetime:
    """Return the first moment of a month."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_after(month: datetime) -> datetime:
    return month_of(month_of(month) + timedelta(days=31))


def oldest_kept() -> UUID | None:
    """Return the first id whose month is kept by LOG_RETENTION_DAYS; None: all are."""
    days = settings.log_retention_days
    return first_id(month_of(max(clock.now() - timedelta(days=days), EPOCH))) if days else None
