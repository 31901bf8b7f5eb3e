"""The timeline of a roadmap as SVG and as a table, for its owner and for operators.

The SVG needs `operator.css`, and every text in it is escaped. The kind of a bar shows in its shape
and pattern as well as in its colour: work is full, waiting is thin, a pause is hatched, a failed
try has a cross at its end, a running one a tip.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from gettext import NullTranslations
from typing import Any
from uuid import UUID

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from core import clock
from core.i18n import gettext_noop
from roadmap.exchange.map.drawing import rounded, svg_text
from roadmap.lifecycle import queries
from roadmap.lifecycle.timeline.spans import ANSWERS, REVIEW, Span, SpanKind, SpanOutcome
from roadmap.lifecycle.timeline.timeline import trace_of
from roadmap.plan.outline import ContentKind
from web.call import Call
from web.pages.forms import AnyQuery
from web.pages.labels import HAPPENED, KINDS
from web.pages.reasons import translated
from web.pages.templates import page, texts_of
from web.pages.waterfall import (
    FONT,
    LABEL_RIGHT,
    MANY,
    TOP,
    WIDTH,
    Chart,
    ChartRow,
    SpanBar,
    arrange,
    duration_text,
)

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
ROWS = {
    "plan": gettext_noop("The plan"),
    "decisions": gettext_noop("Decisions"),
    "webhooks": gettext_noop("Webhooks"),
    "concepts": gettext_noop("%(first)s … %(last)s (%(count)d)"),
}
MOST_TITLED = 4  # spans in the title of a bar that is several
PATTERNS = (
    '<defs><pattern id="w-hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><path class="w-line" d="M0 0V6"/></pattern>'
    '<pattern id="w-dots" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<circle class="w-dot" cx="2.5" cy="2.5" r="1.2"/></pattern></defs>'
)
FULL = frozenset(
    {SpanKind.plan, SpanKind.analysis, SpanKind.outline, SpanKind.repair, SpanKind.content}
)
IN_LEGEND = (
    (SpanKind.queued, SpanOutcome.ok),
    (SpanKind.plan, SpanOutcome.ok),
    (SpanKind.analysis, SpanOutcome.ok),
    (SpanKind.outline, SpanOutcome.ok),
    (SpanKind.repair, SpanOutcome.ok),
    (SpanKind.content, SpanOutcome.ok),
    (SpanKind.model_call, SpanOutcome.ok),
    (SpanKind.content, SpanOutcome.failed),
    (SpanKind.content, SpanOutcome.interrupted),
    (SpanKind.content, SpanOutcome.stopped),
    (SpanKind.content, SpanOutcome.running),
    (SpanKind.wait, SpanOutcome.ok),
    (SpanKind.retry, SpanOutcome.ok),
    (SpanKind.webhook, SpanOutcome.ok),
    (SpanKind.decision, SpanOutcome.ok),
)


class TraceQuery(AnyQuery):
    """`rows` every: a row for each concept, however many; `after`: spans before those shown."""

    rows: str = ""
    after: int = 0


def timeline_page(call: Call) -> Response:
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
    """Return the context of `parts/waterfall.html`, but for the trace that has these spans.

    `href` is the URL of a concept.
    """
    words, now = texts_of(request), clock.now()
    every = query.rows == "every"
    chart = arrange(spans, now, rows_in(words), every=every)
    after = max(0, min(query.after, len(spans)))
    concepts = {span.concept_id for span in spans if span.concept_id is not None}
    return {
        # Escaped where it is made.
        "picture": Markup(draw(chart, now, words.gettext("Timeline"), href, words)),
        "legend": [(Markup(key), label) for key, label in legend(spans, words)],
        "spans": spans[after : after + ON_A_PAGE],
        "after": after,
        "next_after": after + ON_A_PAGE if after + ON_A_PAGE < len(spans) else None,
        "previous_after": max(0, after - ON_A_PAGE) if after else None,
        "every": every,
        "may_fold": len(concepts) > MANY,
        "began": chart.began,
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


def rows_in(words: NullTranslations) -> dict[str, str]:
    return {key: words.gettext(text) for key, text in ROWS.items()}


def draw(chart: Chart, now: datetime, title: str, href: Href, words: NullTranslations) -> str:
    """Return the waterfall as SVG; `href` is the URL of a concept, for its label."""
    width, height = rounded(WIDTH), rounded(chart.height)
    bars = [bar for row in chart.rows for bar in row.bars]
    desc = words.gettext(
        "%(rows)d rows, %(spans)d spans, %(duration)s. The table below has the same data."
    ) % {
        "rows": len(chart.rows),
        "spans": sum(len(each.spans) for bar in bars for each in (bar, *bar.inner)),
        "duration": duration_text(round(chart.seconds), texts=words),
    }
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="waterfall" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" role="group" '
        'aria-labelledby="waterfall-title" aria-describedby="waterfall-desc">'
        f'<title id="waterfall-title">{svg_text(title)}</title>'
        f'<desc id="waterfall-desc">{svg_text(desc)}</desc>{PATTERNS}'
    )
    for row in chart.rows[1::2]:
        box = f'x="0" y="{rounded(row.y)}" width="{width}" height="{rounded(row.height)}"'
        svg += f'<rect class="w-band" {box}/>'
    step = chart.ticks[1][0] - chart.ticks[0][0] if len(chart.ticks) > 1 else 0.1
    for second, x in chart.ticks:
        svg += f'<path class="w-grid" d="M{rounded(x)} {rounded(TOP - 6)}V{height}"/>'
        svg += _small(x, TOP - 12, duration_text(second, step, words))
    for gap in chart.scale.gaps:
        middle = (gap.left + gap.right) / 2
        svg += f'<path class="w-gap" d="{_zigzag(middle, TOP - 6, chart.height)}"/>'
        svg += _small(middle, 12, duration_text(round(gap.end - gap.start), texts=words))
    return svg + "".join(_row(row, chart, now, href, words) for row in chart.rows) + "</svg>"


def legend(spans: Collection[Span], words: NullTranslations) -> list[tuple[str, str]]:
    """Return a small SVG and the name of each kind of bar that these spans have."""
    found = []
    kinds = {span.kind for span in spans}
    outcomes = {span.outcome for span in spans if span.kind in FULL}
    at = datetime.min
    for kind, outcome in IN_LEGEND:
        if (kind not in kinds) if outcome == SpanOutcome.ok else (outcome not in outcomes):
            continue
        span = Span(id="", kind=kind, name="", started_at=at, ended_at=at, outcome=outcome)
        inner = _shape(SpanBar((span,), 3, 25, 2))
        if kind == SpanKind.model_call:  # as it is within the content that it writes
            content = span.model_copy(update={"kind": SpanKind.content})
            within = _shape(SpanBar((span,), 5, 23, 6.5, 3))
            inner = f'{_shape(SpanBar((content,), 3, 25, 2))}<g class="w-within">{within}</g>'
        size = 'viewBox="0 0 28 16" width="28" height="16"'
        svg = f'<svg class="waterfall key" {size} aria-hidden="true">{inner}</svg>'
        is_kind = outcome == SpanOutcome.ok
        found.append((svg, words.gettext(NAMES[kind] if is_kind else OUTCOMES[outcome])))
    return found


def bar_title(bar: SpanBar, chart: Chart, now: datetime, words: NullTranslations) -> str:
    """Return the title that a pointer over a bar shows: a line for each span."""
    lines = []
    for span in bar.spans[:MOST_TITLED]:
        began = (span.started_at - chart.began).total_seconds()
        took = (span.ended(now) - span.started_at).total_seconds()
        parts = [span.concept] if span.concept else []
        parts += [
            span_name(span, words),
            words.gettext(OUTCOMES[span.outcome]),
            f"{duration_text(began, texts=words)} + {duration_text(took, 0.1, words)}",
        ]
        if span.attempt:
            parts.append(words.gettext("attempt %(number)d") % {"number": span.attempt})
        if span.prompt_tokens is not None and span.completion_tokens is not None:
            count = span.prompt_tokens + span.completion_tokens
            parts.append(words.gettext("%(count)d tokens") % {"count": count})
        if span.reason:
            parts.append(translated(words, span.reason, {}) or span.reason)
        lines.append(" · ".join(parts))
    if (more := len(bar.spans) - MOST_TITLED) > 0:
        lines.append(words.ngettext("and one more", "and %(count)d more", more) % {"count": more})
    return "\n".join(lines)


def _row(row: ChartRow, chart: Chart, now: datetime, href: Href, words: NullTranslations) -> str:
    """Return the label of a row, which links to its concept, and its bars."""
    place = f'x="{rounded(LABEL_RIGHT)}" y="{rounded(row.y + row.height / 2 + FONT * 0.36)}"'
    style = f'text-anchor="end" font-size="{rounded(FONT)}"'
    svg = f"<text {place} {style}>{svg_text(row.label)}</text>"
    if row.key == "concept":
        svg = f'<a href="{svg_text(href(row.concepts[0]))}">{svg}</a>'
    for bar in row.bars:
        for each in (bar, *bar.inner):
            kind = "" if each is bar else ' class="w-within"'
            title = "\n".join(map(svg_text, bar_title(each, chart, now, words).split("\n")))
            svg += f"<g{kind}><title>{title}</title>{_shape(each)}</g>"
    return svg


def _shape(bar: SpanBar) -> str:
    """Return the SVG elements of a bar."""
    classes = f"w-{bar.kind} w-{bar.outcome}"
    width, middle = bar.right - bar.left, bar.y + bar.height / 2
    x, y, right, center = rounded(bar.left), bar.y, rounded(bar.right), rounded(middle)
    match bar.kind:
        case SpanKind.decision:
            top = f"M{rounded((bar.left + bar.right) / 2)} {rounded(middle - 5)}"
            svg = f'<path class="{classes}" d="{top}l5 5l-5 5l-5 -5Z"/>'
        case SpanKind.queued:
            start = f"M{rounded(bar.left + 0.5)} {rounded(middle - 3)}v6"
            svg = f'<path class="{classes}" d="{start}M{x} {center}H{right}"/>'
        case SpanKind.webhook:
            svg = f'<path class="{classes}" d="M{x} {center}H{right}"/>'
            svg += f'<circle class="{classes}" cx="{x}" cy="{center}" r="3.5"/>'
        case SpanKind.wait | SpanKind.retry:
            fill = f"url(#{'w-hatch' if bar.kind == SpanKind.wait else 'w-dots'})"
            size = f'width="{rounded(width)}" height="{rounded(bar.height - 4)}"'
            svg = f'<rect class="{classes}" x="{x}" y="{rounded(y + 2)}" {size} fill="{fill}"/>'
        case _:
            size = f'width="{rounded(width)}" height="{rounded(bar.height)}"'
            corner = 2 if bar.kind in FULL else 0
            svg = f'<rect class="{classes}" x="{x}" y="{rounded(y)}" {size} rx="{corner}"/>'
    if bar.kind in FULL and bar.outcome == SpanOutcome.running and width > 8:
        half = rounded(bar.height / 2 - 2)
        start = f"M{rounded(bar.right - 6)} {rounded(y + 2)}"
        svg += f'<path class="w-tip" d="{start}l4 {half}l-4 {half}"/>'
    has_failed = bar.outcome in (SpanOutcome.failed, SpanOutcome.interrupted)
    if has_failed and bar.kind in (*FULL, SpanKind.webhook):
        arm = min(3.0, width / 2 - 0.5)
        left, right = rounded(bar.right - 2 * arm - 1), rounded(bar.right - 1)
        top, bottom = rounded(middle - arm), rounded(middle + arm)
        cross = f"M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}"
        svg += f'<path class="w-cross" d="{cross}"/>'
    return svg


def _small(x: float, y: float, text: str) -> str:
    place = f'x="{rounded(x)}" y="{rounded(y)}"'
    return (
        f'<text class="w-quiet" {place} text-anchor="middle" font-size="11">{svg_text(text)}</text>'
    )


def _zigzag(x: float, top: float, bottom: float) -> str:
    points, y, side = [f"M{rounded(x)} {rounded(top)}"], top, 1
    while y < bottom:
        y = min(y + 6, bottom)
        points.append(f"L{rounded(x + 3 * side)} {rounded(y)}")
        side = -side
    return "".join(points)
