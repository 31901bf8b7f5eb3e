"""Match of a goal and the built-in catalogue, with the courses to choose from. No database."""

from enum import StrEnum
from functools import cached_property

from pydantic import Field

from core.json_types import LazyModel


class CourseScope(StrEnum):
    """Course to make of a goal: `ask` waits for a choice if the goal is not covered."""

    ask = "ask"
    fitting = "fitting"
    track = "track"


class Choice(LazyModel):
    """A course that can be made of the catalogue."""

    scope: CourseScope = Field(
        description="`fitting`: only what fits the goal; `track`: all of it."
    )
    title: str = Field(description="Title of the course.")
    concepts: list[str] = Field(description="Titles of its concepts, in order.")
    hours: int = Field(description="Hours of its concepts.")


class GoalMatch(LazyModel):
    """Match of a goal and the built-in catalogue. Words are those of the goal."""

    covered: list[str] = Field(description="Words of the goal that the catalogue teaches.")
    partly: list[str] = Field(description="Words of which it teaches only what surrounds them.")
    missing: list[str] = Field(description="Words on which it has nothing.")
    hours_available: int | None = Field(
        description="Hours until the deadline, or of a time in the goal; null: no limit."
    )
    fits_in_time: bool = Field(description="Whether the course fits into these hours.")
    asks: bool = Field(
        description="Whether the roadmap waits for a choice, unless its request has a `scope`."
    )
    summary: str = Field(
        description="The same in a sentence, in the language of the roadmap; empty: all fits."
    )
    choices: list[Choice] = Field(
        description="The first is made by default; empty: only one course is."
    )

    @cached_property
    def as_json(self) -> str:
        return self.model_dump_json()
