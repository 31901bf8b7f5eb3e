"""Identifiers: UUID version 7 (RFC 9562), which sort by time of creation."""

import secrets
import uuid
from datetime import UTC, datetime, timedelta

from core import clock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_id() -> uuid.UUID:
    return uuid.UUID(new_hex())


def new_hex(nanoseconds: int | None = None) -> str:
    """Return a new id as 32 hexadecimal digits, much faster than a UUID object.

    48 bits of Unix time in ms, which is now by default, 12 bits of its fraction (method 3), 62
    random bits.
    """
    if nanoseconds is None:
        nanoseconds = clock.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    fraction = (rest << 12) // 1_000_000
    number = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return f"{number:032x}"


def first_id(moment: datetime, later: timedelta = timedelta()) -> uuid.UUID:
    """Return the lower bound of all ids made from that millisecond, plus `later`, on."""
    milliseconds = (moment - EPOCH + later) // timedelta(milliseconds=1)
    return uuid.UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)
