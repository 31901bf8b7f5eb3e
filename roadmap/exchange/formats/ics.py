"""What is left of a roadmap as a calendar (iCalendar, RFC 5545): a day or more for each concept, and the deadline. Pure.

An event keeps its UID as long as its concept lives, so that a calendar that is imported again, or read again and again, moves
what is there and doubles nothing. What is done is not in it any more.
"""

from datetime import date, datetime, timedelta
from gettext import NullTranslations
from typing import TYPE_CHECKING
from uuid import UUID

from core.i18n import ENGLISH
from core.sanitize import one_line, plain, strip_nul
from roadmap.exchange.map.layout import hours_of
from roadmap.learning.schedule import ConceptSpan, Schedule
from roadmap.plan.views import ConceptNode, RoadmapTree, concepts_of

if TYPE_CHECKING:
    from icalendar import Event

PRODUCT = "-//Roadmap//Learning roadmaps//EN"
DOMAIN = "roadmap.invalid"  # in UIDs, which are no addresses
REFRESH = timedelta(hours=6)  # after which a calendar that follows it should look again
DAY = timedelta(days=1)


def calendar_of(
    tree: RoadmapTree,
    schedule: Schedule,
    *,
    url: str,
    now: datetime,
    texts: NullTranslations = ENGLISH,
) -> bytes:
    """`url` is where the service is, as in https://roadmap.example.org: events lead to the pages of their concepts."""
    from icalendar import Calendar

    name = _line(tree.title or tree.goal or "Roadmap")
    made = Calendar()
    for field, value in (
        ("PRODID", PRODUCT),
        ("VERSION", "2.0"),
        ("CALSCALE", "GREGORIAN"),
        ("METHOD", "PUBLISH"),
    ):
        made.add(field, value)
    made.add("NAME", name)
    made.add("X-WR-CALNAME", name)
    made.add("REFRESH-INTERVAL", REFRESH, parameters={"VALUE": "DURATION"})
    made.add("X-PUBLISHED-TTL", "PT6H")  # the same, in the words of an older habit
    page = f"{url.rstrip('/')}/roadmaps/{tree.id}"
    nodes = {concept.id: concept for concept in concepts_of(tree)}
    for span in schedule.spans:
        made.add_component(_learning(span, nodes[span.concept_id], page, now, texts))
    if tree.deadline is not None:
        event = _event(f"deadline-{tree.id}", now, tree.deadline, tree.deadline, page)
        event.add("SUMMARY", texts.gettext("Deadline: %(title)s") % {"title": name})
        made.add_component(event)
    content: bytes = made.to_ical()
    return content


def _learning(
    span: ConceptSpan, concept: ConceptNode, page: str, now: datetime, texts: NullTranslations
) -> "Event":
    event = _event(
        uid_of(span.concept_id),
        now,
        span.begins_on,
        span.ends_on,
        f"{page}/concepts/{span.concept_id}",
    )
    event.add("SUMMARY", _line(concept.title))
    told = [hours_of(span.hours, texts), _text(concept.description)]
    event.add("DESCRIPTION", "\n".join(filter(None, told)))
    return event


def uid_of(concept_id: UUID) -> str:
    return f"concept-{concept_id}"


def _event(uid: str, now: datetime, first: date, last: date, url: str) -> "Event":
    """Of whole days, which leave one free for other things."""
    from icalendar import Event

    event = Event()
    event.add("UID", f"{uid}@{DOMAIN}")
    event.add("DTSTAMP", now.replace(microsecond=0))
    event.add("DTSTART", first)
    event.add("DTEND", last + DAY)
    event.add("TRANSP", "TRANSPARENT")
    event.add("URL", url)
    return event


def _line(text: str) -> str:
    return one_line(strip_nul(text))


def _text(text: str) -> str:
    return plain(strip_nul(text)).strip()
