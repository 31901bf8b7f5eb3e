"""Protocol of generators, which design roadmaps and write contents, and its two choices."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from functools import cache
from typing import Any, Protocol, Self

from core.db import settings
from core.errors import Invalid
from core.settings import Settings
from roadmap.generation.context import Answers, ConceptBrief, DesignBrief
from roadmap.generation.usage import UsageMeter
from roadmap.plan.outline import Analysis, ContentKind, Contents, Outline, Quiz
from roadmap.plan.schemas import RoadmapRequest


class Generator(Protocol):
    @property
    def name(self) -> str:
        """Return the name, which tells the catalogue from a model."""

    def name_of(self, step: str) -> str:
        """Return the name that is stored with the results of a step."""

    @property
    def repairs(self) -> bool:
        """Whether it can repair an outline."""

    def prompt_version(self, step: str) -> str:
        """Return the version of the prompt of a step; empty without a model."""

    def fit(self, request: RoadmapRequest) -> RoadmapRequest:
        """Return the request as it is served: one without a language may get another one.

        Raise Invalid when it can never be served. Fast, since it runs within the HTTP request.
        """

    def check_feedback(self, pointer: str) -> None:
        """Raise Invalid for the field at `pointer` if it cannot follow feedback. Fast."""

    def slot(self, *, first: bool = False) -> AbstractContextManager[None]:
        """Hold a slot for one piece of work; `first` takes precedence.

        Raise ProviderRateLimited, with the seconds to wait, when no slot is free.
        """

    def metered(self, meter: UsageMeter) -> Self:
        """Return the same generator with this meter for its calls."""

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

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        """Return a content of a concept. Raise GeneratorFault."""

    def check_quiz(self, quiz: Quiz, brief: ConceptBrief) -> tuple[Quiz, list[str]]:
        """Return the quiz without questions whose key is in doubt, and what was found.

        Raise GeneratorFault.
        """


def choose_generator(settings: Settings) -> Generator:
    """Return the model's generator if there is a key, else the catalogue; load only this."""
    if settings.openai_api_key is not None:
        from roadmap.generation.llm.generator import ModelGenerator

        return ModelGenerator(
            key=settings.openai_api_key.get_secret_value(),
            base_url=settings.openai_base_url,
            model=settings.openai_model,
            models=settings.step_models,
            effort=settings.openai_reasoning_effort,
            timeout=settings.model_timeout_seconds,
            idle=settings.model_idle_seconds,
            max_tokens=settings.model_max_tokens,
            concurrency=settings.model_concurrency,
            must_limit=settings.has_budget,
            profile=settings.model_profile,
            may_restrict="model_concurrency" not in settings.model_fields_set,
        )
    from roadmap.generation.catalogue.generator import CatalogueGenerator

    return CatalogueGenerator()


_choosing = threading.Lock()


@cache
def current_generator() -> Generator:
    """Return the generator of the process, which holds the model's connections."""
    with _choosing:  # threads that ask for it first at the same time get the same one
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
