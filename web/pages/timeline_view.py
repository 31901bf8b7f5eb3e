"""The timeline of a roadmap as a table, for its owner and for operators."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from gettext import NullTranslations
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from core import clock
from core.i18n import ENGLISH, gettext_noop
from roadmap.lifecycle.reading import queries
from roadmap.lifecycle.timeline.spans import ANSWERS, REVIEW, Span, SpanKind, SpanOutcome
from roadmap.lifecycle.timeline.timeline import trace_of
from roadmap.plan.outline import ContentKind
from web.pages.forms import AnyQuery
from web.pages.labels import HAPPENED, KINDS
from web.pages.page_route import PAGE, PageCall, PageRoute
from web.pages.templates import page, texts_of

Href = Callable[[UUID], str]

ON_A_PAGE = 250  # spans of the table
NAMES: Mapping[SpanKind, str] = {
    SpanKind.queued: gettext_noop("Waiting for a worker"),
    SpanKind.plan: gettext_noop("Planning"),
    SpanKind.analysis: gettext_noop("Analysis of the goal"),
    SpanKind.outline: gettext_noop("Plan design"),
    SpanKind.repair: gettext_noop("Plan repair"),
    SpanKind.content: gettext_noop("Writing"),
    SpanKind.model_call: gettext_noop("Model call"),
    SpanKind.wait: gettext_noop("Waiting for capacity or budget"),
    SpanKind.retry: gettext_noop("Delay before the next attempt"),
    SpanKind.webhook: gettext_noop("Webhook delivery"),
    SpanKind.decision: gettext_noop("Decision"),
}
OUTCOMES: Mapping[SpanOutcome, str] = {
    SpanOutcome.ok: gettext_noop("done"),
    SpanOutcome.failed: gettext_noop("failed"),
    SpanOutcome.stopped: gettext_noop("stopped"),
    SpanOutcome.interrupted: gettext_noop("interrupted"),
    SpanOutcome.running: gettext_noop("in progress"),
}
WAITS = {
    REVIEW: gettext_noop("Awaiting approval"),
    ANSWERS: gettext_noop("Awaiting answers"),
}


class TraceQuery(AnyQuery):
    """`after`: the number of spans before those shown."""

    after: int = 0


def timeline_page(call: PageCall[TraceQuery]) -> Response:
    """Return the page of a roadmap's timeline, for its owner."""
    roadmap_id = call.ids["roadmap_id"]
    trace = trace_of(call.owner, roadmap_id)
    context = timeline_context(
        call.request, call.query, trace.spans, lambda id_: f"/roadmaps/{roadmap_id}/concepts/{id_}"
    )
    tree = queries.roadmap_tree(call.owner, roadmap_id)
    return page(call.request, "trace.html", tree=tree, trace=trace, **context)


def timeline_context(
    request: Request, query: TraceQuery, spans: Sequence[Span], href: Href
) -> dict[str, Any]:
    """Return the context of `parts/timeline.html`, but for the trace that has these spans.

    `href` is the URL of a concept.
    """
    words, now = texts_of(request), clock.now()
    after = max(0, min(query.after, len(spans)))
    return {
        "spans": spans[after : after + ON_A_PAGE],
        "after": after,
        "next_after": after + ON_A_PAGE if after + ON_A_PAGE < len(spans) else None,
        "previous_after": max(0, after - ON_A_PAGE) if after else None,
        "began": min((span.started_at for span in spans), default=now),
        "now": now,
        "span_name": lambda span: span_name(span, words),
        "outcomes": OUTCOMES,
        "duration": partial(duration_text, texts=words),
        "concept_href": href,
    }


def span_name(span: Span, words: NullTranslations) -> str:
    """Return the name of the part, the event, or the step."""
    if span.kind == SpanKind.wait and span.name in WAITS:
        return words.gettext(WAITS[span.name])
    if span.kind == SpanKind.content and span.name in set(ContentKind):
        return words.gettext(KINDS[ContentKind(span.name)])
    if span.kind in (SpanKind.decision, SpanKind.webhook) and span.name in HAPPENED:
        return words.gettext(HAPPENED[span.name])
    return words.gettext(NAMES[span.kind])


def duration_text(seconds: float, step: float = 1.0, texts: NullTranslations = ENGLISH) -> str:
    """Return 0.2 s, 7 s, 1:30, 2:00:05 or 3 d 4:00."""
    if seconds < 60:
        digits = 0 if step >= 1 and seconds == round(seconds) else 1 if step >= 0.1 else 2
        return texts.gettext("%(count)s s") % {"count": f"{seconds:.{digits}f}"}
    days, rest = divmod(round(seconds), 86_400)
    hours, minutes, left = rest // 3600, rest // 60 % 60, rest % 60
    if days:
        values = {"days": days, "time": f"{hours}:{minutes:02d}"}
        return texts.gettext("%(days)d d %(time)s") % values
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


PAGES = (PageRoute("GET", PAGE + "/trace", timeline_page),)
