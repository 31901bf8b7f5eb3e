"""Deprecated fields: since when, and until when they are understood (RFC 9745, RFC 8594)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, NamedTuple

from pydantic import BaseModel

from roadmap.plan.schemas import ProgressRequest


class Deprecated(NamedTuple):
    until: datetime
    since: datetime


# Fields of requests. docs/API.md promises at least a year.
DEPRECATED: Mapping[type[BaseModel], Mapping[str, Deprecated]] = {
    ProgressRequest: {
        "status": Deprecated(
            since=datetime(2026, 11, 29, tzinfo=UTC), until=datetime(2027, 11, 29, tzinfo=UTC)
        )
    },
}


def deprecations(body: Any) -> dict[str, str]:
    """Return the headers for a body: of its deprecated field that goes first, if it has any."""
    fields = DEPRECATED[type(body)]
    used = [fields[name] for name in fields if name in body.model_fields_set]
    if not used:
        return {}
    until, since = min(used)
    return {
        "Deprecation": f"@{int(since.timestamp())}",
        "Sunset": format_datetime(until, usegmt=True),
    }
