"""Map as SVG, without scripts, event handlers and style attributes; all texts are escaped."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from gettext import NullTranslations
from html import escape
from uuid import UUID

from core.i18n import ENGLISH, language_of
from core.sanitize import one_line, strip_nul
from roadmap.exchange.map.layout import (
    Box,
    Card,
    Direction,
    Key,
    Label,
    MapLayout,
    Pill,
    Point,
    ProgressBar,
    StageBlock,
    arrange,
    done_of,
    facts_of,
    times_of,
)
from roadmap.exchange.map.style import STYLE
from roadmap.plan.views import WORDS, ConceptMark, RoadmapTree, concepts_of, written_of

Href = Callable[[UUID], str]

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SQUARE = '<rect class="p-mark" x="-5" y="-5" width="10" height="10" rx="2"/>'
TICK = '<path class="p-mark p-tick" d="M-3 0.2L-0.8 2.4L3.2 -2.2"/>'
SEAL = (
    "M0 -7.5L2.3 -5.5L5.3 -5.3L5.5 -2.3L7.5 -0L5.5 2.3L5.3 5.3L2.3 5.5L0 7"
    ".5L-2.3 5.5L-5.3 5.3L-5.5 2.3L-7.5 0L-5.5 -2.3L-5.3 -5.3L-2.3 -5.5Z"
)
TOGETHER = {"one": "", "two": ""}  # makes the separator of a pattern with both names
# Around 0, 0: squares are of the writing, circles of the learning.
SHAPES = {
    ConceptMark.queued: SQUARE,
    ConceptMark.building: f'{SQUARE}<path class="p-full" d="M-5 5V0H5V5Z"/>',
    ConceptMark.failed: '<path class="p-mark" d="M0 -6L6.5 5.5H-6.5Z"/>'
    '<path class="p-mark" d="M0 -1.5V1.5M0 3.4V3.5"/>',
    ConceptMark.cancelled: f'{SQUARE}<path class="p-mark" d="M-2 -2L2 2M2 -2L-2 2"/>',
    ConceptMark.own: '<path class="p-mark" d="M-5.5 5.5L-4.5 2L3 -5.5L5.5 -3L-2 4.5Z"/>',
    ConceptMark.ready: '<circle class="p-mark" r="5.5"/>',
    ConceptMark.learning: '<circle class="p-mark" r="5.5"/>'
    '<path class="p-full" d="M0 -5.5A5.5 5.5 0 0 0 0 5.5Z"/>',
    ConceptMark.learned: f'<path class="p-full" d="{SEAL}"/>{TICK}',
    ConceptMark.done: '<circle class="p-full" r="6.5"/>' + TICK,
    ConceptMark.skipped: '<circle class="p-mark" r="5.5"/><path class="p-mark" d="M-2.5 0H2.5"/>',
}


def exported(
    tree: RoadmapTree, direction: Direction = Direction.columns, texts: NullTranslations = ENGLISH
) -> str:
    """Return a file of its own: with title, paper and style sheet, and without links."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + draw(
        tree, arrange(tree, direction, texts=texts), style=True, texts=texts
    )


def inlined(
    tree: RoadmapTree, href: Href, texts: NullTranslations = ENGLISH, *, has_progress: bool = True
) -> str:
    """Return both layouts, for a page that serves `STYLE`, which shows the one that fits.

    Without a plan their ids are others: htmx, which morphs one into the other, would make a new
    element of HTML for a known id.
    """
    prefix = "picture" if tree.stages else "empty"
    both = (
        draw(
            tree,
            arrange(tree, direction, heading=False, has_progress=has_progress, texts=texts),
            href,
            f"{prefix}-{direction}",
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
    """Return the SVG of a layout, whose `texts` these are.

    `prefix` begins every id; `style` adds style sheet and paper; with `href`, concepts are links.
    """
    language = language_of(texts)
    # Language of the roadmap's own texts (empty: unknown), and of the labels among them.
    theirs = f' lang="{svg_text(tree.language)}"'
    ours = "" if tree.language == language else f' lang="{language}"'
    width, height = rounded(layout.width), rounded(layout.height)
    classes = f"picture picture-{layout.direction}" + (" picture-alone" if style else "")
    curves, traced = _curves(layout, prefix)
    names = {concept.id: concept.title for concept in concepts_of(tree)}
    placed = [(block, card) for block in layout.stages for card in block.cards]
    paper = f'<style>{STYLE}</style><rect class="p-paper" width="{width}" height="{height}"/>'
    desc = described(tree, texts, has_progress=layout.has_progress)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{classes}" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" role="group" lang="{language}" '
        f'aria-labelledby="{prefix}-title" aria-describedby="{prefix}-desc">'
        f'<title id="{prefix}-title"{theirs if ours else ""}>'
        f"{svg_text(tree.title or tree.goal)}</title>"
        f'<desc id="{prefix}-desc">{svg_text(desc)}</desc>{paper if style else ""}<g{theirs}>',
        *map(_label, layout.heading[:1]),
        *(_label(label, "p-quiet", ours) for label in layout.heading[1:]),
        _bar(layout.bar) if layout.bar else "",
        _label(layout.empty, "p-quiet", ours) if layout.empty else "",
        *(_rect(card.box, "p-card", 12) for _, card in placed),
        f'<g class="p-curves">{curves}</g>',
        *(_label(card.label, "p-quiet p-over") for _, card in placed),
    ]
    for block in layout.stages:
        eyebrow, title, counts = block.labels
        parts += [_label(eyebrow, "p-quiet", ours), _label(title), _label(counts, "p-quiet", ours)]
        parts += [_bar(block.bar)] if layout.has_progress else []
    for block, card in placed:
        for pill in card.pills:
            words = _words(
                pill, block, card, names, texts, ours=ours, has_progress=layout.has_progress
            )
            parts.append(_concept(pill, words, traced[pill.concept.id], href))
    return "".join([*parts, "</g>", *map(_key, layout.legend), "</svg>"])


def described(
    tree: RoadmapTree, texts: NullTranslations = ENGLISH, *, has_progress: bool = True
) -> str:
    if not tree.stages:
        return texts.gettext("No concepts yet.")
    facts, of_stage = (
        (
            texts.gettext("%(stages)s, %(concepts)s, %(hours)s, %(weeks)s, %(done)s."),
            texts.gettext("Stage %(number)d, %(stage)s: %(done)s. %(modules)s."),
        )
        if has_progress
        else (
            texts.gettext("%(stages)s, %(concepts)s, %(hours)s, %(weeks)s."),
            texts.gettext("Stage %(number)d, %(stage)s: %(modules)s."),
        )
    )
    sentences = [facts % facts_of(tree, texts)]
    for number, stage in enumerate(tree.stages, 1):
        sentences.append(
            of_stage
            % {
                "number": number,
                "stage": one_line(stage.title),
                "done": done_of(stage.concepts, texts),
                "modules": _list((one_line(module.title) for module in stage.modules), texts),
            }
        )
    return _sentences(sentences, texts)


def _curves(layout: MapLayout, prefix: str) -> tuple[str, Mapping[UUID, list[str]]]:
    """Return all curves, and the ids of those from and to each concept."""
    drawn = ""
    traced: defaultdict[UUID, list[str]] = defaultdict(list)
    for number, curve in enumerate(layout.curves):
        id_ = f"{prefix}-{number}"
        for concept_id in {curve.source, curve.target}:
            traced[concept_id].append(id_)
        bends = "".join("C" + " ".join(map(_point, bend)) for bend in curve.bends)
        left, right = map(_point, curve.head)
        past = ' class="p-past"' if curve.is_past else ""
        path = f"M{_point(curve.start)}{bends}M{left}L{_point(curve.tip)}L{right}"
        drawn += f'<path id="{id_}"{past} d="{path}"/>'
    return drawn, traced


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
    return f'<a class="{classes}" href="{svg_text(href(pill.concept.id))}">{inner}</a>'


def _words(
    pill: Pill,
    block: StageBlock,
    card: Card,
    names: Mapping[UUID, str],
    texts: NullTranslations,
    *,
    ours: str,
    has_progress: bool,
) -> str:
    """Return title and description of a concept; `names` are the titles of all concepts."""
    concept = pill.concept
    title = (
        texts.gettext("%(concept)s: continue here, %(state)s")
        if pill.is_next
        else texts.gettext("%(concept)s: %(state)s")
    ) % {"concept": concept.title, "state": texts.gettext(WORDS[pill.mark])}
    sentences = [
        texts.gettext("Stage %(number)d, %(stage)s, %(module)s.")
        % {"number": block.number, "stage": block.stage.title, "module": card.module.title},
        texts.gettext("It takes %(hours)s.") % {"hours": times_of(concept, texts)},
    ]
    if has_progress:
        sentences.append(
            texts.gettext("Contents: %(state)s.")
            % {"state": texts.gettext(WORDS[written_of(concept)])}
        )
    elif pill.mark is ConceptMark.ready:
        title = concept.title
    needs = [
        names[id_]
        for id_ in dict.fromkeys(concept.prerequisites)
        if id_ in names and id_ != concept.id
    ]
    if needs:
        sentences.append(
            texts.gettext("Prerequisites: %(concepts)s.") % {"concepts": _list(needs, texts)}
        )
    desc = svg_text(_sentences(sentences, texts))
    return f"<title>{svg_text(title)}</title><desc{ours}>{desc}</desc>"


def _list(items: Iterable[str], texts: NullTranslations) -> str:
    return (texts.pgettext("items of a list", "%(one)s; %(two)s") % TOGETHER).join(items)


def _sentences(sentences: Iterable[str], texts: NullTranslations) -> str:
    return (texts.pgettext("sentences", "%(one)s %(two)s") % TOGETHER).join(sentences)


def _key(key: Key) -> str:
    label = _label(key.label, "p-quiet")
    x, y = key.box.x + 9, key.box.middle
    if key.mark is None:
        return (
            f'<path class="p-arrow" d="M{rounded(x - 9)} {rounded(y)}h17m-5 -4l5 4l-5 4"/>{label}'
        )
    if key.is_next:
        pill = _rect(Box(x - 9, y - 7, 18, 14), "p-pill", 7)
        return f'<g class="p-key"><g class="p-next">{pill}</g>{label}</g>'
    return f'<g class="p-key p-{key.mark}">{_mark(key.mark, x, y)}{label}</g>'


def _mark(mark: ConceptMark, x: float, y: float) -> str:
    return f'<g transform="translate({rounded(x)} {rounded(y)})">{SHAPES[mark]}</g>'


def _rect(box: Box, name: str, radius: float) -> str:
    return (
        f'<rect class="{name}" x="{rounded(box.x)}" y="{rounded(box.y)}" '
        f'width="{rounded(box.width)}" height="{rounded(box.height)}" rx="{rounded(radius)}"/>'
    )


def _label(label: Label, name: str = "", lang: str = "") -> str:
    classes = " ".join(filter(None, (name, "p-bold" if label.bold else "")))
    attribute = f' class="{classes}"' if classes else ""
    x = rounded(label.box.x)
    lines = "".join(
        f'<tspan x="{x}" y="{rounded(y)}">{svg_text(line)}</tspan>'
        for line, y in zip(label.lines, label.baselines, strict=True)
    )
    return f'<text{attribute}{lang} font-size="{rounded(label.size)}">{lines}</text>'


def _point(point: Point) -> str:
    return f"{rounded(point[0])} {rounded(point[1])}"


def rounded(value: float) -> str:
    """Return a number with at most two decimal places."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def svg_text(text: str) -> str:
    """Return a text in one line, escaped for XML, also for attributes."""
    return escape(NOT_XML.sub("", one_line(strip_nul(text))))
