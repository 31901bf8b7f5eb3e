"""Source of export formats: the parts of a roadmap, each read when a format asks for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from gettext import NullTranslations
from typing import Any
from uuid import UUID

from core import clock
from core.db import snapshot
from core.i18n import DEFAULT, negotiated, texts
from roadmap.exchange.formats.json_ import PortableRoadmap, portable
from roadmap.lifecycle import queries
from roadmap.plan.outline import ContentKind
from roadmap.plan.views import RoadmapTree, concepts_of, without_answers


def today() -> datetime:
    """Return the beginning of the day."""
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass
class Source:
    """A roadmap as formats read it. Formats that need the document read it before the tree."""

    owner_id: UUID
    roadmap_id: UUID
    accept_language: str = ""  # the reader's header
    url: str = ""  # of the service, for links to its pages
    query: Any = None  # what the reader has chosen, by the format's model
    today: datetime = field(default_factory=today)
    with_trash: bool = False

    @cached_property
    def tree(self) -> RoadmapTree:
        """Raises NotFound."""
        return queries.roadmap_tree(self.owner_id, self.roadmap_id, with_trash=self.with_trash)

    @cached_property
    def document(self) -> PortableRoadmap:
        """The whole, with its learner. The tree is of the same moment.

        Raises NotFound, and Conflict while there is no plan.
        """
        with snapshot():
            document = portable(
                self.owner_id, self.roadmap_id, with_learner=True, with_trash=self.with_trash
            )
            assert self.tree
        return document

    @cached_property
    def details(self) -> Mapping[str, Mapping[str, Any]]:
        """The details of concepts that Markdown needs, by their keys.

        A plan that is begun has no weeks: they count from its beginning, and it moves with
        progress.
        """
        document, found = self.document, {}
        for concept in concepts_of(self.tree):
            its = document.concepts[concept.key]
            written = {
                kind: content and content.body.model_dump(mode="json")
                for kind, content in its.contents
            }
            if resources := written[ContentKind.resources]:
                written[ContentKind.resources] = resources["items"]
            if quiz := its.contents.quiz:  # lines to order are in the right one
                written[ContentKind.quiz] = without_answers(quiz.body, 1).model_dump(mode="json")
            found[concept.key] = {
                **concept.model_dump(
                    mode="json", include={"title", "description", "hours", "week", "progress"}
                ),
                **written,
                "notes": its.notes,
                **({"week": None} if self.tree.learned.is_begun else {}),
            }
        return found

    @cached_property
    def reader_language(self) -> str:
        return negotiated(self.accept_language)

    @cached_property
    def texts(self) -> NullTranslations:
        """The texts in the roadmap's language, or else in the reader's."""
        language = negotiated(self.tree.language)
        if language == DEFAULT and not self.tree.language.lower().startswith(DEFAULT):
            language = self.reader_language
        return texts(language)
