"""Labels of states, times and events, as whole sentences of one language.

Templates translate the texts of these tables; sentences with numbers or names are methods.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from gettext import NullTranslations
from uuid import UUID

from markupsafe import Markup

from core.i18n import gettext_noop, sentence_gap
from roadmap.generation.context import BUILT_IN
from roadmap.operations.execution_log import LogLevel
from roadmap.plan.outline import (
    BY_HAND,
    CONTENT_KINDS,
    QUESTION_HINTS,
    ContentKind,
    Judge,
    Level,
    Mark,
)
from roadmap.plan.statuses import (
    TEST,
    ConceptProgress,
    ContentStatus,
    DeliveryStatus,
    Event,
    EventType,
    LinkState,
    RoadmapStatus,
)
from roadmap.plan.views import Activity
from web.pages import reasons

ROADMAP_LANGUAGES = {  # that forms offer, each in its own language
    "en": "English",
    "zh-Hans": "简体中文",
    "zh-Hant": "繁體中文",
    "ar": "العربية",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "hi": "हिन्दी",
    "id": "Bahasa Indonesia",
    "it": "Italiano",
    "ja": "日本語",
    "ko": "한국어",
    "nl": "Nederlands",
    "pl": "Polski",
    "pt": "Português",
    "ru": "Русский",
    "tr": "Türkçe",
    "uk": "Українська",
    "vi": "Tiếng Việt",
}
STATUSES = {
    RoadmapStatus.queued: gettext_noop("Waiting"),
    RoadmapStatus.planning: gettext_noop("Being planned"),
    RoadmapStatus.awaiting_answers: gettext_noop("Waiting for answers"),
    RoadmapStatus.awaiting_review: gettext_noop("Needs your approval"),
    RoadmapStatus.building: gettext_noop("Being written"),
    RoadmapStatus.ready: gettext_noop("Ready"),
    RoadmapStatus.partial: gettext_noop("Partly ready"),
    RoadmapStatus.failed: gettext_noop("Failed"),
    RoadmapStatus.cancelled: gettext_noop("Cancelled"),
}
HINTS = QUESTION_HINTS
MARKS: dict[Mark, str] = {
    "no": gettext_noop("No"),
    "partly": gettext_noop("Partly"),
    "yes": gettext_noop("Yes"),
}
JUDGES: dict[Judge, str] = {
    "self": gettext_noop("Your own judgement"),
    "person": gettext_noop("A person with your link"),
    "model": gettext_noop("The model"),
}
LEVELS = {
    Level.beginner: gettext_noop("Beginner"),
    Level.intermediate: gettext_noop("Intermediate"),
    Level.advanced: gettext_noop("Advanced"),
}
LOG_LEVELS = {
    LogLevel.debug: gettext_noop("Debug"),
    LogLevel.info: gettext_noop("Info"),
    LogLevel.warning: gettext_noop("Warning"),
    LogLevel.error: gettext_noop("Error"),
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
LINKS = {  # before the time of the check
    LinkState.alive: gettext_noop("The link works:"),
    LinkState.unclear: gettext_noop("The link could not be checked:"),
    LinkState.dead: gettext_noop("This link no longer works:"),
}
PROGRESS = {
    ConceptProgress.todo: gettext_noop("Not started"),
    ConceptProgress.learning: gettext_noop("Learning"),
    ConceptProgress.done: gettext_noop("Done"),
    ConceptProgress.skipped: gettext_noop("Skipped"),
}
KINDS = {kind: entry.label for kind, entry in CONTENT_KINDS.items()}
NOT_WRITTEN = {kind: entry.not_written for kind, entry in CONTENT_KINDS.items()}
NEXT = {  # without others before it
    RoadmapStatus.queued: gettext_noop("Your roadmap is next"),
    RoadmapStatus.planning: gettext_noop("Drafting the plan"),
    RoadmapStatus.building: gettext_noop("Writing the contents"),
}
PARTS = {  # that are missing
    ContentStatus.pending: gettext_noop("Waiting to be written."),
    ContentStatus.building: gettext_noop("Being written."),
    ContentStatus.failed: gettext_noop("Failed."),
    ContentStatus.cancelled: gettext_noop("Cancelled."),
}
OF_PART: Mapping[str, str] = {  # the attribute of a KindEntry that says it
    EventType.content_ready: "written",
    EventType.content_failed: "not_written",
    EventType.content_restored: "restored",
}
HAPPENED: Mapping[str, str] = {each: each.label for each in EventType if each.label}
DELIVERIES = {
    DeliveryStatus.pending: gettext_noop("Waiting"),
    DeliveryStatus.delivering: gettext_noop("Sending"),
    DeliveryStatus.delivered: gettext_noop("Delivered"),
    DeliveryStatus.failed: gettext_noop("Failed"),
}
MAKERS = {BUILT_IN: gettext_noop("Ready-made"), BY_HAND: gettext_noop("Written by hand")}
TESTED = gettext_noop("Test")
# An event of a newer version, which this process does not know.
ANOTHER = gettext_noop("Other event")


@dataclass(frozen=True, slots=True)
class Sentences:
    texts: NullTranslations

    def resource_type(self, of: str) -> str:
        """Return the type of a resource; empty for one that was imported."""
        return self._text(RESOURCE_TYPES[of]) if of in RESOURCE_TYPES else ""

    def maker(self, of: str) -> str:
        """Return the generator of a plan or a text: a model has its own name."""
        return self._text(MAKERS[of]) if of in MAKERS else of

    def now(self, activity: Activity) -> str:
        """Return the present activity of a roadmap."""
        if activity.writing:
            first = activity.writing[0]
            return self._text(CONTENT_KINDS[first.kind].writing, concept=first.title)
        if not activity.ahead:
            return self._text(NEXT.get(activity.status, STATUSES[activity.status]))
        text = self.texts.ngettext(
            "One roadmap is ahead of yours", "%(count)d roadmaps are ahead of yours", activity.ahead
        )
        if activity.status == RoadmapStatus.building:
            text = self.texts.ngettext(
                "One part of another roadmap comes first",
                "%(count)d parts of other roadmaps come first",
                activity.ahead,
            )
        return with_count(text, activity.ahead)

    def left(self, seconds: int) -> str:
        """Return an estimate of the remaining time."""
        if seconds < 10:
            return self.texts.gettext("a few seconds left")
        if seconds < 90:
            tens = -(-seconds // 10) * 10
            return self.texts.gettext("about %(count)d seconds left") % {"count": tens}
        minutes, hours = round(seconds / 60), round(seconds / 3600)
        if seconds < 90 * 60:
            text = self.texts.ngettext(
                "about one minute left", "about %(count)d minutes left", minutes
            )
            return with_count(text, minutes)
        text = self.texts.ngettext("about one hour left", "about %(count)d hours left", hours)
        return with_count(text, hours)

    def happened(self, event: Event, concepts: Mapping[UUID, str]) -> str:
        if event.type not in OF_PART:
            return self._text(HAPPENED.get(event.type, ANOTHER))
        if not (name := concepts.get(UUID(event.data["concept_id"]))):
            return self.texts.gettext("A part of an earlier plan changed")
        entry = CONTENT_KINDS[ContentKind(event.data["kind"])]
        return self._text(getattr(entry, OF_PART[event.type]), concept=name)

    def reason(self, of: str, titles: Mapping[str, str]) -> str:
        """Return a stored reason in the reader's language; empty if there is only the English."""
        return reasons.translated(self.texts, of, titles)

    @property
    def gap(self) -> str:
        """Return the separator of two sentences in this language."""
        return sentence_gap(self.texts)

    def joined(self, *sentences: str) -> Markup:
        """Return the sentences that are not empty as one text; those of a template are escaped."""
        return Markup(self.gap).join(filter(None, sentences))

    def event(self, of: str) -> str:
        """Return the event that a webhook receives."""
        return self._text(TESTED if of == TEST else HAPPENED.get(of, ANOTHER))

    def parts(self, first: int, last: int, count: int) -> str:
        """Return which parts of a concept these are."""
        if first == last:
            return self.texts.gettext("Part %(number)d of %(all)d") % {
                "number": first,
                "all": count,
            }
        return self.texts.gettext("Parts %(first)d to %(last)d of %(all)d") % {
            "first": first,
            "last": last,
            "all": count,
        }

    def hours(self, count: int) -> str:
        return with_count(self.texts.ngettext("%(count)d hour", "%(count)d hours", count), count)

    def weeks(self, count: int) -> str:
        return with_count(self.texts.ngettext("%(count)d week", "%(count)d weeks", count), count)

    def concepts(self, count: int) -> str:
        return with_count(
            self.texts.ngettext("%(count)d concept", "%(count)d concepts", count), count
        )

    def _text(self, text: str, **values: object) -> str:
        translated = self.texts.gettext(text)
        return translated % values if values else translated


def with_count(text: str, count: int) -> str:
    """Return a text of ngettext with its number; that of one thing may have none."""
    return text % {"count": count} if "%" in text else text
