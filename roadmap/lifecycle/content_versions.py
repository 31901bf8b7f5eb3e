"""Versions of contents: the current one and earlier ones, which stay readable."""

from datetime import datetime
from typing import Union
from uuid import UUID

from pydantic import Field

from core.db import session
from core.errors import required
from core.json_types import LazyModel, from_row
from models.roadmaps import Concept, Content, ContentVersion
from roadmap.accounts.access import get_owned
from roadmap.lifecycle.plan_rows import MOST_VERSIONS
from roadmap.plan.outline import CONTENT_KINDS, ContentKind, Contents, Quiz
from roadmap.plan.views import SHOWN, without_answers
from roadmap.plan.word_diff import Line, lines


class VersionSummary(LazyModel):
    """A version with its model, prompt and instructions."""

    version: int = Field(description="Number, from 1.")
    generator: str = Field(description="Generator: the catalogue or a model.")
    prompt_version: str = Field(description="Version of the prompt.")
    instruction: str = Field(description="The instructions.")
    created_at: datetime
    current: bool = Field(description="Whether it is the current version.")


class VersionDetail(VersionSummary):
    """A version with its content. A quiz has no answers."""

    content: Union[tuple(SHOWN.values())]  # type: ignore[valid-type] # noqa: UP007


class Versions(LazyModel):
    items: list[VersionSummary]


class VersionDiff(LazyModel):
    """Differences between two versions, by lines of text."""

    before: int = Field(description="Earlier version; 0: none, everything is added.")
    after: int = Field(description="Later version.")
    lines: list[Line] = Field(description="Lines of both versions, in order.")


def read_content(content: Content) -> Contents | None:
    """Return the current version. Needs a session."""
    version = ContentVersion.get_or_none(
        (ContentVersion.content == content.id) & (ContentVersion.version == content.version)
    )
    return version and CONTENT_KINDS[ContentKind(content.kind)].body.model_validate(version.body)


@session()
def list_versions(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, kind: ContentKind
) -> Versions:
    """Newest first. Raises NotFound."""
    content = find_content(owner_id, roadmap_id, concept_id, kind)
    rows = list(
        ContentVersion.select(
            *[field for name, field in ContentVersion._meta.fields.items() if name != "body"]
        )
        .where(ContentVersion.content == content.id)
        .order_by(ContentVersion.version.desc())
        .limit(MOST_VERSIONS)
    )
    return Versions(
        items=[
            from_row(VersionSummary, row, current=row.version == content.version) for row in rows
        ]
    )


def read_version(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, kind: ContentKind, number: int
) -> VersionDetail:
    """Raises NotFound."""
    with session():
        content = find_content(owner_id, roadmap_id, concept_id, kind)
        row = required(
            ContentVersion.get_or_none(
                (ContentVersion.content == content.id) & (ContentVersion.version == number)
            ),
            f"Version {number} of this {kind} does not exist.",
        )
    written = CONTENT_KINDS[kind].body.model_validate(row.body)
    shown = without_answers(written, number) if isinstance(written, Quiz) else written
    return from_row(VersionDetail, row, current=number == content.version, content=shown)


def compare_versions(
    owner_id: UUID,
    roadmap_id: UUID,
    concept_id: UUID,
    kind: ContentKind,
    after: int,
    *,
    before: int | None,
) -> VersionDiff:
    """Return the lines of two versions; `before` is by default the one before `after`.

    Relative to version 0 everything is added. Raises NotFound.
    """
    later = read_version(owner_id, roadmap_id, concept_id, kind, after)
    number = after - 1 if before is None else before
    earlier = number and read_version(owner_id, roadmap_id, concept_id, kind, number)
    return VersionDiff(
        before=number,
        after=after,
        lines=lines(earlier.content.compared() if earlier else "", later.content.compared()),
    )


def find_content(owner_id: UUID, roadmap_id: UUID, concept_id: UUID, kind: ContentKind) -> Content:
    """Return a part of a concept in the plan. Needs a session. Raises NotFound."""
    get_owned(owner_id, roadmap_id)
    mine = (
        (Content.roadmap == roadmap_id) & (Content.concept == concept_id) & (Content.kind == kind)
    )
    content: Content = required(
        Content.select().join(Concept).where(mine, ~Concept.removed).first(),
        f"This concept does not exist in this roadmap, or it has no {kind}.",
    )
    return content
