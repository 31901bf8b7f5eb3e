"""A tutorial cut at the sections in which a new part of the concept begins."""

import re
from dataclasses import dataclass
from gettext import NullTranslations
from itertools import groupby
from operator import attrgetter

from markupsafe import Markup

from roadmap.learning.parts import HEADING, Part, cut
from web.pages.lazy import tutorial_html

MARK = "\ue000"  # for private use: it changes no id, and no reader sees it
MARKED = re.compile(f"(?=<h[1-6][^<>]*>{MARK})")


@dataclass(frozen=True, slots=True)
class Piece:
    """HTML of sections, and the parts that begin in the first of them."""

    html: Markup
    parts: list[Part]


def pieces_of(markdown: str, hours: int, words: NullTranslations) -> list[Piece]:
    """Return the pieces of a tutorial in their order."""
    parts = cut(markdown, hours)
    groups = [list(group) for _, group in groupby(parts, key=attrgetter("line"))]
    lines = markdown.replace(MARK, "").split("\n")
    for group in groups[1:]:
        line = lines[group[0].line]
        title = HEADING.fullmatch(line)
        at = title.start(1) if title else 0
        lines[group[0].line] = line[:at] + MARK + line[at:]
    texts = MARKED.split(tutorial_html("\n".join(lines), words))
    if len(texts) != len(groups):  # the renderer sees other headings
        texts, groups = ["".join(texts)], [parts]
    return [
        Piece(Markup(text.replace(MARK, "")), group)
        for text, group in zip(texts, groups, strict=True)
    ]
