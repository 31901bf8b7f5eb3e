"""Requests of clients, and their rules."""

import re
from datetime import date, timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from core import clock
from core.errors import FieldError, Invalid
from core.json_types import LANGUAGE_TAG, WHOLE
from core.sanitize import Rule
from roadmap.plan.language_detection import chinese_of
from roadmap.plan.outline import Level
from roadmap.plan.statuses import ConceptProgress

SHORTEST_GOAL = 2  # characters
FARTHEST_DEADLINE = timedelta(days=3650)


CONTROL = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"  # without line ends and tabs
_control = re.compile(f"[{CONTROL}]")


def printable(text: str) -> str:
    if _control.search(text):
        raise ValueError("must not contain control characters")
    return text


PRINTABLE = Rule(printable, f"^[^{CONTROL}]*$")


def worded(text: str) -> str:
    if not any(map(str.isalpha, text)):
        raise ValueError("must say in words what is to be learned")
    return text


def fault_of_goal(text: str) -> str:
    """Return the rule that a goal breaks, without surrounding spaces; empty: none."""
    if len(text.strip()) < SHORTEST_GOAL:
        return f"should have at least {SHORTEST_GOAL} characters"
    try:
        worded(text)
    except ValueError as error:
        return str(error)
    return ""


def ahead(day: date) -> date:
    """Return a new deadline. Raises ValueError when it is past or too far away."""
    today = clock.now().date()
    if day <= today:
        raise ValueError("must be in the future")
    if day > today + FARTHEST_DEADLINE:
        raise ValueError("must be within ten years")
    return day


Number = Annotated[int, Field(ge=1, le=1_000_000), WHOLE]
Text = Annotated[str, Field(max_length=2000), PRINTABLE]
DEFAULT_LANGUAGE = "en"
LanguageTag = Annotated[str, Field(pattern=LANGUAGE_TAG, max_length=35)]


class RoadmapRequest(BaseModel, frozen=True, extra="forbid", str_strip_whitespace=True):
    """A goal, and what the plan should respect. Only the goal is required."""

    goal: Annotated[
        str, Field(min_length=SHORTEST_GOAL, max_length=1000), PRINTABLE, AfterValidator(worded)
    ] = Field(
        description="What the person wants to be able to do.",
        examples=["Become a backend engineer in Python"],
    )
    level: Level = Field(Level.beginner, description="What the person knows already.")
    hours_per_week: Annotated[int, Field(ge=1, le=80), WHOLE] = Field(
        8, description="Hours for learning, a week."
    )
    deadline: Annotated[date, AfterValidator(ahead)] | None = Field(
        None, description="Day by which it should be reached."
    )
    background: Text = Field("", description="What the person has done so far.")
    motivation: Text = Field("", description="Why the person wants this.")
    preferences: Text = Field("", description="How the person likes to learn.")
    language: LanguageTag = Field(
        # Not a constant: the default depends on more than OpenAPI can express.
        default_factory=lambda: DEFAULT_LANGUAGE,
        description="Language of the roadmap, as a BCP 47 tag. Absent: that of a goal in Chinese, "
        "where it is there; else `en`.",
    )
    resource_language: LanguageTag | None = Field(
        None, description="A second language in which resources may be, as a BCP 47 tag."
    )
    review: bool = Field(
        False, description="Wait for approval of the outline before its contents are written."
    )

    @property
    def names_language(self) -> bool:
        return "language" in self.model_fields_set

    def in_language_of_goal(self, otherwise: str = DEFAULT_LANGUAGE) -> "RoadmapRequest":
        """Return it in its own language, or in Chinese as its goal, or in another language."""
        if self.names_language:
            return self
        chinese = None if self.goal.isascii() else chinese_of(self.goal)
        return self.in_language(chinese or otherwise)

    def in_language(self, language: str) -> "RoadmapRequest":
        """Return it in this language, which stays a default."""
        if language == self.language:
            return self
        return self.model_construct(
            _fields_set=self.model_fields_set, **{**self.__dict__, "language": language}
        )


class ApproveRequest(BaseModel, frozen=True, extra="forbid"):
    """With a revision, only that one is approved: not one that came meanwhile."""

    revision: Number | None = Field(
        None,
        description="The number of the revision that was looked at; null: whichever is current.",
    )


class ReviseRequest(BaseModel, frozen=True, extra="forbid", str_strip_whitespace=True):
    """The wanted change, in plain words."""

    feedback: Annotated[
        str, Field(min_length=2, max_length=4000), PRINTABLE, AfterValidator(worded)
    ] = Field(description="What should be different, in words.")


class RegenerateRequest(BaseModel, frozen=True, extra="forbid", str_strip_whitespace=True):
    """Wishes for the next version; empty: write it again as before."""

    instructions: Text = Field("", description="What should be different this time, in words.")


def accepted_request(row: Any) -> RoadmapRequest:
    """Return the request of a row, not validated again: its deadline may have passed."""
    values = {name: getattr(row, name) for name in RoadmapRequest.model_fields}
    return RoadmapRequest.model_construct(**{**values, "level": Level(row.level)})


LONGEST_NOTES = 20_000  # characters
MOST_ATTEMPTS = 200  # of a quiz; the oldest go
MOST_QUESTIONS = 200


class ProgressRequest(
    BaseModel, frozen=True, extra="forbid", json_schema_extra={"minProperties": 1}
):
    """Progress of the learner with a concept."""

    progress: ConceptProgress = Field(
        # Not a constant, which would be a default for clients: one of both names is required.
        default_factory=lambda: ConceptProgress.todo,
        description="It can be set to any of these at any time.",
    )
    status: ConceptProgress = Field(
        default_factory=lambda: ConceptProgress.todo,
        deprecated=True,
        description="What `progress` was called before: send that. "
        "Both may be there only if they are the same.",
    )

    @model_validator(mode="after")
    def _under_one_name(self) -> Self:
        given = {
            name: self.__dict__[name]
            for name in ("progress", "status")
            if name in self.model_fields_set
        }
        if not given:
            raise Invalid(
                "Some fields do not fit.", fields=(FieldError("/progress", "is required"),)
            )
        if len(set(given.values())) > 1:
            rule = "differs from {}, its {} name: send progress alone"
            differing = (
                FieldError("/progress", rule.format("status", "old")),
                FieldError("/status", rule.format("progress", "new")),
            )
            raise Invalid("Some fields do not fit.", fields=differing)
        self.__dict__["progress"] = next(iter(given.values()))
        return self
