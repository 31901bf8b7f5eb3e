"""What a generator is given for one concept, and how it says that it cannot."""

from dataclasses import dataclass

from core.text import storable
from roadmap.requests import RoadmapRequest


@dataclass(frozen=True, slots=True)
class ConceptBrief:
    """All that a content is written from."""

    request: RoadmapRequest
    roadmap_title: str
    stage_title: str
    module_title: str
    key: str
    title: str
    description: str
    outcomes: tuple[str, ...]


class GeneratorFault(Exception):
    """A generator could not deliver; `str()` is a reason that a person can act on."""

    def __init__(self, reason: str, *, lasting: bool = False, retry_after: float | None = None) -> None:
        super().__init__(storable(reason))  # it may quote what a provider said
        self.lasting = lasting  # another try would fail the same way
        self.retry_after = retry_after  # seconds, when the provider says so
