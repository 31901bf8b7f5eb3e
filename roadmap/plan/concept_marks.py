"""Mark of a concept in the map: the state of its contents, or of the learner's progress."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from core.i18n import gettext_noop
from roadmap.plan.statuses import ConceptProgress, ContentStatus
from roadmap.plan.views import ConceptNode


class ConceptMark(StrEnum):
    queued = "queued"
    building = "building"
    failed = "failed"
    cancelled = "cancelled"
    ready = "ready"
    learning = "learning"
    learned = "learned"
    done = "done"
    skipped = "skipped"


WORDS = {
    ConceptMark.queued: gettext_noop("waiting to be written"),
    ConceptMark.building: gettext_noop("being written"),
    ConceptMark.failed: gettext_noop("failed"),
    ConceptMark.cancelled: gettext_noop("cancelled"),
    ConceptMark.ready: gettext_noop("ready to learn"),
    ConceptMark.learning: gettext_noop("learning"),
    ConceptMark.learned: gettext_noop("learned"),
    ConceptMark.done: gettext_noop("done"),
    ConceptMark.skipped: gettext_noop("skipped"),
}
BEHIND = (ConceptMark.learned, ConceptMark.done, ConceptMark.skipped)


def mark_of(concept: ConceptNode) -> ConceptMark:
    """Return the mark: finished by the learner first, then failed, then in progress."""
    if concept.is_learned:
        return ConceptMark.learned
    if concept.progress in (ConceptProgress.done, ConceptProgress.skipped):
        return ConceptMark(concept.progress.value)
    written = written_of(concept)
    if concept.progress == ConceptProgress.learning and written != ConceptMark.failed:
        return ConceptMark.learning
    return written


def written_of(concept: ConceptNode) -> ConceptMark:
    """Return the mark of the contents, all parts taken together."""
    statuses = {state.status for state in concept.contents.values()}
    if ContentStatus.failed in statuses:
        return ConceptMark.failed
    if (
        ContentStatus.building in statuses
        or {ContentStatus.pending, ContentStatus.ready} <= statuses
    ):
        return ConceptMark.building
    if ContentStatus.pending in statuses or not statuses:
        return ConceptMark.queued
    return ConceptMark.cancelled if ContentStatus.cancelled in statuses else ConceptMark.ready


def next_of(concepts: Sequence[ConceptNode]) -> UUID | None:
    """Return the concept to continue with, or None.

    It is one that is being learned, else the first one with contents and all prerequisites
    finished, else the first one with contents.
    """
    behind = {concept.id for concept in concepts if mark_of(concept) in BEHIND}
    open_ = [
        concept
        for concept in concepts
        if concept.id not in behind and any(state.version for state in concept.contents.values())
    ]
    learning = [concept for concept in open_ if concept.progress == ConceptProgress.learning]
    known = {concept.id for concept in concepts}
    free = [concept for concept in open_ if known & set(concept.prerequisites) <= behind]
    return next((concept.id for concept in (*learning, *free, *open_)), None)
