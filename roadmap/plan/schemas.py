"""Requests of clients, and their rules."""

import hashlib
import re
from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from core import clock
from core.errors import FieldError, Invalid
from core.json_types import LANGUAGE_TAG, WHOLE, LazyModel
from core.sanitize import Rule
from roadmap.plan.language_detection import chinese_of
from roadmap.plan.match import CourseScope
from roadmap.plan.outline import MOST_CLARIFYING_QUESTIONS, MOST_SUGGESTIONS, Level
from roadmap.plan.statuses import ConceptProgress

SHORTEST_GOAL = 2  # characters
MOST_HOURS_PER_WEEK = 80  # for learning: more is no advice
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
        raise ValueError("must name what to learn, in words")
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
HoursPerWeek = Annotated[int, Field(ge=1, le=MOST_HOURS_PER_WEEK), WHOLE]
Text = Annotated[str, Field(max_length=2000), PRINTABLE]
DEFAULT_LANGUAGE = "en"
LanguageTag = Annotated[str, Field(pattern=LANGUAGE_TAG, max_length=35)]


def hide_default(schema: dict[str, Any]) -> None:
    """Remove from the API's schema a default that depends on more than it can express."""
    del schema["default"]


class RoadmapRequest(LazyModel, frozen=True, extra="forbid", str_strip_whitespace=True):
    """A goal with preferences. Only the goal is required."""

    goal: Annotated[
        str, Field(min_length=SHORTEST_GOAL, max_length=1000), PRINTABLE, AfterValidator(worded)
    ] = Field(
        description="What the learner wants to be able to do.",
        examples=["Become a backend engineer in Python"],
    )
    level: Level = Field(Level.beginner, description="Prior knowledge.")
    hours_per_week: HoursPerWeek = Field(8, description="Hours for learning per week.")
    deadline: Annotated[date, AfterValidator(ahead)] | None = Field(
        None, description="Target date."
    )
    background: Text = Field("", description="Prior experience.")
    motivation: Text = Field("", description="Reason for learning.")
    preferences: Text = Field("", description="Learning preferences.")
    language: LanguageTag = Field(
        DEFAULT_LANGUAGE,
        json_schema_extra=hide_default,
        description="Language of the roadmap, as a BCP 47 tag. Default: Chinese for a goal "
        "in Chinese if available, else `en`.",
    )
    resource_language: LanguageTag | None = Field(
        None, description="A second language for resources, as a BCP 47 tag."
    )
    review: bool = Field(
        False, description="Wait for approval of the plan before building its contents."
    )
    clarify: bool = Field(
        False,
        description="Ask up to three questions before the plan if the goal leaves them open. "
        "Without a model there are none.",
    )

    scope: CourseScope = Field(
        CourseScope.ask,
        description="Without a model: the course to make of a goal that the catalogue does not "
        "cover. `ask` waits for a choice, see `match`; what fits starts at once.",
    )

    @property
    def names_language(self) -> bool:
        return "language" in self.model_fields_set

    def in_language_of_goal(self, otherwise: str = DEFAULT_LANGUAGE) -> "RoadmapRequest":
        """Return it in its own language, or in Chinese as its goal, or in another language."""
        if self.names_language:
            return self
        chinese = None if self.goal.isascii() else chinese_of(self.goal)
        language = chinese or otherwise
        return self if language == self.language else self.in_language(language)

    def in_language(self, language: str) -> "RoadmapRequest":
        """Return it in this language, which stays a default."""
        return self.model_construct(
            _fields_set=self.model_fields_set, **{**self.__dict__, "language": language}
        )


class ChosenAnswer(LazyModel, frozen=True, extra="forbid", str_strip_whitespace=True):
    """An answer: a suggestion or own words, which come first; without both there is none."""

    choice: Annotated[int, Field(ge=0, lt=MOST_SUGGESTIONS), WHOLE] | None = Field(
        None, description="Index of a suggestion, from 0."
    )
    text: Annotated[str, Field(max_length=500), PRINTABLE] = Field(
        "", description="An answer in own words."
    )


class AnswersRequest(
    LazyModel,
    frozen=True,
    extra="forbid",
    str_strip_whitespace=True,
    json_schema_extra={"minProperties": 1, "maxProperties": 1},
):
    """Answers to the questions of a roadmap, or `skip`, or the `scope` of a choice in `match`."""

    answers: Annotated[
        list[ChosenAnswer], Field(min_length=1, max_length=MOST_CLARIFYING_QUESTIONS)
    ] = Field(default_factory=list, description="One for each question, in order.")
    skip: Literal[True] = Field(  # absent otherwise
        default_factory=bool,  # type: ignore[arg-type]
        description="Plan without answers, with the assumptions of the analysis, or make the "
        "first choice.",
    )
    scope: Literal[CourseScope.fitting, CourseScope.track] = Field(  # absent otherwise
        default_factory=lambda: None,  # type: ignore[arg-type]
        description="Make this choice of `match`.",
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if bool(self.skip) + bool(self.answers) + bool(self.scope) != 1:
            rule = "send either answers, or skip as true, or a scope"
            raise Invalid("Some fields are not valid.", fields=(FieldError("/answers", rule),))
        return self


class ApproveRequest(LazyModel, frozen=True, extra="forbid"):
    """The revision to approve; another current one is refused."""

    revision: Number | None = Field(
        None,
        description="Number of the revision that you read; null: the current one.",
    )


class ReviseRequest(LazyModel, frozen=True, extra="forbid", str_strip_whitespace=True):
    """The wanted change, in plain words."""

    feedback: Annotated[
        str, Field(min_length=2, max_length=4000), PRINTABLE, AfterValidator(worded)
    ] = Field(description="The wanted change, in plain words.")


class RegenerateRequest(LazyModel, frozen=True, extra="forbid", str_strip_whitespace=True):
    """Wishes for the next version; empty: write it again as before."""

    instructions: Text = Field("", description="Instructions for the new version, in plain words.")


def accepted_request(row: Any) -> RoadmapRequest:
    """Return the request of a row, not validated again: its deadline may have passed.

    A level of a newer version stays text.
    """
    values = {name: getattr(row, name) for name in RoadmapRequest.model_fields}
    level = Level(row.level) if row.level in {*Level} else row.level
    scope = CourseScope(row.scope) if row.scope in {*CourseScope} else CourseScope.ask
    return RoadmapRequest.model_construct(**{**values, "level": level, "scope": scope})


LONGEST_NOTES = 20_000  # characters
MOST_EXERCISES = 4  # of a concept
MOST_ATTEMPTS = 200  # of a quiz; the oldest go
MOST_QUESTIONS = 200


class ProgressRequest(
    LazyModel, frozen=True, extra="forbid", json_schema_extra={"minProperties": 1}
):
    """Progress of the learner with a concept."""

    progress: ConceptProgress = Field(
        # Not a constant, which would be a default for clients: one of both names is required.
        default_factory=lambda: ConceptProgress.todo,
        description="Progress. Every change is allowed.",
    )
    spent_minutes: Annotated[int, Field(ge=0, le=48_000), WHOLE] | None = Field(
        None,
        description="Minutes spent on the concept in all, also on paper or another device, at most "
        "four times its hours; null: as counted.",
    )
    status: ConceptProgress = Field(
        default_factory=lambda: ConceptProgress.todo,
        deprecated=True,
        description="Former name of `progress`. If both are sent, they must be equal.",
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
                "Some fields are not valid.", fields=(FieldError("/progress", "is required"),)
            )
        if len(set(given.values())) > 1:
            rule = "differs from {}, its {} name: send only progress"
            differing = (
                FieldError("/progress", rule.format("status", "old")),
                FieldError("/status", rule.format("progress", "new")),
            )
            raise Invalid("Some fields are not valid.", fields=differing)
        self.__dict__["progress"] = next(iter(given.values()))
        return self


def notes_tag(notes: str) -> str:
    return hashlib.sha256(notes.encode()).hexdigest()[:16]
