"""Deprecated fields: since when, and until when they are understood (RFC 9745, RFC 8594)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from roadmap.plan.schemas import ProgressRequest

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Deprecated:
    since: datetime
    until: datetime

    @property
    def headers(self) -> dict[str, str]:
        sunset = format_datetime(self.until, usegmt=True)
        return {"Deprecation": f"@{int(self.since.timestamp())}", "Sunset": sunset}


# Fields of requests. docs/API.md promises at least a year.
FIELDS: Mapping[type[BaseModel], Mapping[str, Deprecated]] = {
    ProgressRequest: {
        "status": Deprecated(datetime(2026, 11, 29, tzinfo=UTC), datetime(2027, 11, 29, tzinfo=UTC))
    },
}


def deprecations(body: Any) -> Mapping[str, str]:
    """Return the headers for a body: of its deprecated field that goes first, if it has any."""
    fields = FIELDS.get(type(body), {})
    used = [fields[name] for name in fields if name in body.model_fields_set]
    return min(used, key=lambda each: each.until).headers if used else NOTHING
