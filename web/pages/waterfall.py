"""Layout of a timeline's waterfall: pure functions, in units of the picture.

The axis is linear in time, but for long gaps in which nothing was done: those are cut out. A row
is the plan, a concept, decisions or webhooks; it has as many lanes as things run in it at once. A
bar is as long as its span took, and 3 units at least; spans without room beside each other become
one bar. In a large roadmap, concepts that were written at the first try share rows of ten.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from gettext import NullTranslations
from itertools import chain, groupby
from uuid import UUID

from core.i18n import ENGLISH
from roadmap.exchange.map.text_width import wrap
from roadmap.lifecycle.timeline.spans import (
    WORK,
    Span,
    SpanKind,
    SpanOutcome,
    union,
    without,
)

WIDTH = 1120.0
LABEL_RIGHT, LEFT, RIGHT = 236.0, 248.0, 1100.0
TOP = 40.0  # of the first row: below the axis
LANE, BETWEEN, PADDING = 12.0, 4.0, 5.0
LEAST = 3.0  # of a bar
DIAMOND = 10.0
FONT = 12.0
MANY = 20  # concepts; in larger roadmaps those without incident share rows
TOGETHER = 10  # concepts of such a row
# A gap is cut out when it is longer than both: these seconds, and this share of the work.
LONG_SECONDS, LONG_SHARE = 10.0, 0.25
BREAK = 44.0  # units that stand for a gap
MOST_BREAKS = 6
STEPS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800),
)
APART = 64.0  # units between two ticks, so that their labels do not touch
PAUSES = (SpanKind.wait, SpanKind.retry)
WORST = (
    SpanOutcome.failed,
    SpanOutcome.interrupted,
    SpanOutcome.stopped,
    SpanOutcome.running,
    SpanOutcome.ok,
)

Place = Callable[[Span], tuple[float, float]]  # left and right end of a span


@dataclass(frozen=True, slots=True)
class Stretch:
    """Seconds from `start` to `end`, shown from `left` to `right`; a gap is empty."""

    start: float
    end: float
    left: float
    right: float
    is_gap: bool = False

    def at(self, second: float) -> float:
        if self.end <= self.start:
            return self.left
        share = (second - self.start) / (self.end - self.start)
        return self.left + share * (self.right - self.left)


@dataclass(frozen=True, slots=True)
class Scale:
    stretches: tuple[Stretch, ...]

    def at(self, second: float) -> float:
        """Return the place of a time; one outside of the scale is at its nearest end."""
        for stretch in self.stretches:
            if second <= stretch.end:
                return stretch.at(max(second, stretch.start))
        return self.stretches[-1].right

    @property
    def gaps(self) -> list[Stretch]:
        return [stretch for stretch in self.stretches if stretch.is_gap]


@dataclass(frozen=True, slots=True)
class SpanBar:
    """One span, or several without room beside each other; `inner` are model calls within it."""

    spans: tuple[Span, ...]
    left: float
    right: float
    y: float = 0.0
    height: float = LANE
    inner: tuple["SpanBar", ...] = ()

    @property
    def kind(self) -> SpanKind:
        return self.spans[0].kind

    @property
    def outcome(self) -> SpanOutcome:
        """Return the worst of them."""
        return min((span.outcome for span in self.spans), key=WORST.index)


@dataclass(frozen=True, slots=True)
class ChartRow:
    """A row with its concepts, whose titles make the label."""

    key: str  # plan, concept, concepts, decisions, webhooks
    label: str
    y: float
    height: float
    bars: tuple[SpanBar, ...]
    concepts: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    height: float
    rows: tuple[ChartRow, ...]
    ticks: tuple[tuple[float, float], ...]  # seconds, place
    scale: Scale
    began: datetime
    seconds: float


@dataclass(slots=True)
class _Group:
    """Spans of one row.

    The spans of a thing follow each other; calls belong to things by name.
    """

    key: str
    titles: list[str] = field(default_factory=list)
    concepts: list[UUID] = field(default_factory=list)
    things: list[list[Span]] = field(default_factory=list)
    calls: list[Span] = field(default_factory=list)
    waits: list[Span] = field(default_factory=list)

    @property
    def began(self) -> datetime:
        return min(span.started_at for span in chain(*self.things, self.waits, self.calls))

    @property
    def is_plain(self) -> bool:
        """Whether each part was written at the first try."""
        spans = list(chain(*self.things))
        return bool(spans) and all(
            span.kind == SpanKind.content
            and span.outcome == SpanOutcome.ok
            and span.attempt in (None, 1)
            for span in spans
        )


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


def scale_of(busy: Iterable[tuple[float, float]], end: float, left: float, right: float) -> Scale:
    """Return the scale from 0 to `end` seconds, between `left` and `right`.

    The longest gaps between what is `busy` are cut out.
    """
    worked = union(busy)
    edges = [0.0, *(edge for interval in worked for edge in interval), end]
    least = max(LONG_SECONDS, LONG_SHARE * sum(stop - start for start, stop in worked))
    between = zip(edges[::2], edges[1::2], strict=True)
    long = [(start, stop) for start, stop in between if stop - start > least]
    gaps = sorted(sorted(long, key=lambda gap: gap[0] - gap[1])[:MOST_BREAKS])
    unit = (right - left - BREAK * len(gaps)) / max(end - sum(b - a for a, b in gaps), 1e-3)
    stretches: list[Stretch] = []
    at, x = 0.0, left
    for start, stop in gaps:
        if start > at:
            stretches.append(Stretch(at, start, x, x + (start - at) * unit))
            x = stretches[-1].right
        stretches.append(Stretch(start, stop, x, x + BREAK, is_gap=True))
        at, x = stop, x + BREAK
    if at < end or not stretches:
        stretches.append(Stretch(at, max(end, at + 1e-3), x, right))
    return Scale(tuple(stretches))


def ticks(scale: Scale) -> list[tuple[float, float]]:
    """Return seconds and places of round times outside of gaps, at least `APART` units apart."""
    shown = [each for each in scale.stretches if not each.is_gap and each.right > each.left]
    if not shown:
        return []
    unit = min((stretch.right - stretch.left) / (stretch.end - stretch.start) for stretch in shown)
    step = next((step for step in STEPS if step * unit >= APART), STEPS[-1])
    found: list[tuple[float, float]] = []
    for stretch in shown:
        number = -(-stretch.start // step)
        while number * step <= stretch.end:
            x = stretch.at(number * step)
            if all(abs(x - other) >= APART for _, other in found) and not any(
                gap.left - APART / 2 < x < gap.right + APART / 2 for gap in scale.gaps
            ):
                found.append((number * step, x))
            number += 1
    return found


def arrange(
    spans: Sequence[Span], now: datetime, names: dict[str, str], *, every: bool = False
) -> Chart:
    """Return the rows of a timeline with their bars.

    `names` has the labels of rows that are not concepts, and of `concepts`, with %(first)s,
    %(last)s and %(count)d. With `every`, each concept has a row of its own.
    """
    began = min((span.started_at for span in spans), default=now)
    end = max((span.ended(now) for span in spans), default=now)
    seconds = max((end - began).total_seconds(), 1e-3)

    def since(moment: datetime) -> float:
        return (moment - began).total_seconds()

    busy = [(since(span.started_at), since(span.ended(now))) for span in spans if span.kind in WORK]
    scale = scale_of(busy, seconds, LEFT, RIGHT)

    def place(span: Span) -> tuple[float, float]:
        return scale.at(since(span.started_at)), scale.at(since(span.ended(now)))

    rows: list[ChartRow] = []
    y = TOP
    for group in _groups(spans, every=every):
        bars = _bars(group, place)
        lanes = 1 + max((int(bar.y) for bar in bars), default=0)
        height = 2 * PADDING + lanes * LANE + (lanes - 1) * BETWEEN
        placed = []
        for bar in bars:
            top = y + PADDING + bar.y * (LANE + BETWEEN)
            inner = [replace(call, y=top + LANE / 2 - 1.5, height=3.0) for call in bar.inner]
            placed.append(replace(bar, y=top, inner=tuple(inner)))
        label, concepts = _label(group, names), tuple(group.concepts)
        rows.append(ChartRow(group.key, label, y, height, tuple(placed), concepts))
        y += height
    return Chart(y + PADDING, tuple(rows), tuple(ticks(scale)), scale, began, seconds)


def _groups(spans: Sequence[Span], *, every: bool) -> Iterator[_Group]:
    """Yield the plan, concepts in the order in which they began, decisions, and webhooks."""
    whole = [span for span in spans if span.concept_id is None]
    designed = (SpanKind.analysis, SpanKind.outline, SpanKind.repair)
    things = [_of_kind(whole, SpanKind.plan, *PAUSES), _of_kind(whole, *designed)]
    calls, waits = _of_kind(whole, SpanKind.model_call), _of_kind(whole, SpanKind.queued)
    if any(things) or calls or waits:
        yield _Group("plan", things=things, calls=calls, waits=waits)
    by_concept: dict[UUID, list[Span]] = defaultdict(list)
    for span in spans:
        if span.concept_id is not None:
            by_concept[span.concept_id].append(span)
    concepts: list[_Group] = []
    for concept_id, its in by_concept.items():
        title = next((span.concept for span in its if span.concept), "")
        parts: dict[str, list[Span]] = defaultdict(list)
        for span in _of_kind(its, SpanKind.content, *PAUSES):
            parts[span.name].append(span)
        calls, waits = _of_kind(its, SpanKind.model_call), _of_kind(its, SpanKind.queued)
        concepts.append(
            _Group("concept", [title], [concept_id], list(parts.values()), calls, waits)
        )
    concepts.sort(key=lambda group: group.began)
    yield from concepts if every or len(concepts) <= MANY else _merge_plain(concepts)
    if decisions := _of_kind(whole, SpanKind.decision):
        yield _Group("decisions", things=[decisions])
    if webhooks := _of_kind(whole, SpanKind.webhook):
        yield _Group("webhooks", things=[[span] for span in webhooks])


def _of_kind(spans: Iterable[Span], *kinds: SpanKind) -> list[Span]:
    return [span for span in spans if span.kind in kinds]


def _merge_plain(groups: Sequence[_Group]) -> Iterator[_Group]:
    """Yield the groups, with those in a row that have no incident merged, ten each."""
    for is_plain, run in groupby(groups, key=lambda group: group.is_plain):
        its = list(run)
        if not is_plain or len(its) < 3:
            yield from its
            continue
        for start in range(0, len(its), TOGETHER):
            some = its[start : start + TOGETHER]
            written = chain(*(thing for group in some for thing in group.things))
            yield _Group(
                "concepts",
                [group.titles[0] for group in some],
                [id_ for group in some for id_ in group.concepts],
                [sorted(written, key=lambda span: span.started_at)],
            )


def _bars(group: _Group, place: Place) -> list[SpanBar]:
    """Return the bars of a row; their `y` is the number of their lane."""
    ends: list[float] = []  # of lanes
    bars: list[SpanBar] = []
    for thing in sorted(filter(None, group.things), key=lambda thing: thing[0].started_at):
        its = [_with_calls(bar, group.calls, place) for bar in _one_lane(thing, place)]
        lane = next((number for number, end in enumerate(ends) if end <= its[0].left), len(ends))
        ends[lane:] = [its[-1].right + 1, *ends[lane + 1 :]]
        bars += [replace(bar, y=lane) for bar in its]
    shown = {call.id for bar in bars for inner in bar.inner for call in inner.spans}
    others = _one_lane([call for call in group.calls if call.id not in shown], place)
    bars += [replace(bar, y=len(ends)) for bar in others]
    waited, filled = union(map(place, group.waits)), union((bar.left, bar.right) for bar in bars)
    for left, right in without(waited, filled):
        if right - left >= 1:  # nothing else is done meanwhile
            during = tuple(
                span for span in group.waits if place(span)[0] < right and place(span)[1] > left
            )
            bars.append(SpanBar(during, left, right))
    return bars


def _one_lane(spans: Iterable[Span], place: Place) -> list[SpanBar]:
    """Return the bars of a lane, each behind the other."""
    bars: list[SpanBar] = []
    for span in sorted(spans, key=lambda span: span.started_at):
        left, right = place(span)
        least = DIAMOND if span.kind == SpanKind.decision else LEAST
        left = min(left, RIGHT - least)
        if bars and left < (last := bars[-1]).right:
            # Without room behind the last bar, or at the same time as that: one bar.
            if right < last.right + least:
                bars[-1] = replace(last, spans=(*last.spans, span), right=max(last.right, right))
                continue
            if right - left > 2 * least and left < last.right - least:
                bars[-1] = replace(last, spans=(*last.spans, span), right=right)
                continue
            left = last.right
        bars.append(SpanBar((span,), left, max(right, left + least)))
    return bars


def _with_calls(bar: SpanBar, calls: Sequence[Span], place: Place) -> SpanBar:
    """Return the bar with the model calls that were made for its spans."""
    if bar.kind != SpanKind.content:  # calls for the plan have a lane of their own
        return bar
    names = {span.name for span in bar.spans}
    began, ended = bar.spans[0].started_at, [span.ended_at for span in bar.spans]
    its = [
        call
        for call in calls
        if call.name in names
        and call.started_at >= began
        and any(end is None or call.started_at <= end for end in ended)
    ]
    inner = [
        replace(call, left=max(call.left, bar.left), right=min(call.right, bar.right))
        for call in _one_lane(its, place)
    ]
    return replace(bar, inner=tuple(call for call in inner if call.right > call.left))


def _label(group: _Group, names: dict[str, str]) -> str:
    """Return the label of a row, cut to one line."""
    label = names.get(group.key) or group.titles[0] or "?"
    if group.key == "concepts":
        first, last = (wrap(group.titles[at], 76, FONT, most=1)[0] for at in (0, -1))
        label %= {"first": first, "last": last, "count": len(group.concepts)}
    lines = wrap(label, LABEL_RIGHT - 12, FONT, most=1)
    return lines[0] if lines else ""
