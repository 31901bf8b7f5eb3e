"""What pages say of states, times and events, as whole sentences of one language."""

from collections.abc import Mapping
from dataclasses import dataclass
from gettext import NullTranslations
from typing import Any
from uuid import UUID

from core.i18n import gettext_noop
from roadmap.generation.context import BUILT_IN
from roadmap.plan.concept_marks import WORDS
from roadmap.plan.event_types import TEST, Event, EventType
from roadmap.plan.outline import ContentKind, Level
from roadmap.plan.statuses import (
    ConceptProgress,
    ContentStatus,
    DeliveryStatus,
    LinkState,
    RoadmapStatus,
)
from roadmap.plan.views import Activity

STATUSES = {
    RoadmapStatus.queued: gettext_noop("Waiting"),
    RoadmapStatus.planning: gettext_noop("Being planned"),
    RoadmapStatus.awaiting_review: gettext_noop("Waits for your approval"),
    RoadmapStatus.building: gettext_noop("Being written"),
    RoadmapStatus.ready: gettext_noop("Ready"),
    RoadmapStatus.partial: gettext_noop("Ready in part"),
    RoadmapStatus.failed: gettext_noop("Failed"),
    RoadmapStatus.cancelled: gettext_noop("Cancelled"),
}
LEVELS = {
    Level.beginner: gettext_noop("Beginner"),
    Level.intermediate: gettext_noop("Intermediate"),
    Level.advanced: gettext_noop("Advanced"),
}
RESOURCE_TYPES: Mapping[str, str] = {
    "article": gettext_noop("Article"),
    "book": gettext_noop("Book"),
    "course": gettext_noop("Course"),
    "documentation": gettext_noop("Documentation"),
    "reference": gettext_noop("Reference"),
    "specification": gettext_noop("Specification"),
    "tool": gettext_noop("Tool"),
    "tutorial": gettext_noop("Tutorial"),
    "video": gettext_noop("Video"),
}
LINKS = {
    LinkState.alive: gettext_noop("The link works:"),
    LinkState.unclear: gettext_noop("The link could not be checked:"),
    LinkState.dead: gettext_noop("The link does not work any more:"),
}
PROGRESS = {
    ConceptProgress.todo: gettext_noop("Not begun"),
    ConceptProgress.learning: gettext_noop("Learning"),
    ConceptProgress.done: gettext_noop("Done"),
    ConceptProgress.skipped: gettext_noop("Skipped"),
}
KINDS = {
    ContentKind.tutorial: gettext_noop("Tutorial"),
    ContentKind.resources: gettext_noop("Resources"),
    ContentKind.quiz: gettext_noop("Quiz"),
}
WRITING = {
    ContentKind.tutorial: gettext_noop("Writing the tutorial on “%(concept)s”"),
    ContentKind.resources: gettext_noop("Looking for resources on “%(concept)s”"),
    ContentKind.quiz: gettext_noop("Writing the quiz on “%(concept)s”"),
}
WRITTEN = {
    ContentKind.tutorial: gettext_noop("The tutorial on “%(concept)s” is written"),
    ContentKind.resources: gettext_noop("The resources on “%(concept)s” are there"),
    ContentKind.quiz: gettext_noop("The quiz on “%(concept)s” is written"),
}
NOT_WRITTEN = {
    ContentKind.tutorial: gettext_noop("The tutorial on “%(concept)s” could not be written"),
    ContentKind.resources: gettext_noop("The resources on “%(concept)s” could not be found"),
    ContentKind.quiz: gettext_noop("The quiz on “%(concept)s” could not be written"),
}
RESTORED = {
    ContentKind.tutorial: gettext_noop(
        "An earlier version of the tutorial on “%(concept)s” was taken up again"
    ),
    ContentKind.resources: gettext_noop(
        "An earlier version of the resources on “%(concept)s” was taken up again"
    ),
    ContentKind.quiz: gettext_noop(
        "An earlier version of the quiz on “%(concept)s” was taken up again"
    ),
}
NEXT = {  # when nobody is before it
    RoadmapStatus.queued: gettext_noop("Your roadmap is the next one"),
    RoadmapStatus.planning: gettext_noop("Designing the plan"),
    RoadmapStatus.building: gettext_noop("The parts are being written"),
}
PARTS = {
    ContentStatus.pending: gettext_noop("It will be written."),
    ContentStatus.building: gettext_noop("It is being written now."),
    ContentStatus.failed: gettext_noop("It could not be written."),
    ContentStatus.cancelled: gettext_noop("It was cancelled."),
}
OF_PART: Mapping[str, Mapping[ContentKind, str]] = {
    EventType.content_ready: WRITTEN,
    EventType.content_failed: NOT_WRITTEN,
    EventType.content_restored: RESTORED,
}
HAPPENED: Mapping[str, str] = {
    EventType.queued: gettext_noop("Accepted"),
    EventType.imported: gettext_noop("Imported"),
    EventType.planning: gettext_noop("The planning has begun"),
    EventType.analysed: gettext_noop("The goal is understood"),
    EventType.drafted: gettext_noop("There is a draft of the plan"),
    EventType.outlined: gettext_noop("The plan was made"),
    EventType.revised: gettext_noop("The plan was changed"),
    EventType.revision_failed: gettext_noop("The change of the plan has failed"),
    EventType.revision_cancelled: gettext_noop("The change of the plan was stopped"),
    EventType.awaiting_review: gettext_noop("The plan waits for your approval"),
    EventType.approved: gettext_noop("The plan was approved"),
    EventType.content_queued: gettext_noop("Parts will be written anew"),
    EventType.content_restored: gettext_noop(
        "An earlier version of a part was taken up again"
    ),  # on a timeline
    EventType.ready: gettext_noop("Everything is written"),
    EventType.partial: gettext_noop("Everything that could be written is ready"),
    EventType.failed: gettext_noop("Failed"),
    EventType.cancelled: gettext_noop("Stopped"),
}
DELIVERIES = {
    DeliveryStatus.pending: gettext_noop("Waiting"),
    DeliveryStatus.delivering: gettext_noop("On its way"),
    DeliveryStatus.delivered: gettext_noop("Delivered"),
    DeliveryStatus.failed: gettext_noop("Failed"),
}
MADE_HERE = gettext_noop("Ready-made")
TESTED = gettext_noop("A test")
ANOTHER = gettext_noop(
    "Something else has happened"
)  # of a newer version, of which this process does not know


@dataclass(frozen=True, slots=True)
class Sentences:
    texts: NullTranslations

    def status(self, of: RoadmapStatus) -> str:
        return self._said(STATUSES[of])

    def link(self, of: LinkState) -> str:
        """With the time behind it."""
        return self._said(LINKS[LinkState(of)])

    def level(self, of: str) -> str:
        return self._said(LEVELS[Level(of)])

    def resource_type(self, of: str) -> str:
        """Empty for one that came from elsewhere."""
        return self._said(RESOURCE_TYPES[of]) if of in RESOURCE_TYPES else ""

    def maker(self, of: str) -> str:
        """Of a plan or a text: a model has its own name."""
        return self._said(MADE_HERE) if of == BUILT_IN else of

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
        said = self.texts.ngettext(
            "One roadmap is before yours", "%(count)d roadmaps are before yours", count
        )
        if status == RoadmapStatus.building:
            said = self.texts.ngettext(
                "One part of another roadmap comes first",
                "%(count)d parts of other roadmaps come first",
                count,
            )
        return counted(said, count)

    def left(self, seconds: int) -> str:
        """How long it will probably take."""
        if seconds < 10:
            return self.texts.gettext("a few seconds left")
        if seconds < 90:
            return self.texts.gettext("about %(count)d seconds left") % {
                "count": -(-seconds // 10) * 10
            }
        minutes, hours = round(seconds / 60), round(seconds / 3600)
        if seconds < 90 * 60:
            return counted(
                self.texts.ngettext(
                    "about one minute left", "about %(count)d minutes left", minutes
                ),
                minutes,
            )
        return counted(
            self.texts.ngettext("about one hour left", "about %(count)d hours left", hours), hours
        )

    def happened(self, event: Event, concepts: Mapping[UUID, str]) -> str:
        if (said := OF_PART.get(event.type)) is not None:
            name = concepts.get(UUID(event.data["concept_id"]))
            words = said[ContentKind(event.data["kind"])]
            return (
                self._said(words, concept=name)
                if name
                else self.texts.gettext("A part of an earlier plan")
            )
        return self._said(HAPPENED.get(event.type, ANOTHER))

    def event(self, of: str) -> str:
        """What a webhook is told."""
        return self._said(TESTED if of == TEST else HAPPENED.get(of, ANOTHER))

    def delivery(self, of: DeliveryStatus) -> str:
        return self._said(DELIVERIES[of])

    def hours(self, count: int) -> str:
        return counted(self.texts.ngettext("%(count)d hour", "%(count)d hours", count), count)

    def weeks(self, count: int) -> str:
        return counted(self.texts.ngettext("%(count)d week", "%(count)d weeks", count), count)

    def concepts(self, count: int) -> str:
        return counted(self.texts.ngettext("%(count)d concept", "%(count)d concepts", count), count)

    def _said(self, text: str, **values: object) -> str:
        said = self.texts.gettext(text)
        return said % values if values else said


def counted(text: str, count: int) -> str:
    """A sentence of ngettext with its number; that of one thing may have none."""
    return text % {"count": count} if "%" in text else text
