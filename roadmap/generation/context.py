"""Input of generators, and their errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from core.sanitize import strip_nul
from roadmap.plan.outline import Analysis, Contents, Outline
from roadmap.plan.schemas import RoadmapRequest

# To the questions of an analysis, which are in each; None: it may ask
Answers = Sequence[dict[str, str]] | None
BUILT_IN = "catalogue"  # name of the generator that needs no key
QUIZ_CHECK = "quiz_check"  # step of the calls that check a quiz


@dataclass(frozen=True, slots=True)
class DesignBrief:
    """Input of an outline; `current` is the outline to change according to `feedback`."""

    request: RoadmapRequest
    analysis: Analysis
    current: Outline | None = None
    feedback: str = ""

    @property
    def step(self) -> str:
        return "outline" if self.current is None else "revise"


@dataclass(frozen=True, slots=True)
class ConceptBrief:
    """Input of a content, which should differ from `previous` according to `instruction`.

    `dead` are URLs that must not be named; `candidates` are pages that a search has found;
    `tutorial` is the subject of a quiz, if it is written. For a model: `analysis` and `outline` of
    the course, and `terms` that earlier tutorials teach, by the key of their concept.
    """

    request: RoadmapRequest
    roadmap_title: str
    stage_title: str
    module_title: str
    key: str
    title: str
    description: str
    outcomes: tuple[str, ...]
    instruction: str = ""
    previous: Contents | None = None
    dead: tuple[str, ...] = ()
    candidates: tuple[dict[str, str], ...] = ()
    tutorial: str = ""
    analysis: Analysis | None = None
    outline: Outline | None = None
    terms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Cause(StrEnum):
    """Cause of a retry."""

    fault = "fault"
    rate_limit = "rate_limit"  # of the provider
    slots = "slots"  # all slots are taken
    budget = "budget"  # the rest of it is reserved for running calls


class GeneratorFault(Exception):
    """The generator failed; `str()` is a reason that a person can act on."""

    cause: ClassVar[Cause] = Cause.fault

    def __init__(
        self, reason: str, *, lasting: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(strip_nul(reason))  # it may quote a provider
        self.lasting = lasting  # another try would fail the same way
        self.retry_after = retry_after  # seconds, if the provider names them


class RetryLater(GeneratorFault):
    """Not tried, for lack of slots or budget. Retry in `retry_after` seconds."""

    cause = Cause.rate_limit

    def __init__(self, reason: str, retry_after: float) -> None:
        super().__init__(reason, retry_after=retry_after)
        self.wait = retry_after


class NotLearning(GeneratorFault):
    """There is nothing to learn for the goal."""

    def __init__(self, remark: str) -> None:
        super().__init__(f"This goal is not about learning: {remark or '-'}", lasting=True)


class InvalidOutline(GeneratorFault):
    """The answer is no valid outline; it has the draft and its problems, for a repair."""

    def __init__(self, draft: dict[str, Any], problems: Sequence[str]) -> None:
        super().__init__(f"The outline does not hold together: {' '.join(problems[:3])}")
        self.draft = draft
        self.problems = list(problems)
