"""Filters for searches of operators in roadmaps and the execution log."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from core.json_types import LazyModel
from core.sanitize import CLEAN, Rule
from roadmap.operations.execution_log import LogLevel
from roadmap.plan.statuses import RoadmapStatus

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}.*")


def _check_written(given: Any) -> Any:
    """Refuse a number of seconds, which pydantic accepts."""
    if isinstance(given, datetime) or WRITTEN.fullmatch(str(given)):
        return given
    raise ValueError("should be a time with a time zone, such as 2026-11-26T09:30:00Z")


def _list_of(kind: type[StrEnum], number: str, *, may_be_empty: bool) -> Callable[[str], str]:
    """Return a validator of members of an enumeration, separated by commas."""

    def check(text: str) -> str:
        if not set(text.split(",")) <= set(kind) and (text or not may_be_empty):
            raise ValueError(f"should be {number} of {', '.join(kind)}, separated by commas")
        return text

    return check


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_check_written),
    # Nothing is older or younger, and databases know no year 0
    AfterValidator(lambda moment: min(max(moment, EARLIEST), LATEST)),
]
ANY_STATUS = "|".join(RoadmapStatus)
LONGEST_WORDS, LONGEST_TEXT = 200, 500  # characters


STATUSES = Rule(
    _list_of(RoadmapStatus, "one or several", may_be_empty=True),
    rf"^((({ANY_STATUS}),)*({ANY_STATUS}))?$",
)
Words = Annotated[str, Field(max_length=LONGEST_WORDS), CLEAN]


class RoadmapSearch(LazyModel, extra="forbid", frozen=True):
    """Filter of roadmaps; omitted fields match all."""

    status: Annotated[str, Field(max_length=100), STATUSES] = Field(
        "",
        description="Only these statuses, separated by commas.",
        examples=["failed,partial"],
    )
    owner: Annotated[str, Field(max_length=254), CLEAN] = Field(
        "", description="E-mail address or ID of the owner."
    )
    text: Words = Field(
        "",
        description="Words in goal or title; in scripts without spaces, a substring.",
    )
    error: Words = Field("", description="Text in the reason of a failure, ignoring case.")
    generator: Annotated[str, Field(max_length=100), CLEAN] = Field(
        "", description="Only roadmaps by this generator.", examples=["model:gpt-5-mini"]
    )
    over_budget: bool = Field(
        False,
        description="Only roadmaps with unwritten parts because a budget was spent.",
    )
    since: Moment | None = Field(None, description="Created then or later.")
    until: Moment | None = Field(None, description="Created before.")

    @property
    def statuses(self) -> tuple[RoadmapStatus, ...]:
        return tuple(RoadmapStatus(each) for each in self.status.split(",") if each)


LEVELS = Rule(
    _list_of(LogLevel, "one or more", may_be_empty=False),
    r"^(debug|info|warning|error)(,(debug|info|warning|error))*$",
)


class LogFilter(LazyModel, extra="forbid", frozen=True):
    """Filter of log records; omitted fields match all."""

    level: Annotated[str, LEVELS] | None = Field(
        None, description="Only these levels, separated by commas.", examples=["warning,error"]
    )
    category: Annotated[str, Field(min_length=1, max_length=200), CLEAN] | None = Field(
        None,
        description="Only these categories, separated by commas.",
        examples=["planning,building"],
    )
    step: Annotated[str, Field(min_length=1, max_length=80), CLEAN] | None = Field(
        None, description="Only this step.", examples=["outline"]
    )
    roadmap_id: UUID | None = Field(None, description="Only records of this roadmap.")
    concept_id: UUID | None = Field(None, description="Only records of this concept.")
    trace_id: UUID | None = Field(None, description="Only records of this trace, in all processes.")
    since: Moment | None = Field(None, description="Only from this time on.")
    until: Moment | None = Field(None, description="Only before this time.")
    text: Annotated[str, Field(max_length=LONGEST_TEXT), CLEAN] = Field(
        "",
        description=('Words in message or step: all words, "a phrase", -excluded, one or another.'),
        examples=['"rate limit" -retry'],
    )

    @property
    def levels(self) -> list[str]:
        return self.level.split(",") if self.level else []

    @property
    def categories(self) -> list[str]:
        return [each.strip() for each in (self.category or "").split(",") if each.strip()]
