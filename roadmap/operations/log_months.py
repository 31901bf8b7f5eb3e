"""Months of the execution log (UTC): the id of a record says when it was made, and so to which month it belongs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from core import clock
from core.db import settings
from core.ids import EPOCH, first_id


def made_at(id_: UUID) -> datetime:
    return EPOCH + timedelta(milliseconds=id_.int >> 80)


def month_of(moment: datetime) -> datetime:
    """Its first moment."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_after(month: datetime) -> datetime:
    return month_of(month_of(month) + timedelta(days=31))


def oldest_kept() -> UUID | None:
    """Ids below it belong to months that ended more than LOG_RETENTION_DAYS ago. None: everything is kept."""
    days = settings.log_retention_days
    return first_id(month_of(max(clock.now() - timedelta(days=days), EPOCH))) if days else None
