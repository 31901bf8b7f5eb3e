"""How a roadmap was made: its timeline as a picture and as a table, for its owner and for operators."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from core import clock
from core.i18n import texts
from roadmap.lifecycle import queries
from roadmap.lifecycle.timeline.spans import Span, SpanKind
from roadmap.lifecycle.timeline.timeline import Trace, trace_of
from web.call import Call
from web.pages.forms import AnyQuery
from web.pages.plan import timeline_labels
from web.pages.plan.timescale import told
from web.pages.plan.waterfall import MANY, arrange
from web.pages.plan.waterfall_svg import draw, legend
from web.pages.preferences import language_of
from web.pages.templates import page

ON_A_PAGE = 250  # spans of the table


class TraceQuery(AnyQuery):
    """`rows` every: a row for each concept, however many; `after`: the table goes on behind so many spans."""

    rows: str = ""
    after: int = 0


def show(call: Call) -> Response:
    roadmap_id = call.ids["roadmap_id"]
    trace = trace_of(call.owner, roadmap_id)
    tree = queries.roadmap_tree(call.owner, roadmap_id)
    return page(
        call.request,
        "trace.html",
        tree=tree,
        **drawn(
            call.request, call.query, trace, lambda id_: f"/roadmaps/{roadmap_id}/concepts/{id_}"
        ),
    )


def drawn(
    request: Request, query: TraceQuery, trace: Trace, href: Callable[[UUID], str]
) -> dict[str, Any]:
    """What `parts/waterfall.html` shows. `href` is where a concept leads."""
    words, now = texts(language_of(request)), clock.now()
    every = query.rows == "every"
    chart = arrange(trace.spans, now, timeline_labels.rows_in(words), every=every)
    title = words.gettext("How it was made")
    after = max(0, min(query.after, len(trace.spans)))
    began = chart.began

    def since(span: Span) -> str:
        return told((span.started_at - began).total_seconds(), 0.1)

    concepts = {span.concept_id for span in trace.spans if span.concept_id is not None}
    return {
        "trace": trace,
        "picture": Markup(draw(chart, now, title, href, words)),  # escaped where it is made
        "legend": [(Markup(svg), said) for svg, said in legend(trace.spans, words)],
        "spans": trace.spans[after : after + ON_A_PAGE],
        "after": after,
        "next_after": after + ON_A_PAGE if after + ON_A_PAGE < len(trace.spans) else None,
        "previous_after": max(0, after - ON_A_PAGE) if after else None,
        "every": every,
        "may_fold": len(concepts) > MANY,
        "since": since,
        "took": lambda span: told((span.ended(now) - span.started_at).total_seconds(), 0.1),
        "span_name": lambda span: timeline_labels.span_name(span, words),
        "span_outcome": lambda span: timeline_labels.outcome_text(span, words),
        "is_moment": lambda span: span.kind == SpanKind.decision,
        "duration": told,
        "concept_href": href,
    }
