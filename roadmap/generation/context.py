"""Generators: their protocol, input, meter and errors."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol, Self

from core.sanitize import strip_nul
from roadmap.plan.match import GoalMatch
from roadmap.plan.outline import Analysis, Capstone, ContentKind, Contents, Mark, Outline, Quiz
from roadmap.plan.schemas import RoadmapRequest


class MeteredCall:
    """Metered call. Without `used` or `unbilled` at its end, it counts with its maximum."""

    def used(
        self,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        cached_tokens: int | None = None,
    ) -> None:
        """Count the tokens of an answer, useful or not. None: not given by the provider.

        `cached_tokens` are those of the prompt that the provider had in its cache.
        """

    def unbilled(self) -> None:
        """Count nothing: the answer was an HTTP error, or there was no connection."""

    def on_stop(self, callback: Callable[[], object]) -> None:
        """Register what ends the call, from any thread; it is called now if it was stopped."""

    def received(self, text: str) -> None:
        """Take the text of the answer as far as it has come, once a second at most."""


class UsageMeter:
    """Meter that opens a call, or raises when its maximum cost is not allowed."""

    def call(
        self,
        step: str,
        model: str,
        prompt_version: str,
        most_prompt_tokens: int,
        most_completion_tokens: int,
    ) -> AbstractContextManager[MeteredCall]:
        return nullcontext(MeteredCall())


FREE = UsageMeter()  # for tests and tools


# To the questions of an analysis, which are in each; None: it may ask
Answers = Sequence[dict[str, str]] | None
BUILT_IN = "catalogue"  # name of the generator that needs no key
QUIZ_CHECK = "quiz_check"  # step of the calls that check a quiz
JUDGE_PROJECT = "judge_project"  # step of the calls that judge what a learner made


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
    `tutorial` is the subject of a quiz, if it is written; `version` is the number of the newest
    version, 0 before the first. For a model: `analysis` and `outline` of
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
    version: int = 0
    analysis: Analysis | None = None
    outline: Outline | None = None
    terms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


UPGRADE_PAUSE = 30.0  # seconds, for a worker of a newer version


class Cause(StrEnum):
    """Cause of a retry."""

    fault = "fault"
    rate_limit = "rate_limit"  # of the provider
    slots = "slots"  # all slots are taken
    budget = "budget"  # the rest of it is reserved for running calls
    version = "version"  # a worker of a newer version is needed


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


class UnknownHere(RetryLater):
    """The API has accepted what this process does not know: it may be of a newer version."""

    cause = Cause.version

    def __init__(self, reason: str) -> None:
        super().__init__(reason, retry_after=UPGRADE_PAUSE)
        self.lasting = True


class InvalidOutline(GeneratorFault):
    """The answer is no valid outline; it has the draft and its problems, for a repair."""

    def __init__(self, draft: dict[str, Any], problems: Sequence[str]) -> None:
        super().__init__(f"The outline does not hold together: {' '.join(problems[:3])}")
        self.draft = draft
        self.problems = list(problems)


class Generator(Protocol):
    """Designs roadmaps and writes contents; by default it takes any goal, and checks nothing."""

    name: str  # tells the catalogue from a model
    is_model: bool  # and can repair an outline; tracks stay as people have written them

    def name_of(self, step: str) -> str:
        """Return the name that is stored with the results of a step."""
        return self.name

    def prompt_version(self, step: str) -> str:
        """Return the version of the prompt of a step; empty without a model."""
        return ""

    def fit(self, request: RoadmapRequest) -> RoadmapRequest:
        """Return the request as it is served: one without a language may get another one.

        Raise Invalid when it can never be served. Fast, since it runs within the HTTP request.
        """
        return request

    def match(self, request: RoadmapRequest) -> GoalMatch | None:
        """Return how the goal and the catalogue fit; None: any goal fits. Raise GeneratorFault."""
        return None

    def slot(self, *, first: bool = False) -> AbstractContextManager[None]:
        """Hold a slot for one piece of work; `first` takes precedence.

        Raise ProviderRateLimited, with the seconds to wait, when no slot is free.
        """
        return nullcontext()

    def metered(self, meter: UsageMeter) -> Self:
        """Return the same generator with this meter for its calls."""
        return self

    def analyse(self, request: RoadmapRequest, answers: Answers = None) -> Analysis:
        """Return the analysis of a request, with questions if it may ask and there are no answers.

        Raise GeneratorFault.
        """

    def outline(self, design: DesignBrief) -> Outline:
        """Return a new or a changed outline. Raise InvalidOutline, GeneratorFault."""

    def fill(self, design: DesignBrief, outline: Outline) -> Outline:
        """Return the outline with contents in its first empty stage. Raise GeneratorFault."""

    def repair(
        self, design: DesignBrief, draft: dict[str, Any], problems: Sequence[str]
    ) -> Outline:
        """Return the draft with fewer problems. Raise InvalidOutline, GeneratorFault."""

    def writer(self, brief: ConceptBrief) -> "Generator":
        """Return the generator of the contents of a concept: itself, or the catalogue."""
        return self

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        """Return a content of a concept. Raise GeneratorFault."""

    def check_quiz(self, quiz: Quiz, brief: ConceptBrief) -> tuple[Quiz, list[str]]:
        """Return the quiz without questions whose key is in doubt, and what was found.

        Raise GeneratorFault.
        """
        return quiz, []

    def judge_project(self, capstone: Capstone, work: str, language: str) -> list[tuple[Mark, str]]:
        """Return a mark and a comment in this language for each criterion. Raise GeneratorFault."""
        raise GeneratorFault("Only a model judges projects: set OPENAI_API_KEY.", lasting=True)
