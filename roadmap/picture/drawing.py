"""The picture as SVG: text, with no script, no handler and no style attribute in it. Everything that is told is escaped."""

import re
from collections.abc import Callable, Iterator
from uuid import UUID
from xml.sax.saxutils import escape, quoteattr

from core.text import one_line, storable
from roadmap.picture.layout import (
    Bar,
    Box,
    Card,
    Curve,
    Direction,
    Key,
    Label,
    Layout,
    Pill,
    Point,
    StageBlock,
    arrange,
    concepts_of,
    counts_of,
    facts_of,
    plural,
)
from roadmap.picture.marks import WORDS, Mark, written_of
from roadmap.picture.style import STYLE
from roadmap.reading import ConceptNode, RoadmapTree

Href = Callable[[UUID], str]

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SQUARE = '<rect class="p-mark" x="-5" y="-5" width="10" height="10" rx="2"/>'
SHAPES = {  # around 0, 0: squares are of the writing, circles of the learning
    Mark.queued: SQUARE,
    Mark.building: f'{SQUARE}<path class="p-full" d="M-5 5V0H5V5Z"/>',
    Mark.failed: '<path class="p-mark" d="M0 -6L6.5 5.5H-6.5Z"/><path class="p-mark" d="M0 -1.5V1.5M0 3.4V3.5"/>',
    Mark.cancelled: f'{SQUARE}<path class="p-mark" d="M-2 -2L2 2M2 -2L-2 2"/>',
    Mark.ready: '<circle class="p-mark" r="5.5"/>',
    Mark.learning: '<circle class="p-mark" r="5.5"/><path class="p-full" d="M0 -5.5A5.5 5.5 0 0 0 0 5.5Z"/>',
    Mark.done: '<circle class="p-full" r="6.5"/><path class="p-mark p-tick" d="M-3 0.2L-0.8 2.4L3.2 -2.2"/>',
    Mark.skipped: '<circle class="p-mark" r="5.5"/><path class="p-mark" d="M-2.5 0H2.5"/>',
}


def exported(tree: RoadmapTree, direction: Direction = Direction.columns) -> str:
    """A file that stands alone: with its title, its paper and its style sheet, and without links."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + draw(tree, arrange(tree, direction), style=True)


def inlined(tree: RoadmapTree, href: Href) -> str:
    """For a page that serves `STYLE` as a file: both layouts, of which the style sheet shows the one that fits."""
    both = (draw(tree, arrange(tree, direction, heading=False), href, f"picture-{direction}") for direction in Direction)
    return f'<div class="pictures">{"".join(both)}</div>'


def draw(tree: RoadmapTree, layout: Layout, href: Href | None = None, prefix: str = "picture", *, style: bool = False) -> str:
    """`prefix` begins every id, so that a page can have several pictures; `style` puts the style sheet and the paper in."""
    return "".join(_picture(tree, layout, href, prefix, style))


def described(tree: RoadmapTree) -> str:
    """The picture in words."""
    if not tree.stages:
        return "There are no concepts yet."
    sentences = [facts_of(tree).replace(" · ", ", ") + "."]
    for number, stage in enumerate(tree.stages, 1):
        concepts = [concept for module in stage.modules for concept in module.concepts]
        done, counted = counts_of(concepts)
        modules = "; ".join(one_line(module.title) for module in stage.modules)
        sentences.append(f"Stage {number}, {one_line(stage.title)}: {done} of {counted} done. {modules}.")
    return " ".join(sentences)


def _picture(tree: RoadmapTree, layout: Layout, href: Href | None, prefix: str, style: bool) -> Iterator[str]:
    width, height = _number(layout.width), _number(layout.height)
    classes = f"picture picture-{layout.direction}" + (" picture-alone" if style else "")
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{classes}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="group" aria-labelledby="{prefix}-title" aria-describedby="{prefix}-desc">'
        f'<title id="{prefix}-title">{_text(tree.title or tree.goal)}</title>'
        f'<desc id="{prefix}-desc">{_text(described(tree))}</desc>'
    )
    if style:
        yield f'<style>{STYLE}</style><rect class="p-paper" width="{width}" height="{height}"/>'
    yield f"<g lang={_attribute(tree.language)}>" if tree.language else "<g>"
    yield from _heading(layout)
    cards = [card for block in layout.stages for card in block.cards]
    yield from (_rect(card.box, "p-card", 12) for card in cards)
    yield '<g class="p-curves">' + "".join(_curve(curve, f"{prefix}-{n}") for n, curve in enumerate(layout.curves)) + "</g>"
    yield from (_label(card.label, "p-quiet p-over") for card in cards)
    yield from ("".join(_stage_head(block)) for block in layout.stages)
    names = {concept.id: concept.title for concept in concepts_of(tree)}
    for block in layout.stages:
        for card in block.cards:
            for pill in card.pills:
                traced = [
                    f"{prefix}-{n}" for n, curve in enumerate(layout.curves) if pill.concept.id in (curve.source, curve.target)
                ]
                yield _concept(pill, _desc(pill.concept, block, card, names), traced, href)
    yield "</g>" + "".join(map(_key, layout.legend)) + "</svg>"


def _heading(layout: Layout) -> Iterator[str]:
    for number, label in enumerate(layout.heading):
        yield _label(label, "p-quiet" if number else "")
    if layout.bar:
        yield _bar(layout.bar)
    if layout.empty:
        yield _label(layout.empty, "p-quiet")


def _stage_head(block: StageBlock) -> Iterator[str]:
    eyebrow, title, counts = block.labels
    yield _label(eyebrow, "p-quiet") + _label(title) + _label(counts, "p-quiet") + _bar(block.bar)


def _bar(bar: Bar) -> str:
    done = Box(bar.box.x, bar.box.y, bar.box.width * bar.done, bar.box.height)
    return _rect(bar.box, "p-track", 2) + (_rect(done, "p-done-part", 2) if bar.done else "")


def _concept(pill: Pill, desc: str, traced: list[str], href: Href | None) -> str:
    concept = pill.concept
    words = "go on here, " if pill.is_next else ""
    inner = (
        f"<title>{_text(f'{concept.title}: {words}{WORDS[pill.mark]}')}</title><desc>{_text(desc)}</desc>"
        + "".join(f'<use class="p-traced" href="#{id_}"/>' for id_ in traced)
        + _rect(pill.box, "p-pill", min(18.0, pill.box.height / 2))
        + _mark(pill.mark, pill.box.x + 18, pill.box.middle)
        + _label(pill.label)
    )
    classes = f"p-concept p-{pill.mark}" + (" p-next" if pill.is_next else "")
    if href is None:
        return f'<g class="{classes}">{inner}</g>'
    return f'<a class="{classes}" href={_attribute(href(concept.id))}>{inner}</a>'


def _desc(concept: ConceptNode, block: StageBlock, card: Card, names: dict[UUID, str]) -> str:
    needs = [names[id_] for id_ in dict.fromkeys(concept.prerequisites) if id_ in names and id_ != concept.id]
    place = f"Stage {block.number}, {block.stage.title}, {card.module.title}."
    about = f"{plural(concept.hours, 'hour')}, week {concept.week}. Its texts: {WORDS[written_of(concept)]}."
    return " ".join((place, about, *([f"Needs: {'; '.join(needs)}."] if needs else [])))


def _curve(curve: Curve, id_: str) -> str:
    bends = "".join("C" + " ".join(map(_point, bend)) for bend in curve.bends)
    left, right = map(_point, curve.head)
    past = ' class="p-past"' if curve.is_past else ""
    return f'<path id="{id_}"{past} d="M{_point(curve.start)}{bends}M{left}L{_point(curve.tip)}L{right}"/>'


def _key(key: Key) -> str:
    label = _label(key.label, "p-quiet")
    x, y = key.box.x + 9, key.box.middle
    if key.mark is None:
        return f'<path class="p-arrow" d="M{_number(x - 9)} {_number(y)}h17m-5 -4l5 4l-5 4"/>{label}'
    if key.is_next:
        pill = _rect(Box(x - 9, y - 7, 18, 14), "p-pill", 7)
        return f'<g class="p-key"><g class="p-next">{pill}</g>{label}</g>'
    return f'<g class="p-key p-{key.mark}">{_mark(key.mark, x, y)}{label}</g>'


def _mark(mark: Mark, x: float, y: float) -> str:
    return f'<g transform="translate({_number(x)} {_number(y)})">{SHAPES[mark]}</g>'


def _rect(box: Box, name: str, radius: float) -> str:
    return (
        f'<rect class="{name}" x="{_number(box.x)}" y="{_number(box.y)}" width="{_number(box.width)}" '
        f'height="{_number(box.height)}" rx="{_number(radius)}"/>'
    )


def _label(label: Label, name: str = "") -> str:
    classes = " ".join(filter(None, (name, "p-bold" if label.bold else "")))
    told = f' class="{classes}"' if classes else ""
    x = _number(label.box.x)
    lines = "".join(
        f'<tspan x="{x}" y="{_number(y)}">{_text(line)}</tspan>' for line, y in zip(label.lines, label.baselines, strict=True)
    )
    return f'<text{told} font-size="{_number(label.size)}">{lines}</text>'


def _point(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _told(text: str) -> str:
    return NOT_XML.sub("", one_line(storable(text)))


def _text(text: str) -> str:
    return escape(_told(text))


def _attribute(text: str) -> str:
    return quoteattr(_told(text))
