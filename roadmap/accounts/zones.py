"""Time zones of accounts. Their pages show times and days in them; the API is in UTC."""

from datetime import UTC, date, datetime, tzinfo
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from core import clock
from core.db import session
from models.accounts import Account


def _known(name: str) -> str:
    if zone_named(name) is UTC:
        raise ValueError("must be the name of a time zone, such as Europe/Berlin")
    return name


# Names in lower case are files of the server, such as `localtime`.
ZoneName = Annotated[
    str, Field(max_length=64, pattern="^[A-Z][A-Za-z0-9_+/-]*$"), AfterValidator(_known)
]


@session()
def zone_of(owner_id: UUID) -> tzinfo:
    """Return the time zone of an account; UTC if none is set."""
    stored = Account.select(Account.time_zone).where(Account.id == owner_id)
    return zone_named(stored.scalar())


def now_of(owner_id: UUID) -> datetime:
    """Return the time in the time zone of an account."""
    return clock.now().astimezone(zone_of(owner_id))


def today_of(owner_id: UUID) -> date:
    """Return the day that it is in the time zone of an account."""
    return now_of(owner_id).date()


def zone_named(name: str | None) -> tzinfo:
    """Return a zone by its name; `UTC` itself if there is none of this name."""
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, OSError, ValueError):
        return UTC
