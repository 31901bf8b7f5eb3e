"""What designs roadmaps and writes their contents: one protocol, two generators."""

from typing import Protocol

from core.settings import Settings
from roadmap.briefs import ConceptBrief
from roadmap.catalogue import Catalogue
from roadmap.llm import ModelGenerator
from roadmap.outline import ContentKind, Contents, Outline
from roadmap.requests import RoadmapRequest


class Generator(Protocol):
    @property
    def name(self) -> str:
        """Stands on every roadmap and content."""

    @property
    def prompt_version(self) -> str:
        """Which words a model was asked with; empty when no model is asked."""

    def check(self, request: RoadmapRequest) -> None:
        """Raise Invalid when this request can never be served. Quick: runs before the answer."""

    def outline(self, request: RoadmapRequest) -> Outline:
        """Raise GeneratorFault when there is none."""

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        """Raise GeneratorFault when there is none."""


def choose_generator(settings: Settings) -> Generator:
    """The model when there is a key for one, else the built-in catalogue."""
    if settings.openai_api_key is not None:
        return ModelGenerator(
            key=settings.openai_api_key.get_secret_value(),
            base_url=settings.openai_base_url,
            model=settings.openai_model,
            timeout=settings.model_timeout_seconds,
        )
    return Catalogue()
