"""Moments in a query of operators."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}.*")


def _written(given: Any) -> Any:
    """Not a number of seconds, which pydantic takes as well."""
    if isinstance(given, datetime) or WRITTEN.fullmatch(str(given)):
        return given
    raise ValueError("should be a time with its zone, such as 2026-11-26T09:30:00Z")


def _within_reason(moment: datetime) -> datetime:
    """Nothing is older or younger, and databases know no year 0."""
    return min(max(moment, EARLIEST), LATEST)


Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_within_reason)]
