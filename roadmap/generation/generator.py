"""What designs roadmaps and writes their contents: one protocol, two generators."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from functools import cache
from typing import Any, Protocol, Self

from core.db import settings
from core.errors import Invalid
from core.settings import Settings
from roadmap.generation.context import ConceptBrief, DesignBrief
from roadmap.generation.usage import UsageMeter
from roadmap.plan.outline import Analysis, ContentKind, Contents, Outline
from roadmap.plan.schemas import RoadmapRequest


class Generator(Protocol):
    @property
    def name(self) -> str:
        """Stands on every roadmap and content."""

    @property
    def repairs(self) -> bool:
        """Whether it can mend what it has designed."""

    def prompt_version(self, step: str) -> str:
        """Which words a model is asked with at this step; empty when no model is asked."""

    def fit(self, request: RoadmapRequest) -> RoadmapRequest:
        """As it is served: one that names no language may be in another. Raise Invalid when it can never be. Quick: runs before
        the answer.
        """

    def check_feedback(self, pointer: str) -> None:
        """Raise Invalid, for the field at `pointer`, when it cannot make something else than it has made. Quick."""

    def slot(self, *, first: bool = False) -> AbstractContextManager[None]:
        """For a `with` around one piece of work. Raise Busy, which says for how long, when there is no room for another;
        what comes `first` is let in before the rest.
        """

    def metered(self, meter: UsageMeter) -> Self:
        """The same generator, whose calls are paid from this purse."""

    def analyse(self, request: RoadmapRequest) -> Analysis:
        """Raise GeneratorFault when there is none."""

    def outline(self, design: DesignBrief) -> Outline:
        """A new one, or the current one changed as the feedback says. Raise Unsound, GeneratorFault."""

    def repair(
        self, design: DesignBrief, draft: dict[str, Any], problems: Sequence[str]
    ) -> Outline:
        """The draft without its problems, as far as possible. Raise Unsound, GeneratorFault."""

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        """Raise GeneratorFault when there is none."""


def choose_generator(settings: Settings) -> Generator:
    """The model when there is a key for one, else the built-in catalogue. Only what is chosen is loaded."""
    if settings.openai_api_key is not None:
        from roadmap.generation.llm.generator import ModelGenerator

        return ModelGenerator(
            key=settings.openai_api_key.get_secret_value(),
            base_url=settings.openai_base_url,
            model=settings.openai_model,
            timeout=settings.model_timeout_seconds,
            max_tokens=settings.model_max_tokens,
            concurrency=settings.model_concurrency,
            must_limit=settings.has_budget,
        )
    from roadmap.generation.catalogue.generator import CatalogueGenerator

    return CatalogueGenerator()


_choosing = threading.Lock()


def current_generator() -> Generator:
    """One for the process, whoever of its threads asks first: it holds the model's connections."""
    with _choosing:
        return _chosen()


def check_feedback(pointer: str) -> None:
    """Raise Invalid, about this field, unless the generator follows words."""
    current_generator().check_feedback(pointer)


def has_model() -> bool:
    """Whether the generator is a model, which understands what should be different."""
    with suppress(Invalid):
        check_feedback("/instructions")
        return True
    return False


@cache
def _chosen() -> Generator:
    return choose_generator(settings)
