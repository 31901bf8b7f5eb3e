"""What the picture says of a concept: one mark for how far it is written, or how far it is learned."""

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
    done = "done"
    skipped = "skipped"


WORDS = {
    ConceptMark.queued: gettext_noop("waiting to be written"),
    ConceptMark.building: gettext_noop("being written"),
    ConceptMark.failed: gettext_noop("could not be written"),
    ConceptMark.cancelled: gettext_noop("cancelled"),
    ConceptMark.ready: gettext_noop("ready to learn"),
    ConceptMark.learning: gettext_noop("learning"),
    ConceptMark.done: gettext_noop("done"),
    ConceptMark.skipped: gettext_noop("skipped"),
}
BEHIND = (ConceptMark.done, ConceptMark.skipped)


def mark_of(concept: ConceptNode) -> ConceptMark:
    """What the learner has finished with stands first, then what went wrong, then what goes on."""
    if concept.progress in (ConceptProgress.done, ConceptProgress.skipped):
        return ConceptMark(concept.progress.value)
    written = written_of(concept)
    if concept.progress == ConceptProgress.learning and written != ConceptMark.failed:
        return ConceptMark.learning
    return written


def written_of(concept: ConceptNode) -> ConceptMark:
    """How far the writer is with all parts of it."""
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
    """Where one goes on: what is being learned, else the first with something to read whose prerequisites are behind."""
    behind = {concept.id for concept in concepts if mark_of(concept) in BEHIND}
    open_ = [concept for concept in concepts if concept.id not in behind and _can_be_read(concept)]
    learning = [concept for concept in open_ if concept.progress == ConceptProgress.learning]
    known = {concept.id for concept in concepts}
    free = [concept for concept in open_ if known & set(concept.prerequisites) <= behind]
    return next((concept.id for concept in (*learning, *free, *open_)), None)


def _can_be_read(concept: ConceptNode) -> bool:
    return any(state.version > 0 for state in concept.contents.values())
