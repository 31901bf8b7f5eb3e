"""Layout of the map and its parts: pure geometry, with stages as columns or as rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from gettext import NullTranslations
from uuid import UUID

from core.i18n import ENGLISH
from core.sanitize import one_line
from roadmap.exchange.map.text_width import text_width, wrap
from roadmap.plan.statuses import FINAL, RoadmapStatus
from roadmap.plan.views import (
    BEHIND,
    WORDS,
    ConceptMark,
    ConceptNode,
    ModuleNode,
    RoadmapTree,
    StageNode,
    concepts_of,
    mark_of,
    next_of,
)

ASCENT, DESCENT = 0.95, 0.25  # of a line, in em

Point = tuple[float, float]
Bend = tuple[Point, Point, Point]


class Direction(StrEnum):
    columns = "columns"
    rows = "rows"


@dataclass(frozen=True, slots=True)
class Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Label:
    """Lines of text, which need at most `box`."""

    lines: tuple[str, ...]
    box: Box
    size: float
    leading: float
    bold: bool = False

    @property
    def baselines(self) -> tuple[float, ...]:
        first = (
            self.box.y + (self.leading - self.size * (ASCENT + DESCENT)) / 2 + self.size * ASCENT
        )
        return tuple(first + number * self.leading for number in range(len(self.lines)))


@dataclass(frozen=True, slots=True)
class Pill:
    concept: ConceptNode
    box: Box
    label: Label
    mark: ConceptMark
    is_next: bool


@dataclass(frozen=True, slots=True)
class Card:
    module: ModuleNode
    box: Box
    label: Label
    pills: tuple[Pill, ...]


@dataclass(frozen=True, slots=True)
class ProgressBar:
    """Share that is done, from 0 to 1."""

    box: Box
    done: float


@dataclass(frozen=True, slots=True)
class StageBlock:
    stage: StageNode
    number: int
    box: Box
    labels: tuple[Label, Label, Label]  # number, title, counts
    bar: ProgressBar
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """Arrow from a prerequisite to the concept that needs it: cubic bends of three points each.

    `head` are the ends of its head. `is_past`: both concepts are done or skipped.
    """

    source: UUID
    target: UUID
    start: Point
    bends: tuple[Bend, ...]
    head: tuple[Point, Point]
    is_past: bool

    @property
    def tip(self) -> Point:
        return self.bends[-1][-1]


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of the legend; `mark` is None for the arrow."""

    mark: ConceptMark | None
    is_next: bool
    box: Box
    label: Label


@dataclass(frozen=True, slots=True)
class MapLayout:
    """`empty` is shown instead of stages."""

    direction: Direction
    width: float
    height: float
    heading: tuple[Label, ...]
    bar: ProgressBar | None
    stages: tuple[StageBlock, ...]
    curves: tuple[Curve, ...]
    legend: tuple[Key, ...]
    empty: Label | None
    has_progress: bool = True

    @property
    def pills(self) -> tuple[Pill, ...]:
        return tuple(pill for block in self.stages for card in block.cards for pill in card.pills)


COLUMN = 240.0  # width of a stage that is a column
GUTTER = 36.0  # between two columns
MARGIN = 28.0
NARROW = 360.0  # the whole width of rows
NARROW_MARGIN = 16.0
PAD = 12.0  # inside a card
GAP = 12.0  # between pills
CARD_GAP = 16.0
DOT = 18.0  # from the edge of a pill to the middle of its mark
PILL_LEFT, PILL_RIGHT, PILL_PAD = 34.0, 14.0, 9.0
BAR = 4.0
NEAREST_RAIL, FARTHEST_RAIL = 8.0, 21.0  # left of the pills, for curves that stay in their column


def arrange(
    tree: RoadmapTree,
    direction: Direction = Direction.columns,
    *,
    heading: bool = True,
    has_progress: bool = True,
    texts: NullTranslations = ENGLISH,
) -> MapLayout:
    """Return the layout of a tree; `heading` adds its title, for a map outside of a page.

    Without `has_progress`, for readers who have none, it shows neither progress nor a next concept.
    """
    is_upright = direction is Direction.columns
    margin = MARGIN if is_upright else NARROW_MARGIN
    count = max(len(tree.stages), 2)
    width = 2 * margin + count * COLUMN + (count - 1) * GUTTER if is_upright else NARROW
    inside = width - 2 * margin
    labels, bar, top = _heading(tree, margin, inside, texts) if heading else ((), None, margin)
    if not tree.stages:
        words = (
            texts.gettext("No plan.")
            if tree.status in FINAL or tree.status == RoadmapStatus.awaiting_answers
            else texts.gettext("Drafting your plan …")
        )
        empty = _label(words, margin, top + 24, inside, size=15, leading=22)
        return MapLayout(
            direction, width, empty.box.bottom + 24 + margin, labels, bar, (), (), (), empty
        )
    each = COLUMN if is_upright else inside
    blocks = _blocks(tree, margin, top, each, texts, direction=direction, has_progress=has_progress)
    curves = tuple(_curves(blocks))
    legend = _legend(blocks, bool(curves), margin, inside, texts, has_progress=has_progress)
    return MapLayout(
        direction,
        width,
        legend[-1].box.bottom + margin,
        labels,
        bar,
        blocks,
        curves,
        legend,
        None,
        has_progress,
    )


def counts_of(concepts: Sequence[ConceptNode]) -> tuple[int, int]:
    """Return how many concepts are done, and of how many; skipped ones do not count."""
    marks = [mark_of(concept) for concept in concepts]
    done = marks.count(ConceptMark.done) + marks.count(ConceptMark.learned)
    return done, len(marks) - marks.count(ConceptMark.skipped)


def done_of(concepts: Sequence[ConceptNode], texts: NullTranslations = ENGLISH) -> str:
    done, total = counts_of(concepts)
    return texts.gettext("%(done)d of %(counted)d done") % {"done": done, "counted": total}


def hours_of(hours: int, texts: NullTranslations = ENGLISH) -> str:
    return texts.ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}


def times_of(concept: ConceptNode, texts: NullTranslations = ENGLISH) -> str:
    """Return the time to read and that to practise, or the hours of what is not written."""
    if not concept.reading_minutes:
        return hours_of(concept.hours, texts)
    hours, minutes = round(concept.practice_minutes / 60), concept.practice_minutes
    practice = (
        texts.gettext("%(count)d h") % {"count": hours}
        if minutes >= 60
        else texts.gettext("%(count)d min") % {"count": minutes}
    )
    text = texts.gettext("%(read)d min to read, about %(practice)s to practise")
    return text % {"read": concept.reading_minutes, "practice": practice}


def facts_of(tree: RoadmapTree, texts: NullTranslations = ENGLISH) -> dict[str, str]:
    """Return the numbers of stages, concepts, hours, weeks and done concepts as texts."""
    stages, concepts = len(tree.stages), concepts_of(tree)
    return {
        "stages": texts.ngettext("%(count)d stage", "%(count)d stages", stages) % {"count": stages},
        "concepts": texts.ngettext("%(count)d concept", "%(count)d concepts", len(concepts))
        % {"count": len(concepts)},
        "hours": hours_of(tree.hours, texts),
        "weeks": texts.ngettext("%(count)d week", "%(count)d weeks", tree.weeks)
        % {"count": tree.weeks},
        "done": done_of(concepts, texts),
    }


def _label(
    text: str,
    x: float,
    y: float,
    width: float,
    *,
    size: float,
    leading: float,
    bold: bool = False,
    most: int = 3,
) -> Label:
    lines = wrap(one_line(text), width, size, bold=bold, most=most) or ("",)
    return Label(
        lines,
        Box(x, y, max(text_width(line, size, bold=bold) for line in lines), leading * len(lines)),
        size,
        leading,
        bold,
    )


def _bar(concepts: Sequence[ConceptNode], x: float, y: float, width: float) -> ProgressBar:
    done, total = counts_of(concepts)
    return ProgressBar(Box(x, y, width, BAR), done / total if total else float(bool(concepts)))


def _heading(
    tree: RoadmapTree, margin: float, width: float, texts: NullTranslations
) -> tuple[tuple[Label, ...], ProgressBar | None, float]:
    """Return the title, the facts, their bar, and the y where the stages begin."""
    x = y = margin
    size = 24.0 if width > NARROW else 20.0
    title = _label(tree.title or tree.goal, x, y, width, size=size, leading=size * 1.3, bold=True)
    if not tree.stages:
        return (title,), None, title.box.bottom + 12
    facts = _label(
        " · ".join(facts_of(tree, texts).values()),
        x,
        title.box.bottom + 4,
        width,
        size=13,
        leading=20,
    )
    bar = _bar(concepts_of(tree), x, facts.box.bottom + 12, width)
    return (title, facts), bar, bar.box.bottom + 28


def _stage_head(
    stage: StageNode,
    number: int,
    x: float,
    y: float,
    width: float,
    *,
    texts: NullTranslations,
    has_progress: bool,
) -> tuple[Label, Label, Label]:
    eyebrow = _label(
        texts.gettext("Stage %(number)d") % {"number": number}, x, y, width, size=12, leading=18
    )
    title = _label(stage.title, x, eyebrow.box.bottom, width, size=16, leading=21, bold=True)
    facts = [hours_of(stage.hours, texts)]
    if has_progress:
        facts.append(done_of(stage.concepts, texts))
    return (
        eyebrow,
        title,
        _label(" · ".join(facts), x, title.box.bottom + 2, width, size=12, leading=18),
    )


def _blocks(
    tree: RoadmapTree,
    x: float,
    top: float,
    width: float,
    texts: NullTranslations,
    *,
    direction: Direction,
    has_progress: bool,
) -> tuple[StageBlock, ...]:
    """Place the stages: columns, whose heads all end on one line, or rows."""
    head = partial(_stage_head, texts=texts, has_progress=has_progress)
    heads = [
        head(stage, number + 1, x + number * (COLUMN + GUTTER), top, width)
        for number, stage in enumerate(tree.stages)
        if direction is Direction.columns
    ]
    next_id = next_of(concepts_of(tree)) if has_progress else None
    blocks: list[StageBlock] = []
    for number, stage in enumerate(tree.stages, 1):
        if heads:
            eyebrow, title, counts = heads[number - 1]
        else:
            y = blocks[-1].box.bottom + 36 if blocks else top
            eyebrow, title, counts = head(stage, number, x, y, width)
        below = max((labels[-1].box.bottom for labels in heads), default=counts.box.bottom)
        counts = replace(counts, box=replace(counts.box, y=below - counts.box.height))
        left, upper = eyebrow.box.x, eyebrow.box.y
        bar = _bar(stage.concepts, left, below + 8, width)
        bottom = bar.box.bottom
        cards: list[Card] = []
        for module in stage.modules:
            cards.append(_card(module, left, bottom + CARD_GAP, width, next_id))
            bottom = cards[-1].box.bottom
        box = Box(left, upper, width, bottom - upper)
        blocks.append(StageBlock(stage, number, box, (eyebrow, title, counts), bar, tuple(cards)))
    return tuple(blocks)


def _card(module: ModuleNode, x: float, y: float, width: float, next_id: UUID | None) -> Card:
    label = _label(
        module.title, x + PAD + 2, y + PAD, width - 2 * PAD - 4, size=13, leading=18, bold=True
    )
    pills: list[Pill] = []
    bottom, inside = label.box.bottom, width - 2 * PAD
    for concept in module.concepts:
        top = bottom + (GAP if pills else 8)
        is_next = concept.id == next_id
        title = _label(
            concept.title,
            x + PAD + PILL_LEFT,
            top + PILL_PAD,
            inside - PILL_LEFT - PILL_RIGHT,
            size=13,
            leading=17,
            bold=is_next,
        )
        box = Box(x + PAD, top, inside, title.box.height + 2 * PILL_PAD)
        pills.append(Pill(concept, box, title, mark_of(concept), is_next))
        bottom = box.bottom
    return Card(module, Box(x, y, width, bottom + PAD - y), label, tuple(pills))


def _curves(blocks: Sequence[StageBlock]) -> Iterator[Curve]:
    """Draw each prerequisite: straight down to the next pill, and around everything else."""
    cards = [card for block in blocks for card in block.cards]
    pills = {pill.concept.id: pill for card in cards for pill in card.pills}
    neighbours = {
        (one.concept.id, two.concept.id)
        for card in cards
        for one, two in zip(card.pills, card.pills[1:], strict=False)
    }
    for target in pills.values():
        for id_ in dict.fromkeys(target.concept.prerequisites):
            source = pills.get(id_)
            if source is None or source is target:
                continue
            if (id_, target.concept.id) in neighbours:
                x, end = source.box.x + DOT, target.box.y
                start: Point = (x, source.box.bottom)
                bends: tuple[Bend, ...] = ((start, (x, end), (x, end)),)
                head: tuple[Point, Point] = ((x - 4, end - 5), (x + 4, end - 5))
            else:
                start, bends, head = _around(source.box, target.box, blocks)
            is_past = source.mark in BEHIND and target.mark in BEHIND
            yield Curve(id_, target.concept.id, start, bends, head, is_past)


def _around(
    one: Box, two: Box, blocks: Sequence[StageBlock]
) -> tuple[Point, tuple[Bend, ...], tuple[Point, Point]]:
    """Return start, bends and head of a curve along a rail on the left of its column.

    To another column it goes through the gutters, and between the pills of the columns in between.
    """
    if one.x == two.x:
        start, tip, back = (one.x, one.middle), (two.x, two.middle), -5.0
        span = tip[1] - start[1]
        rail = start[0] - min(FARTHEST_RAIL, NEAREST_RAIL + abs(span) / 16)
        turn = min(22.0, abs(span) / 2) * (1 if span > 0 else -1)
        above, below = (rail, start[1] + turn), (rail, tip[1] - turn)
        bends: tuple[Bend, ...] = (
            ((rail, start[1]), (rail, start[1]), above),
            (above, below, below),
            ((rail, tip[1]), (rail, tip[1]), tip),
        )
    else:
        is_forward = two.x > one.x
        start = (one.right if is_forward else one.x, one.middle)
        tip = (two.x if is_forward else two.right, two.middle)
        back = -5.0 if is_forward else 5.0
        bends = _between(start, tip, blocks)
    return start, bends, ((tip[0] + back, tip[1] - 4), (tip[0] + back, tip[1] + 4))


def _between(start: Point, tip: Point, blocks: Sequence[StageBlock]) -> tuple[Bend, ...]:
    """Cross each column in between where nothing is: above, between and below cards and pills."""
    is_forward = tip[0] > start[0]
    low, high = sorted((start[0], tip[0]))
    crossed = [block for block in blocks if block.box.x >= low and block.box.right <= high]
    bends: list[Bend] = []
    at = start
    for block in crossed if is_forward else reversed(crossed):
        lanes = [block.bar.box.bottom + CARD_GAP / 2]
        for card in block.cards:
            lanes.append(card.box.bottom + CARD_GAP / 2)
            lanes += [pill.box.bottom + GAP / 2 for pill in card.pills[:-1]]
        left, right = block.box.x + PAD, block.box.right - PAD
        near, far = (left, right) if is_forward else (right, left)
        wish = at[1] + (tip[1] - at[1]) * (near - at[0]) / (tip[0] - at[0])
        lane = min(lanes, key=lambda y: abs(y - wish))
        bends += (_gentle(at, (near, lane)), ((near, lane), (far, lane), (far, lane)))
        at = (far, lane)
    return (*bends, _gentle(at, tip))


def _gentle(start: Point, end: Point) -> Bend:
    middle = (start[0] + end[0]) / 2
    return (middle, start[1]), (middle, end[1]), end


def _legend(
    blocks: Sequence[StageBlock],
    has_curves: bool,
    x: float,
    width: float,
    texts: NullTranslations,
    *,
    has_progress: bool,
) -> tuple[Key, ...]:
    """Explain the marks that occur, in lines as wide as the map."""
    pills = [pill for block in blocks for card in block.cards for pill in card.pills]
    there = {pill.mark for pill in pills if has_progress or pill.mark is not ConceptMark.ready}
    entries: list[tuple[ConceptMark | None, bool, str]] = []
    if any(pill.is_next for pill in pills):
        entries.append((ConceptMark.ready, True, texts.gettext("continue here")))
    marks = (*BEHIND, *(mark for mark in ConceptMark if mark not in BEHIND))
    entries += [(mark, False, texts.gettext(WORDS[mark])) for mark in marks if mark in there]
    if has_curves or not entries:
        entries.append((None, False, texts.gettext("from prerequisite to next concept")))
    keys: list[Key] = []
    at, line = x, max(block.box.bottom for block in blocks) + 28
    for mark, is_next, words in entries:
        room = 24 + text_width(words, 12)
        if at > x and at + room > x + width:
            at, line = x, line + 24
        label = _label(words, at + 24, line, width - 24, size=12, leading=20, most=1)
        keys.append(Key(mark, is_next, Box(at, line, room, 20), label))
        at += room + 20
    return tuple(keys)
