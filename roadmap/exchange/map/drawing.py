"""The picture as SVG: text, with no script, no handler and no style attribute in it. Everything that is told is escaped."""

import re
from collections.abc import Callable, Iterable, Iterator
from gettext import NullTranslations
from uuid import UUID
from xml.sax.saxutils import escape, quoteattr

from core.i18n import ENGLISH, language_of
from core.sanitize import one_line, strip_nul
from roadmap.exchange.map.layout import arrange, done_of, facts_of, hours_of
from roadmap.exchange.map.shapes import (
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
from roadmap.exchange.map.style import STYLE
from roadmap.plan.concept_marks import WORDS, ConceptMark, written_of
from roadmap.plan.views import ConceptNode, RoadmapTree, concepts_of

Href = Callable[[UUID], str]

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SQUARE = '<rect class="p-mark" x="-5" y="-5" width="10" height="10" rx="2"/>'
SHAPES = {  # around 0, 0: squares are of the writing, circles of the learning
    ConceptMark.queued: SQUARE,
    ConceptMark.building: f'{SQUARE}<path class="p-full" d="M-5 5V0H5V5Z"/>',
    ConceptMark.failed: '<path class="p-mark" d="M0 -6L6.5 5.5H-6.5Z"/><path class="p-mark" d="M0 -1.5V1.5M0 3.4V3.5"/>',
    ConceptMark.cancelled: f'{SQUARE}<path class="p-mark" d="M-2 -2L2 2M2 -2L-2 2"/>',
    ConceptMark.ready: '<circle class="p-mark" r="5.5"/>',
    ConceptMark.learning: '<circle class="p-mark" r="5.5"/><path class="p-full" d="M0 -5.5A5.5 5.5 0 0 0 0 5.5Z"/>',
    ConceptMark.done: '<circle class="p-full" r="6.5"/><path class="p-mark p-tick" d="M-3 0.2L-0.8 2.4L3.2 -2.2"/>',
    ConceptMark.skipped: '<circle class="p-mark" r="5.5"/><path class="p-mark" d="M-2.5 0H2.5"/>',
}


def exported(
    tree: RoadmapTree, direction: Direction = Direction.columns, texts: NullTranslations = ENGLISH
) -> str:
    """A file that stands alone: with its title, its paper and its style sheet, and without links."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + draw(
        tree, arrange(tree, direction, texts=texts), style=True, texts=texts
    )


def inlined(tree: RoadmapTree, href: Href, texts: NullTranslations = ENGLISH) -> str:
    """For a page that serves `STYLE` as a file: both layouts, of which the style sheet shows the one that fits."""
    both = (
        draw(
            tree,
            arrange(tree, direction, heading=False, texts=texts),
            href,
            f"picture-{direction}",
            texts=texts,
        )
        for direction in Direction
    )
    return f'<div class="pictures">{"".join(both)}</div>'


def draw(
    tree: RoadmapTree,
    layout: MapLayout,
    href: Href | None = None,
    prefix: str = "picture",
    *,
    style: bool = False,
    texts: NullTranslations = ENGLISH,
) -> str:
    """`prefix` begins every id, so that a page can have several pictures; `style` puts the style sheet and the paper in;
    `texts` are those of the layout.
    """
    return "".join(_picture(tree, layout, href, prefix, style=style, texts=texts))


def described(tree: RoadmapTree, texts: NullTranslations = ENGLISH) -> str:
    """The picture in words."""
    if not tree.stages:
        return texts.gettext("There are no concepts yet.")
    sentences = [
        texts.gettext("%(stages)s, %(concepts)s, %(hours)s, %(weeks)s, %(done)s.")
        % facts_of(tree, texts)
    ]
    for number, stage in enumerate(tree.stages, 1):
        told = {
            "number": number,
            "stage": one_line(stage.title),
            "done": done_of(
                [concept for module in stage.modules for concept in module.concepts], texts
            ),
            "modules": _list((one_line(module.title) for module in stage.modules), texts),
        }
        sentences.append(
            texts.gettext("Stage %(number)d, %(stage)s: %(done)s. %(modules)s.") % told
        )
    return _sentences(sentences, texts)


def _picture(
    tree: RoadmapTree,
    layout: MapLayout,
    href: Href | None,
    prefix: str,
    *,
    style: bool,
    texts: NullTranslations,
) -> Iterator[str]:
    language = language_of(texts)
    is_same = tree.language == language
    theirs = f" lang={_attribute(tree.language)}"  # of the roadmap's own texts; empty: nobody knows
    ours = "" if is_same else f' lang="{language}"'  # of what is said among them
    width, height = _number(layout.width), _number(layout.height)
    classes = f"picture picture-{layout.direction}" + (" picture-alone" if style else "")
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{classes}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="group" lang="{language}" '
        f'aria-labelledby="{prefix}-title" aria-describedby="{prefix}-desc">'
        f'<title id="{prefix}-title"{"" if is_same else theirs}>{_text(tree.title or tree.goal)}</title>'
        f'<desc id="{prefix}-desc">{_text(described(tree, texts))}</desc>'
    )
    if style:
        yield f'<style>{STYLE}</style><rect class="p-paper" width="{width}" height="{height}"/>'
    yield f"<g{theirs}>"
    yield from _heading(layout, ours)
    cards = [card for block in layout.stages for card in block.cards]
    yield from (_rect(card.box, "p-card", 12) for card in cards)
    yield (
        '<g class="p-curves">'
        + "".join(_curve(curve, f"{prefix}-{n}") for n, curve in enumerate(layout.curves))
        + "</g>"
    )
    yield from (_label(card.label, "p-quiet p-over") for card in cards)
    yield from (_stage_head(block, ours) for block in layout.stages)
    names = {concept.id: concept.title for concept in concepts_of(tree)}
    traced = _curves_of_concepts(layout, prefix)
    for block in layout.stages:
        for card in block.cards:
            for pill in card.pills:
                desc = f"<desc{ours}>{_text(_desc(pill.concept, block, card, names, texts))}</desc>"
                words = f"<title>{_text(_title(pill, texts))}</title>{desc}"
                yield _concept(pill, words, traced.get(pill.concept.id, []), href)
    yield "</g>" + "".join(map(_key, layout.legend)) + "</svg>"


def _curves_of_concepts(layout: MapLayout, prefix: str) -> dict[UUID, list[str]]:
    """The ids of the curves from and to each concept."""
    found: dict[UUID, list[str]] = {}
    for number, curve in enumerate(layout.curves):
        for concept_id in {curve.source, curve.target}:
            found.setdefault(concept_id, []).append(f"{prefix}-{number}")
    return found


def _heading(layout: MapLayout, ours: str) -> Iterator[str]:
    for number, label in enumerate(layout.heading):
        yield _label(label, "p-quiet", ours) if number else _label(label)
    if layout.bar:
        yield _bar(layout.bar)
    if layout.empty:
        yield _label(layout.empty, "p-quiet", ours)


def _stage_head(block: StageBlock, ours: str) -> str:
    eyebrow, title, counts = block.labels
    return (
        _label(eyebrow, "p-quiet", ours)
        + _label(title)
        + _label(counts, "p-quiet", ours)
        + _bar(block.bar)
    )


def _bar(bar: ProgressBar) -> str:
    done = Box(bar.box.x, bar.box.y, bar.box.width * bar.done, bar.box.height)
    return _rect(bar.box, "p-track", 2) + (_rect(done, "p-done-part", 2) if bar.done else "")


def _concept(pill: Pill, words: str, traced: list[str], href: Href | None) -> str:
    inner = (
        words
        + "".join(f'<use class="p-traced" href="#{id_}"/>' for id_ in traced)
        + _rect(pill.box, "p-pill", min(18.0, pill.box.height / 2))
        + _mark(pill.mark, pill.box.x + 18, pill.box.middle)
        + _label(pill.label)
    )
    classes = f"p-concept p-{pill.mark}" + (" p-next" if pill.is_next else "")
    if href is None:
        return f'<g class="{classes}">{inner}</g>'
    return f'<a class="{classes}" href={_attribute(href(pill.concept.id))}>{inner}</a>'


def _title(pill: Pill, texts: NullTranslations) -> str:
    told = {"concept": pill.concept.title, "state": texts.gettext(WORDS[pill.mark])}
    return (
        texts.gettext("%(concept)s: go on here, %(state)s")
        if pill.is_next
        else texts.gettext("%(concept)s: %(state)s")
    ) % told


def _desc(
    concept: ConceptNode,
    block: StageBlock,
    card: Card,
    names: dict[UUID, str],
    texts: NullTranslations,
) -> str:
    needs = [
        names[id_]
        for id_ in dict.fromkeys(concept.prerequisites)
        if id_ in names and id_ != concept.id
    ]
    place = {"number": block.number, "stage": block.stage.title, "module": card.module.title}
    sentences = [
        texts.gettext("Stage %(number)d, %(stage)s, %(module)s.") % place,
        texts.gettext("It takes %(hours)s.") % {"hours": hours_of(concept.hours, texts)},
        texts.gettext("Its texts: %(state)s.")
        % {"state": texts.gettext(WORDS[written_of(concept)])},
    ]
    if needs:
        sentences.append(texts.gettext("Needs: %(concepts)s.") % {"concepts": _list(needs, texts)})
    return _sentences(sentences, texts)


def _list(items: Iterable[str], texts: NullTranslations) -> str:
    return _between(texts.pgettext("items of a list", "%(one)s; %(two)s")).join(items)


def _sentences(sentences: Iterable[str], texts: NullTranslations) -> str:
    return _between(texts.pgettext("sentences", "%(one)s %(two)s")).join(sentences)


def _between(pattern: str) -> str:
    return pattern % {"one": "", "two": ""}


def _curve(curve: Curve, id_: str) -> str:
    bends = "".join("C" + " ".join(map(_point, bend)) for bend in curve.bends)
    left, right = map(_point, curve.head)
    past = ' class="p-past"' if curve.is_past else ""
    return f'<path id="{id_}"{past} d="M{_point(curve.start)}{bends}M{left}L{_point(curve.tip)}L{right}"/>'


def _key(key: Key) -> str:
    label = _label(key.label, "p-quiet")
    x, y = key.box.x + 9, key.box.middle
    if key.mark is None:
        return (
            f'<path class="p-arrow" d="M{_number(x - 9)} {_number(y)}h17m-5 -4l5 4l-5 4"/>{label}'
        )
    if key.is_next:
        pill = _rect(Box(x - 9, y - 7, 18, 14), "p-pill", 7)
        return f'<g class="p-key"><g class="p-next">{pill}</g>{label}</g>'
    return f'<g class="p-key p-{key.mark}">{_mark(key.mark, x, y)}{label}</g>'


def _mark(mark: ConceptMark, x: float, y: float) -> str:
    return f'<g transform="translate({_number(x)} {_number(y)})">{SHAPES[mark]}</g>'


def _rect(box: Box, name: str, radius: float) -> str:
    return (
        f'<rect class="{name}" x="{_number(box.x)}" y="{_number(box.y)}" width="{_number(box.width)}" '
        f'height="{_number(box.height)}" rx="{_number(radius)}"/>'
    )


def _label(label: Label, name: str = "", lang: str = "") -> str:
    classes = " ".join(filter(None, (name, "p-bold" if label.bold else "")))
    told = f' class="{classes}"' if classes else ""
    x = _number(label.box.x)
    lines = "".join(
        f'<tspan x="{x}" y="{_number(y)}">{_text(line)}</tspan>'
        for line, y in zip(label.lines, label.baselines, strict=True)
    )
    return f'<text{told}{lang} font-size="{_number(label.size)}">{lines}</text>'


def _point(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _told(text: str) -> str:
    return NOT_XML.sub("", one_line(strip_nul(text)))


def _text(text: str) -> str:
    return escape(_told(text))


def _attribute(text: str) -> str:
    return quoteattr(_told(text))
