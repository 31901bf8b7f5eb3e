"""Where everything stands: pure geometry. Stages are columns from left to right, or rows from top to bottom."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from gettext import NullTranslations
from uuid import UUID

from core.i18n import ENGLISH
from core.sanitize import one_line
from roadmap.exchange.map.shapes import (
    Bend,
    Box,
    Card,
    Curve,
    Direction,
    Key,
    Label,
    MapLayout,
    Pill,
    Point,
    ProgressBar,
    StageBlock,
)
from roadmap.exchange.map.text_width import text_width, wrap
from roadmap.plan.concept_marks import BEHIND, WORDS, ConceptMark, mark_of, next_of
from roadmap.plan.statuses import FINAL
from roadmap.plan.views import ConceptNode, ModuleNode, RoadmapTree, StageNode, concepts_of

COLUMN = 240.0  # the width of a stage that stands upright
GUTTER = 36.0  # between two of them
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
    texts: NullTranslations = ENGLISH,
) -> MapLayout:
    """The same tree gives the same picture. `heading`: with the title, for a picture that stands alone."""
    is_upright = direction is Direction.columns
    margin = MARGIN if is_upright else NARROW_MARGIN
    count = max(len(tree.stages), 2)
    width = 2 * margin + count * COLUMN + (count - 1) * GUTTER if is_upright else NARROW
    inside = width - 2 * margin
    top = margin
    labels: tuple[Label, ...] = ()
    bar = None
    if heading:
        labels, bar, top = _heading(tree, margin, top, inside, texts)
    if not tree.stages:
        is_over = tree.status in FINAL
        words = (
            texts.gettext("There is no plan.")
            if is_over
            else texts.gettext("The plan is not made yet.")
        )
        empty = _label(words, margin, top + 24, inside, size=15, leading=22)
        return MapLayout(
            direction, width, empty.box.bottom + 24 + margin, labels, bar, (), (), (), empty
        )
    blocks = (
        _columns(tree, margin, top, texts)
        if is_upright
        else _rows(tree, margin, top, inside, texts)
    )
    curves = tuple(_curves(blocks))
    legend = _legend(
        blocks,
        bool(curves),
        margin,
        max(block.box.bottom for block in blocks) + 28,
        inside,
        texts=texts,
    )
    return MapLayout(
        direction, width, legend[-1].box.bottom + margin, labels, bar, blocks, curves, legend, None
    )


def counts_of(concepts: Sequence[ConceptNode]) -> tuple[int, int]:
    """How many are done, and of how many: what is skipped is not counted."""
    marks = [mark_of(concept) for concept in concepts]
    return marks.count(ConceptMark.done), len(marks) - marks.count(ConceptMark.skipped)


def done_of(concepts: Sequence[ConceptNode], texts: NullTranslations = ENGLISH) -> str:
    done, counted = counts_of(concepts)
    return texts.gettext("%(done)d of %(counted)d done") % {"done": done, "counted": counted}


def hours_of(hours: int, texts: NullTranslations = ENGLISH) -> str:
    return texts.ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}


def facts_of(tree: RoadmapTree, texts: NullTranslations = ENGLISH) -> dict[str, str]:
    """The roadmap in numbers."""
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
    done, counted = counts_of(concepts)
    return ProgressBar(Box(x, y, width, BAR), done / counted if counted else float(bool(concepts)))


def _heading(
    tree: RoadmapTree, x: float, y: float, width: float, texts: NullTranslations
) -> tuple[tuple[Label, ...], ProgressBar | None, float]:
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
    stage: StageNode, number: int, x: float, y: float, width: float, *, texts: NullTranslations
) -> tuple[Label, Label, Label]:
    concepts = [concept for module in stage.modules for concept in module.concepts]
    eyebrow = _label(
        texts.gettext("Stage %(number)d") % {"number": number}, x, y, width, size=12, leading=18
    )
    title = _label(stage.title, x, eyebrow.box.bottom, width, size=16, leading=21, bold=True)
    facts = f"{hours_of(stage.hours, texts)} · {done_of(concepts, texts)}"
    counts = _label(facts, x, title.box.bottom + 2, width, size=12, leading=18)
    return eyebrow, title, counts


def _columns(
    tree: RoadmapTree, margin: float, top: float, texts: NullTranslations
) -> tuple[StageBlock, ...]:
    places = [margin + number * (COLUMN + GUTTER) for number in range(len(tree.stages))]
    heads = [
        _stage_head(stage, number, x, top, COLUMN, texts=texts)
        for number, (stage, x) in enumerate(zip(tree.stages, places, strict=True), 1)
    ]
    below = max(labels[-1].box.bottom for labels in heads)
    next_id = next_of(concepts_of(tree))
    return tuple(
        _block(
            stage, number, x=x, top=top, below=below, width=COLUMN, labels=labels, next_id=next_id
        )
        for number, (stage, x, labels) in enumerate(zip(tree.stages, places, heads, strict=True), 1)
    )


def _rows(
    tree: RoadmapTree, margin: float, top: float, width: float, texts: NullTranslations
) -> tuple[StageBlock, ...]:
    blocks: list[StageBlock] = []
    next_id = next_of(concepts_of(tree))
    for number, stage in enumerate(tree.stages, 1):
        y = blocks[-1].box.bottom + 36 if blocks else top
        labels = _stage_head(stage, number, margin, y, width, texts=texts)
        blocks.append(
            _block(
                stage,
                number,
                x=margin,
                top=y,
                below=labels[-1].box.bottom,
                width=width,
                labels=labels,
                next_id=next_id,
            )
        )
    return tuple(blocks)


def _block(
    stage: StageNode,
    number: int,
    *,
    x: float,
    top: float,
    below: float,
    width: float,
    labels: tuple[Label, Label, Label],
    next_id: UUID | None,
) -> StageBlock:
    """`below` is where the texts of the head end: the same line for all stages that stand side by side."""
    counts = labels[2]
    counts = replace(counts, box=replace(counts.box, y=below - counts.box.height))
    concepts = [concept for module in stage.modules for concept in module.concepts]
    bar = _bar(concepts, x, below + 8, width)
    y = bar.box.bottom + CARD_GAP
    cards: list[Card] = []
    for module in stage.modules:
        cards.append(_card(module, x, y, width, next_id))
        y = cards[-1].box.bottom + CARD_GAP
    bottom = cards[-1].box.bottom if cards else bar.box.bottom
    return StageBlock(
        stage,
        number,
        Box(x, top, width, bottom - top),
        (labels[0], labels[1], counts),
        bar,
        tuple(cards),
    )


def _card(module: ModuleNode, x: float, y: float, width: float, next_id: UUID | None) -> Card:
    label = _label(
        module.title, x + PAD + 2, y + PAD, width - 2 * PAD - 4, size=13, leading=18, bold=True
    )
    pills: list[Pill] = []
    bottom = label.box.bottom
    for concept in module.concepts:
        pills.append(
            _pill(
                concept, x + PAD, (bottom + GAP) if pills else bottom + 8, width - 2 * PAD, next_id
            )
        )
        bottom = pills[-1].box.bottom
    return Card(module, Box(x, y, width, bottom + PAD - y), label, tuple(pills))


def _pill(concept: ConceptNode, x: float, y: float, width: float, next_id: UUID | None) -> Pill:
    text = width - PILL_LEFT - PILL_RIGHT
    is_next = concept.id == next_id
    label = _label(
        concept.title, x + PILL_LEFT, y + PILL_PAD, text, size=13, leading=17, bold=is_next
    )
    box = Box(x, y, width, label.box.height + 2 * PILL_PAD)
    return Pill(concept, box, label, mark_of(concept), is_next)


def _curves(blocks: Sequence[StageBlock]) -> Iterator[Curve]:
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
            if source is not None and source is not target:
                is_beside = (id_, target.concept.id) in neighbours
                yield _down(source, target) if is_beside else _around(source, target, blocks)


def _down(source: Pill, target: Pill) -> Curve:
    x, end = source.box.x + DOT, target.box.y
    bend = ((x, source.box.bottom), (x, end), (x, end))
    return _drawn(
        source, target, (x, source.box.bottom), (bend,), ((x - 4, end - 5), (x + 4, end - 5))
    )


def _around(source: Pill, target: Pill, blocks: Sequence[StageBlock]) -> Curve:
    """In its column along a rail on the left; to another one through the gutters, and between the pills of those in between."""
    one, two = source.box, target.box
    if one.x == two.x:
        start, tip, back = (one.x, one.middle), (two.x, two.middle), -5.0
        bends = _along_the_rail(start, tip)
    else:
        is_forward = two.x > one.x
        start = (one.right if is_forward else one.x, one.middle)
        tip = (two.x if is_forward else two.right, two.middle)
        back = -5.0 if is_forward else 5.0
        bends = _between(start, tip, blocks)
    return _drawn(
        source, target, start, bends, ((tip[0] + back, tip[1] - 4), (tip[0] + back, tip[1] + 4))
    )


def _drawn(
    source: Pill, target: Pill, start: Point, bends: tuple[Bend, ...], head: tuple[Point, Point]
) -> Curve:
    return Curve(
        source.concept.id,
        target.concept.id,
        start,
        bends,
        head,
        source.mark in BEHIND and target.mark in BEHIND,
    )


def _along_the_rail(start: Point, tip: Point) -> tuple[Bend, ...]:
    span = tip[1] - start[1]
    rail = start[0] - min(FARTHEST_RAIL, NEAREST_RAIL + abs(span) / 16)
    turn = min(22.0, abs(span) / 2) * (1 if span > 0 else -1)
    above, below = (rail, start[1] + turn), (rail, tip[1] - turn)
    return (
        ((rail, start[1]), (rail, start[1]), above),
        (above, below, below),
        ((rail, tip[1]), (rail, tip[1]), tip),
    )


def _between(start: Point, tip: Point, blocks: Sequence[StageBlock]) -> tuple[Bend, ...]:
    is_forward = tip[0] > start[0]
    low, high = sorted((start[0], tip[0]))
    crossed = [block for block in blocks if block.box.x >= low and block.box.right <= high]
    bends: list[Bend] = []
    at = start
    for block in crossed if is_forward else reversed(crossed):
        left, right = block.box.x + PAD, block.box.right - PAD
        near, far = (left, right) if is_forward else (right, left)
        wish = at[1] + (tip[1] - at[1]) * (near - at[0]) / (tip[0] - at[0])
        lane = min(_lanes(block), key=lambda y: abs(y - wish))
        bends += (_gentle(at, (near, lane)), ((near, lane), (far, lane), (far, lane)))
        at = (far, lane)
    return (*bends, _gentle(at, tip))


def _gentle(start: Point, end: Point) -> Bend:
    middle = (start[0] + end[0]) / 2
    return (middle, start[1]), (middle, end[1]), end


def _lanes(block: StageBlock) -> Iterator[float]:
    """Where nothing stands in a column: above, between and below its cards, and between the pills of one."""
    yield block.bar.box.bottom + CARD_GAP / 2
    for card in block.cards:
        yield card.box.bottom + CARD_GAP / 2
        yield from (pill.box.bottom + GAP / 2 for pill in card.pills[:-1])


def _legend(
    blocks: Sequence[StageBlock],
    has_curves: bool,
    x: float,
    y: float,
    width: float,
    *,
    texts: NullTranslations,
) -> tuple[Key, ...]:
    """What occurs in the picture, in lines as wide as it is."""
    pills = [pill for block in blocks for card in block.cards for pill in card.pills]
    there = {pill.mark for pill in pills}
    entries: list[tuple[ConceptMark | None, bool, str]] = []
    if any(pill.is_next for pill in pills):
        entries.append((ConceptMark.ready, True, texts.gettext("go on here")))
    marks = (*BEHIND, *(mark for mark in ConceptMark if mark not in BEHIND))
    entries += [(mark, False, texts.gettext(WORDS[mark])) for mark in marks if mark in there]
    if has_curves or not entries:
        entries.append((None, False, texts.gettext("is needed for")))
    keys: list[Key] = []
    at, line = x, y
    for mark, is_next, words in entries:
        room = 24 + text_width(words, 12)
        if at > x and at + room > x + width:
            at, line = x, line + 24
        label = _label(words, at + 24, line, width - 24, size=12, leading=20, most=1)
        keys.append(Key(mark, is_next, Box(at, line, room, 20), label))
        at += room + 20
    return tuple(keys)
