"""Calendar of the rest of a roadmap (iCalendar, RFC 5545): its concepts and its deadline.

An event keeps its UID as long as its concept exists, so that a calendar that is imported again
moves its events and duplicates none. Finished concepts are left out.
"""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from core.sanitize import one_line, plain, strip_nul
from roadmap.exchange.formats.json_ import Source
from roadmap.exchange.map.layout import times_of
from roadmap.learning.schedule import schedule_of
from roadmap.plan.views import concepts_of

if TYPE_CHECKING:
    from icalendar import Event

PRODUCT = "-//Roadmap//Learning roadmaps//EN"
DOMAIN = "roadmap.invalid"  # of UIDs, which are no addresses
REFRESH = timedelta(hours=6)  # interval of subscribed calendars
DAY = timedelta(days=1)


def render(source: Source) -> bytes:
    from icalendar import Calendar

    tree, now, texts = source.tree, source.today, source.texts
    name = _line(tree.title or tree.goal or "Roadmap")
    calendar = Calendar()
    for field, value in (
        ("PRODID", PRODUCT),
        ("VERSION", "2.0"),
        ("CALSCALE", "GREGORIAN"),
        ("METHOD", "PUBLISH"),
        ("NAME", name),
        ("X-WR-CALNAME", name),
    ):
        calendar.add(field, value)
    calendar.add("REFRESH-INTERVAL", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("X-PUBLISHED-TTL", "PT6H")  # the same, for older software
    page = f"{source.url.rstrip('/')}/roadmaps/{tree.id}"
    nodes = {concept.id: concept for concept in concepts_of(tree)}
    for span in schedule_of(tree, now.date()).spans:
        concept = nodes[span.concept_id]
        address = f"{page}/concepts/{concept.id}"
        event = _event(f"concept-{concept.id}", now, span.begins_on, span.ends_on, address)
        event.add("SUMMARY", _line(concept.title))
        lines = [times_of(concept, texts), plain(strip_nul(concept.description)).strip()]
        event.add("DESCRIPTION", "\n".join(filter(None, lines)))
        calendar.add_component(event)
    if tree.deadline is not None:
        event = _event(f"deadline-{tree.id}", now, tree.deadline, tree.deadline, page)
        event.add("SUMMARY", texts.gettext("Target date: %(title)s") % {"title": name})
        calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def _event(uid: str, now: datetime, first: date, last: date, url: str) -> "Event":
    """Return an event of whole days, which does not make a person busy."""
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
