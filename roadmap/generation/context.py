"""What a generator is given, and how it says that it cannot."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from core.sanitize import strip_nul
from roadmap.plan.outline import Analysis, Contents, Outline
from roadmap.plan.schemas import RoadmapRequest

BUILT_IN = "catalogue"  # name of the generator that needs no key


@dataclass(frozen=True, slots=True)
class DesignBrief:
    """All that an outline is designed from; with `current` and `feedback`, what it is changed from and how."""

    request: RoadmapRequest
    analysis: Analysis
    current: Outline | None = None
    feedback: str = ""

    @property
    def step(self) -> str:
        return "outline" if self.current is None else "revise"


@dataclass(frozen=True, slots=True)
class ConceptBrief:
    """All that a content is written from; with `instruction`, how it should differ from `previous`. `dead` are addresses that
    must not be named any more; `tutorial` is what a quiz asks about, if it is written already.
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
    tutorial: str = ""


class Cause(StrEnum):
    """Why something has to be tried again, or cannot be tried now."""

    fault = "fault"
    rate_limit = "rate_limit"  # the provider wants fewer calls
    slots = "slots"  # as many calls run as may run
    budget = "budget"  # what is left of it is reserved for calls that run


class GeneratorFault(Exception):
    """A generator could not deliver; `str()` is a reason that a person can act on."""

    cause: ClassVar[Cause] = Cause.fault

    def __init__(
        self, reason: str, *, lasting: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(strip_nul(reason))  # it may quote what a provider said
        self.lasting = lasting  # another try would fail the same way
        self.retry_after = retry_after  # seconds, when the provider says so


class RetryLater(GeneratorFault):
    """It has not been tried: there is no room or no money just now. Come back in `retry_after` seconds."""

    cause = Cause.rate_limit

    def __init__(self, reason: str, retry_after: float) -> None:
        super().__init__(reason, retry_after=retry_after)
        self.wait = retry_after


class InvalidOutline(GeneratorFault):
    """There is an answer, but it is no outline: the draft as it came, and what is wrong with it, for a round of repair."""

    def __init__(self, draft: dict[str, Any], problems: Sequence[str]) -> None:
        super().__init__(f"The outline does not hold together: {' '.join(problems[:3])}")
        self.draft = draft
        self.problems = list(problems)
