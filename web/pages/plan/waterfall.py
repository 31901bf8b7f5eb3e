"""Where everything of a timeline stands when it is drawn: pure, in units of the picture, so that nothing lies over anything.

A row is the plan, a concept, what people decided, or what webhooks were told; it has as many lanes as things go on in it at
once. A bar is as long as its span took, and 3 units at least; those that have no room beside each other become one. Concepts
that were written at the first try, in a large roadmap, share rows of ten.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from uuid import UUID

from roadmap.exchange.map.text_width import wrap
from roadmap.lifecycle.timeline.intervals import union, without
from roadmap.lifecycle.timeline.spans import WORK, Span, SpanKind, SpanOutcome
from web.pages.plan.timescale import Scale, scale_of, ticks

WIDTH = 1120.0
LABEL_RIGHT, LEFT, RIGHT = 236.0, 248.0, 1100.0
TOP = 40.0  # of the first row: below the axis
LANE, BETWEEN, PADDING = 12.0, 4.0, 5.0
LEAST = 3.0  # of a bar
DIAMOND = 10.0
FONT = 12.0
MANY, TOGETHER = (
    20,
    10,
)  # concepts from which on those without incident share rows; of how many a row is then
PAUSES = (SpanKind.wait, SpanKind.retry)
WORST = (
    SpanOutcome.failed,
    SpanOutcome.interrupted,
    SpanOutcome.stopped,
    SpanOutcome.running,
    SpanOutcome.ok,
)


Place = Callable[[Span], tuple[float, float]]  # from where to where a span stands


@dataclass(frozen=True, slots=True)
class SpanBar:
    """One span, or several that have no room beside each other; `inner` are calls of the model within it."""

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
        """The worst of them."""
        return min((span.outcome for span in self.spans), key=WORST.index)


@dataclass(frozen=True, slots=True)
class ChartRow:
    """`concepts` are those of which it tells; their `titles` are the label, cut to one line."""

    key: str  # plan, concept, concepts, decisions, webhooks
    label: str
    y: float
    height: float
    bars: tuple[SpanBar, ...]
    concepts: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    width: float
    height: float
    rows: tuple[ChartRow, ...]
    ticks: tuple[tuple[float, float], ...]  # seconds, place
    scale: Scale
    began: datetime
    seconds: float


@dataclass(slots=True)
class _Group:
    """What becomes a row: things of which each happens one after the other, and calls that belong to them by name."""

    key: str
    titles: list[str]
    concepts: list[UUID]
    things: list[list[Span]] = field(default_factory=list)
    calls: list[Span] = field(default_factory=list)
    waits: list[Span] = field(default_factory=list)

    @property
    def began(self) -> datetime:
        return min(
            span.started_at
            for span in [*(s for thing in self.things for s in thing), *self.waits, *self.calls]
        )

    @property
    def is_plain(self) -> bool:
        """Each part was written at the first try, and nothing is to be said of it."""
        spans = [span for thing in self.things for span in thing]
        return bool(spans) and all(
            span.kind == SpanKind.content
            and span.outcome == SpanOutcome.ok
            and span.attempt in (None, 1)
            for span in spans
        )


def arrange(
    spans: Sequence[Span], now: datetime, names: dict[str, str], *, every: bool = False
) -> Chart:
    """`names` has the labels of rows that are not concepts, and of `concepts`, with %(first)s, %(last)s and %(count)d.

    With `every`, each concept has a row of its own.
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
        bars = list(_bars(group, place))
        lanes = 1 + max((int(bar.y) for bar in bars), default=0)
        height = 2 * PADDING + lanes * LANE + (lanes - 1) * BETWEEN
        placed = tuple(_placed(bar, y + PADDING) for bar in bars)
        rows.append(
            ChartRow(group.key, _label(group, names), y, height, placed, tuple(group.concepts))
        )
        y += height
    return Chart(WIDTH, y + PADDING, tuple(rows), tuple(ticks(scale)), scale, began, seconds)


def _groups(spans: Sequence[Span], *, every: bool) -> Iterator[_Group]:
    """The plan, then concepts by when they were begun, then what people decided and what webhooks were told."""
    whole = [span for span in spans if span.concept_id is None]
    plan = _Group("plan", [], [])
    plan.things = [
        [span for span in whole if span.kind in kinds]
        for kinds in (
            {SpanKind.plan, *PAUSES},
            {SpanKind.analysis, SpanKind.outline, SpanKind.repair},
        )
    ]
    plan.waits = [span for span in whole if span.kind == SpanKind.queued]
    plan.calls = [span for span in whole if span.kind == SpanKind.model_call]
    if any(plan.things) or plan.waits or plan.calls:
        yield plan
    concepts = sorted(_of_concepts(spans), key=lambda group: group.began)
    yield from concepts if every or len(concepts) <= MANY else _together(concepts)
    for key, kind in (("decisions", SpanKind.decision), ("webhooks", SpanKind.webhook)):
        if found := [span for span in whole if span.kind == kind]:
            things = [[span] for span in found] if kind == SpanKind.webhook else [found]
            yield _Group(key, [], [], things)


def _of_concepts(spans: Sequence[Span]) -> Iterator[_Group]:
    by_concept: dict[UUID, list[Span]] = {}
    for span in spans:
        if span.concept_id is not None:
            by_concept.setdefault(span.concept_id, []).append(span)
    for concept_id, its in by_concept.items():
        group = _Group(
            "concept", [next((span.concept for span in its if span.concept), "")], [concept_id]
        )
        group.waits = [span for span in its if span.kind == SpanKind.queued]
        group.calls = [span for span in its if span.kind == SpanKind.model_call]
        tried = [span for span in its if span.kind in (SpanKind.content, *PAUSES)]
        for name in dict.fromkeys(span.name for span in tried):
            group.things.append([span for span in tried if span.name == name])
        yield group


def _together(groups: Sequence[_Group]) -> Iterator[_Group]:
    """Those of which there is nothing to say, ten in a row."""
    for is_plain, run in groupby(groups, key=lambda group: group.is_plain):
        its = list(run)
        if not is_plain or len(its) < 3:
            yield from its
            continue
        for start in range(0, len(its), TOGETHER):
            some = its[start : start + TOGETHER]
            titles, concepts = (
                [group.titles[0] for group in some],
                [id_ for group in some for id_ in group.concepts],
            )
            written = sorted(
                (span for group in some for thing in group.things for span in thing),
                key=lambda s: s.started_at,
            )
            yield _Group("concepts", titles, concepts, [written])


def _bars(group: _Group, place: Place) -> Iterator[SpanBar]:
    """Their `y` is the number of their lane."""
    ends: list[float] = []  # of lanes
    bars: list[SpanBar] = []
    for thing in sorted(
        (thing for thing in group.things if thing), key=lambda thing: thing[0].started_at
    ):
        its = [_with_calls(bar, group.calls, place) for bar in _beside_each_other(thing, place)]
        lane = next((number for number, end in enumerate(ends) if end <= its[0].left), len(ends))
        ends[lane:] = [its[-1].right + 1, *ends[lane + 1 :]]
        bars += [replace(bar, y=lane) for bar in its]
    shown = {call.id for bar in bars for inner in bar.inner for call in inner.spans}
    others = _beside_each_other([call for call in group.calls if call.id not in shown], place)
    bars += [replace(bar, y=len(ends)) for bar in others]
    for left, right in without(
        union(map(place, group.waits)), union((bar.left, bar.right) for bar in bars)
    ):
        if right - left >= 1:  # nothing is done for it meanwhile
            during = tuple(
                span for span in group.waits if place(span)[0] < right and place(span)[1] > left
            )
            bars.append(SpanBar(during, left, right, 0, LANE))
    return iter(bars)


def _beside_each_other(spans: Iterable[Span], place: Place) -> list[SpanBar]:
    """In one lane, each behind the other."""
    bars: list[SpanBar] = []
    for span in sorted(spans, key=lambda span: span.started_at):
        left, right = place(span)
        least = DIAMOND if span.kind == SpanKind.decision else LEAST
        left = min(left, RIGHT - least)
        if bars and left < bars[-1].right:
            if right < bars[-1].right + least:
                bars[-1] = replace(
                    bars[-1], spans=(*bars[-1].spans, span), right=max(bars[-1].right, right)
                )
                continue
            if right - left > 2 * least and left < bars[-1].right - least:  # they did go on at once
                bars[-1] = replace(bars[-1], spans=(*bars[-1].spans, span), right=right)
                continue
            left = bars[-1].right
        bars.append(SpanBar((span,), left, max(right, left + least)))
    return bars


def _with_calls(bar: SpanBar, calls: Sequence[Span], place: Place) -> SpanBar:
    """Calls of the model that were made for what the bar tells of."""
    if bar.kind != SpanKind.content:  # those for the plan have a lane of their own
        return bar
    names = {span.name for span in bar.spans}
    begun, ended = bar.spans[0].started_at, [span.ended_at for span in bar.spans]
    its = [
        call
        for call in calls
        if call.name in names
        and call.started_at >= begun
        and any(end is None or call.started_at <= end for end in ended)
    ]
    inner = [
        replace(c, left=max(c.left, bar.left), right=min(c.right, bar.right))
        for c in _beside_each_other(its, place)
    ]
    return replace(bar, inner=tuple(call for call in inner if call.right > call.left))


def _placed(bar: SpanBar, top: float) -> SpanBar:
    y = top + bar.y * (LANE + BETWEEN)
    inner = tuple(replace(call, y=y + LANE / 2 - 1.5, height=3.0) for call in bar.inner)
    return replace(bar, y=y, inner=inner)


def _label(group: _Group, names: dict[str, str]) -> str:
    if group.key == "concepts":
        first, last = (
            wrap(title, 76, FONT, most=1)[0] for title in (group.titles[0], group.titles[-1])
        )
        return _cut(
            names["concepts"] % {"first": first, "last": last, "count": len(group.concepts)}
        )
    return _cut(names[group.key] if group.key in names else group.titles[0] or "?")


def _cut(text: str) -> str:
    """To one line of the label's width."""
    lines = wrap(text, LABEL_RIGHT - 12, FONT, most=1)
    return lines[0] if lines else ""
