"""A tutorial cut at the sections in which a new part of the concept begins."""

import re
from gettext import NullTranslations
from itertools import groupby
from operator import attrgetter

from markupsafe import Markup

from roadmap.learning.parts import LessonPart, cut
from web.pages.lazy import tutorial_html

MARK = "\ue000"  # for private use: it changes no id, and no reader sees it
START = re.compile("^ {0,3}##[ \t]+")
MARKED = re.compile(f"(?=<h[1-6][^<>]*>{MARK})")


def pieces_of(markdown: str, words: NullTranslations) -> list[tuple[Markup, list[LessonPart]]]:
    """Return the HTML of a tutorial in pieces, each with the parts that begin in it."""
    parts = cut(markdown)
    groups = [list(group) for _, group in groupby(parts, key=attrgetter("line"))]
    lines = markdown.replace(MARK, "").split("\n")
    for group in groups[1:]:
        at = group[0].line
        lines[at] = START.sub(rf"\g<0>{MARK}", lines[at])
    texts = MARKED.split(tutorial_html("\n".join(lines), words))
    if len(texts) != len(groups):  # the renderer sees other headings
        texts, groups = ["".join(texts)], [parts]
    return list(zip((Markup(text.replace(MARK, "")) for text in texts), groups, strict=True))
