"""What pages say of states, times and events, as whole sentences of one language."""

from collections.abc import Mapping
from dataclasses import dataclass
from gettext import NullTranslations
from typing import Any
from uuid import UUID

from core.texts import mark
from roadmap.activity import Activity
from roadmap.events import Event, EventType
from roadmap.outline import ContentKind, Level
from roadmap.picture.marks import WORDS
from roadmap.statuses import ConceptProgress, ContentStatus, RoadmapStatus

STATUSES = {
    RoadmapStatus.queued: mark("Waiting"),
    RoadmapStatus.planning: mark("Being planned"),
    RoadmapStatus.awaiting_review: mark("Waits for your approval"),
    RoadmapStatus.building: mark("Being written"),
    RoadmapStatus.ready: mark("Ready"),
    RoadmapStatus.partial: mark("Ready in part"),
    RoadmapStatus.failed: mark("Failed"),
    RoadmapStatus.cancelled: mark("Cancelled"),
}
LEVELS = {
    Level.beginner: mark("Beginner"),
    Level.intermediate: mark("Intermediate"),
    Level.advanced: mark("Advanced"),
}
PROGRESS = {
    ConceptProgress.todo: mark("Not begun"),
    ConceptProgress.learning: mark("Learning"),
    ConceptProgress.done: mark("Done"),
    ConceptProgress.skipped: mark("Skipped"),
}
KINDS = {
    ContentKind.tutorial: mark("Tutorial"),
    ContentKind.resources: mark("Resources"),
    ContentKind.quiz: mark("Quiz"),
}
WRITING = {
    ContentKind.tutorial: mark("Writing the tutorial on “%(concept)s”"),
    ContentKind.resources: mark("Looking for resources on “%(concept)s”"),
    ContentKind.quiz: mark("Writing the quiz on “%(concept)s”"),
}
WRITTEN = {
    ContentKind.tutorial: mark("The tutorial on “%(concept)s” is written"),
    ContentKind.resources: mark("The resources on “%(concept)s” are there"),
    ContentKind.quiz: mark("The quiz on “%(concept)s” is written"),
}
NOT_WRITTEN = {
    ContentKind.tutorial: mark("The tutorial on “%(concept)s” could not be written"),
    ContentKind.resources: mark("The resources on “%(concept)s” could not be found"),
    ContentKind.quiz: mark("The quiz on “%(concept)s” could not be written"),
}
NEXT = {  # when nobody is before it
    RoadmapStatus.queued: mark("Your roadmap is the next one"),
    RoadmapStatus.planning: mark("Designing the plan"),
    RoadmapStatus.building: mark("The parts are being written"),
}
PARTS = {
    ContentStatus.pending: mark("It will be written."),
    ContentStatus.building: mark("It is being written now."),
    ContentStatus.failed: mark("It could not be written."),
    ContentStatus.cancelled: mark("It was cancelled."),
}
HAPPENED = {
    EventType.queued: mark("Accepted"),
    EventType.planning: mark("The planning has begun"),
    EventType.analysed: mark("The goal is understood"),
    EventType.drafted: mark("There is a draft of the plan"),
    EventType.outlined: mark("The plan was made"),
    EventType.revised: mark("The plan was changed"),
    EventType.revision_failed: mark("The change of the plan has failed"),
    EventType.revision_cancelled: mark("The change of the plan was stopped"),
    EventType.awaiting_review: mark("The plan waits for your approval"),
    EventType.approved: mark("The plan was approved"),
    EventType.content_queued: mark("Parts will be written anew"),
    EventType.ready: mark("Everything is written"),
    EventType.partial: mark("Everything that could be written is ready"),
    EventType.failed: mark("Failed"),
    EventType.cancelled: mark("Stopped"),
}


@dataclass(frozen=True, slots=True)
class Sentences:
    texts: NullTranslations

    def status(self, of: RoadmapStatus) -> str:
        return self._said(STATUSES[of])

    def level(self, of: str) -> str:
        return self._said(LEVELS[Level(of)])

    def progress(self, of: ConceptProgress) -> str:
        return self._said(PROGRESS[of])

    def kind(self, of: ContentKind) -> str:
        return self._said(KINDS[of])

    def mark(self, of: Any) -> str:
        """What the picture calls it."""
        return self._said(WORDS[of])

    def part(self, of: ContentStatus) -> str:
        """Of one that is not there."""
        return self._said(PARTS[of])

    def failure(self, kind: ContentKind, concept: str) -> str:
        return self._said(NOT_WRITTEN[kind], concept=concept)

    def now(self, activity: Activity) -> str:
        """What is happening at this moment."""
        if activity.writing:
            first = activity.writing[0]
            return self._said(WRITING[first.kind], concept=first.title)
        if activity.ahead:
            return self._ahead(activity.status, activity.ahead)
        return self._said(NEXT.get(activity.status, STATUSES[activity.status]))

    def _ahead(self, status: RoadmapStatus, count: int) -> str:
        said = self.texts.ngettext("One roadmap is before yours", "%(count)d roadmaps are before yours", count)
        if status == RoadmapStatus.building:
            said = self.texts.ngettext(
                "One part of another roadmap comes first", "%(count)d parts of other roadmaps come first", count
            )
        return self._counted(said, count)

    def left(self, seconds: int) -> str:
        """How long it will probably take."""
        if seconds < 10:
            return self.texts.gettext("a few seconds left")
        if seconds < 90:
            return self.texts.gettext("about %(count)d seconds left") % {"count": -(-seconds // 10) * 10}
        minutes, hours = round(seconds / 60), round(seconds / 3600)
        if seconds < 90 * 60:
            return self._counted(self.texts.ngettext("about one minute left", "about %(count)d minutes left", minutes), minutes)
        return self._counted(self.texts.ngettext("about one hour left", "about %(count)d hours left", hours), hours)

    def happened(self, event: Event, concepts: Mapping[UUID, str]) -> str:
        kind = event.data.get("kind")
        if kind is not None:
            said = WRITTEN if event.type == EventType.content_ready else NOT_WRITTEN
            name = concepts.get(UUID(event.data["concept_id"]))
            return self._said(said[ContentKind(kind)], concept=name) if name else self.texts.gettext("A part of an earlier plan")
        return self._said(HAPPENED[EventType(event.type)])

    def hours(self, count: int) -> str:
        return self._counted(self.texts.ngettext("%(count)d hour", "%(count)d hours", count), count)

    def weeks(self, count: int) -> str:
        return self._counted(self.texts.ngettext("%(count)d week", "%(count)d weeks", count), count)

    def concepts(self, count: int) -> str:
        return self._counted(self.texts.ngettext("%(count)d concept", "%(count)d concepts", count), count)

    def _said(self, text: str, **values: object) -> str:
        said = self.texts.gettext(text)
        return said % values if values else said

    @staticmethod
    def _counted(text: str, count: int) -> str:
        return text % {"count": count} if "%" in text else text
