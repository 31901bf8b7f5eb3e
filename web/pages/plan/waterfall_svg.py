"""The waterfall of a timeline as SVG, for a page that has `operator.css`. Everything that is told is escaped.

What a bar is shows in its shape and pattern as well as in its colour: work is full, waiting is thin, a pause is hatched, a try
that failed has a cross at its end, one that goes on a tip.
"""

import re
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from gettext import NullTranslations
from uuid import UUID
from xml.sax.saxutils import escape, quoteattr

from core.sanitize import one_line, strip_nul
from roadmap.lifecycle.timeline.spans import Span, SpanKind, SpanOutcome
from web.pages.plan.timeline_labels import NAMES, outcome_text, span_name
from web.pages.plan.timescale import told
from web.pages.plan.waterfall import FONT, LABEL_RIGHT, TOP, Chart, ChartRow, SpanBar

Href = Callable[[UUID], str]

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MOST_TOLD = 4  # spans in the title of a bar that is several
PATTERNS = (
    '<defs><pattern id="w-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<path class="w-line" d="M0 0V6"/></pattern><pattern id="w-dots" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<circle class="w-dot" cx="2.5" cy="2.5" r="1.2"/></pattern></defs>'
)
FULL = frozenset(
    {SpanKind.plan, SpanKind.analysis, SpanKind.outline, SpanKind.repair, SpanKind.content}
)
IN_LEGEND = (
    *(
        ("queued", SpanOutcome.ok),
        ("plan", SpanOutcome.ok),
        ("analysis", SpanOutcome.ok),
        ("outline", SpanOutcome.ok),
    ),
    *(("repair", SpanOutcome.ok), ("content", SpanOutcome.ok), ("model_call", SpanOutcome.ok)),
    *(
        ("content", SpanOutcome.failed),
        ("content", SpanOutcome.interrupted),
        ("content", SpanOutcome.stopped),
    ),
    *(("content", SpanOutcome.running), ("wait", SpanOutcome.ok), ("retry", SpanOutcome.ok)),
    *(("webhook", SpanOutcome.ok), ("decision", SpanOutcome.ok)),
)


def draw(chart: Chart, now: datetime, title: str, href: Href, words: NullTranslations) -> str:
    """`href` is where the label of a concept leads."""
    return "".join(_drawn(chart, now, title, href, words))


def legend(spans: Collection[Span], words: NullTranslations) -> list[tuple[str, str]]:
    """A small picture of each kind of bar that these spans have, which is markup, and what it is."""
    found = []
    there = {span.kind for span in spans}
    ends = {span.outcome for span in spans if span.kind in FULL}
    for kind, outcome in IN_LEGEND:
        if (kind not in there) if outcome == SpanOutcome.ok else (outcome not in ends):
            continue
        at = datetime.min
        span = Span(
            id="", kind=SpanKind(kind), name="", started_at=at, ended_at=at, outcome=outcome
        )
        inner = "".join(_shape(SpanBar((span,), 3, 25, 2)))
        if kind == SpanKind.model_call:  # as it is within what it is for
            around = "".join(
                _shape(SpanBar((span.model_copy(update={"kind": SpanKind.content}),), 3, 25, 2))
            )
            inner = f'{around}<g class="w-within">{"".join(_shape(SpanBar((span,), 5, 23, 6.5, 3)))}</g>'
        said = (
            words.gettext(NAMES[span.kind])
            if outcome == SpanOutcome.ok
            else outcome_text(span, words)
        )
        svg = f'<svg class="waterfall key" viewBox="0 0 28 16" width="28" height="16" aria-hidden="true">{inner}</svg>'
        found.append((svg, said))
    return found


def said_of(bar: SpanBar, chart: Chart, now: datetime, words: NullTranslations) -> str:
    """What is shown of a bar when one points at it."""
    lines = [_sentence(span, chart, now, words) for span in bar.spans[:MOST_TOLD]]
    if len(bar.spans) > MOST_TOLD:
        more = len(bar.spans) - MOST_TOLD
        lines.append(words.ngettext("and one more", "and %(count)d more", more) % {"count": more})
    return "\n".join(lines)


def _sentence(span: Span, chart: Chart, now: datetime, words: NullTranslations) -> str:
    begun = (span.started_at - chart.began).total_seconds()
    took = (span.ended(now) - span.started_at).total_seconds()
    parts = [
        span_name(span, words),
        outcome_text(span, words),
        f"{told(begun)} + {told(took, 0.1)}",
    ]
    if span.attempt:
        parts.append(words.gettext("try %(number)d") % {"number": span.attempt})
    if span.prompt_tokens is not None and span.completion_tokens is not None:
        parts.append(
            words.gettext("%(count)d tokens")
            % {"count": span.prompt_tokens + span.completion_tokens}
        )
    if span.concept:
        parts.insert(0, span.concept)
    return " · ".join([*parts, span.reason] if span.reason else parts)


def _drawn(
    chart: Chart, now: datetime, title: str, href: Href, words: NullTranslations
) -> Iterator[str]:
    width, height = _number(chart.width), _number(chart.height)
    count = sum(
        len(bar.spans) + sum(len(call.spans) for call in bar.inner)
        for row in chart.rows
        for bar in row.bars
    )
    desc = words.gettext(
        "%(rows)d rows, %(spans)d spans of time, %(duration)s. The table below says the same in words."
    )
    desc %= {"rows": len(chart.rows), "spans": count, "duration": told(round(chart.seconds))}
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="waterfall" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="group" aria-labelledby="waterfall-title" aria-describedby="waterfall-desc">'
        f'<title id="waterfall-title">{_text(title)}</title><desc id="waterfall-desc">{_text(desc)}</desc>{PATTERNS}'
    )
    for number, row in enumerate(chart.rows):
        if number % 2:
            yield f'<rect class="w-band" x="0" y="{_number(row.y)}" width="{width}" height="{_number(row.height)}"/>'
    step = chart.ticks[1][0] - chart.ticks[0][0] if len(chart.ticks) > 1 else 0.1
    for second, x in chart.ticks:
        yield f'<path class="w-grid" d="M{_number(x)} {_number(TOP - 6)}V{height}"/>{_small(x, TOP - 12, told(second, step))}'
    for gap in chart.scale.gaps:
        middle = (gap.left + gap.right) / 2
        yield f'<path class="w-gap" d="{_zigzag(middle, TOP - 6, chart.height)}"/>'
        yield _small(middle, 12, told(round(gap.end - gap.start)))
    for row in chart.rows:
        yield _row_label(row, href)
        for bar in row.bars:
            yield f"<g><title>{_text(said_of(bar, chart, now, words), lines=True)}</title>{''.join(_shape(bar))}</g>"
            for call in bar.inner:
                told_of = _text(said_of(call, chart, now, words), lines=True)
                yield f'<g class="w-within"><title>{told_of}</title>{"".join(_shape(call))}</g>'
    yield "</svg>"


def _row_label(row: ChartRow, href: Href) -> str:
    y = _number(row.y + row.height / 2 + FONT * 0.36)
    text = f'<text x="{_number(LABEL_RIGHT)}" y="{y}" text-anchor="end" font-size="{_number(FONT)}">{_text(row.label)}</text>'
    if row.key != "concept":
        return text
    return f"<a href={quoteattr(href(row.concepts[0]))}>{text}</a>"


def _shape(bar: SpanBar) -> Iterator[str]:
    classes = f"w-{bar.kind} w-{bar.outcome}"
    x, y, width, middle = bar.left, bar.y, bar.right - bar.left, bar.y + bar.height / 2
    match bar.kind:
        case SpanKind.decision:
            middle_x = (bar.left + bar.right) / 2
            yield f'<path class="{classes}" d="M{_number(middle_x)} {_number(middle - 5)}l5 5l-5 5l-5 -5Z"/>'
        case SpanKind.queued:
            ends = f"M{_number(x + 0.5)} {_number(middle - 3)}v6M{_number(x)} {_number(middle)}H{_number(bar.right)}"
            yield f'<path class="{classes}" d="{ends}"/>'
        case SpanKind.webhook:
            yield f'<path class="{classes}" d="M{_number(x)} {_number(middle)}H{_number(bar.right)}"/>'
            yield f'<circle class="{classes}" cx="{_number(x)}" cy="{_number(middle)}" r="3.5"/>'
        case SpanKind.wait | SpanKind.retry:
            pattern = "w-hatch" if bar.kind == SpanKind.wait else "w-dots"
            box = f'x="{_number(x)}" y="{_number(y + 2)}" width="{_number(width)}" height="{_number(bar.height - 4)}"'
            yield f'<rect class="{classes}" {box} fill="url(#{pattern})"/>'
        case _:
            box = f'x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" height="{_number(bar.height)}"'
            yield f'<rect class="{classes}" {box} rx="{2 if bar.kind in FULL else 0}"/>'
    if bar.kind in FULL and bar.outcome == SpanOutcome.running and width > 8:
        tip = f"M{_number(bar.right - 6)} {_number(y + 2)}l4 {_number(bar.height / 2 - 2)}l-4 {_number(bar.height / 2 - 2)}"
        yield f'<path class="w-tip" d="{tip}"/>'
    if bar.kind in (*FULL, SpanKind.webhook) and bar.outcome in (
        SpanOutcome.failed,
        SpanOutcome.interrupted,
    ):
        size = min(3.0, width / 2 - 0.5)
        left, right = _number(bar.right - 2 * size - 1), _number(bar.right - 1)
        top, bottom = _number(middle - size), _number(middle + size)
        yield f'<path class="w-cross" d="M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}"/>'


def _small(x: float, y: float, text: str) -> str:
    return f'<text class="w-quiet" x="{_number(x)}" y="{_number(y)}" text-anchor="middle" font-size="11">{_text(text)}</text>'


def _zigzag(x: float, top: float, bottom: float) -> str:
    turns, y, side = [f"M{_number(x)} {_number(top)}"], top, 1
    while y < bottom:
        y = min(y + 6, bottom)
        turns.append(f"L{_number(x + 3 * side)} {_number(y)}")
        side = -side
    return "".join(turns)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(text: str, *, lines: bool = False) -> str:
    kept = (
        "\n".join(one_line(strip_nul(line)) for line in text.split("\n"))
        if lines
        else one_line(strip_nul(text))
    )
    return escape(NOT_XML.sub("", kept))
