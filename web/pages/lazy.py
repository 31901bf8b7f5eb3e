"""Renderers of Markdown and code, loaded with the first page that needs them."""

import gzip
import re
from gettext import NullTranslations
from hashlib import sha256
from typing import Any

from markupsafe import Markup

from core.i18n import language_of
from web.http.response_cache import ResponseCache
from web.http.responses import Document
from web.pages import static_files

HEADING_END = re.compile(r"(?<=</h\d>)\n")
# Tutorials as HTML, compressed: several hundred. Texts of the catalogue are in many roadmaps.
tutorials = ResponseCache(2 * 1024 * 1024)


def prose(markdown: str, **options: Any) -> Markup:
    from web.pages.markdown_html import prose

    return prose(markdown, **options)


def anchor(title: str) -> str:
    """Return the id of a section of a tutorial."""
    from web.pages.markdown_html import slug_of

    return f"t-{slug_of(title) or 'part'}"


def parted(html: str) -> tuple[Markup, list[list[Markup]]]:
    """Return a tutorial, and of each exercise its task, heading of the solution, and solution.

    One exercise alone is within the tutorial.
    """
    from web.pages.markdown_html import SOLUTION, TASK

    text, mark, rest = html.partition(SOLUTION)
    (text, *tasks), (alone, *solutions) = text.split(TASK), rest.split(TASK)
    pairs = zip(tasks, solutions, strict=True) if tasks else [("", alone)] * bool(mark)
    split = ((task, *HEADING_END.split(solution, maxsplit=1), "") for task, solution in pairs)
    return Markup(text), [[Markup(part) for part in parts[:3]] for parts in split]


def exercise_anchor(html: str) -> str:
    """Return the id of the exercise, the section before the solution; empty: there is none."""
    from web.pages.markdown_html import SOLUTION

    text, mark, rest = html.partition(SOLUTION)
    return text.rpartition(rest[:8])[2].partition('"')[0] if mark else ""  # <h3 id=" of both


def labels_of(words: NullTranslations) -> dict[str, str]:
    """Return the labels of parts of a text, as options of `prose`."""
    return {
        "code_label": words.gettext("Code"),
        "output_label": words.gettext("Output"),
        "table_label": words.gettext("Table"),
    }


def tutorial_html(markdown: str, words: NullTranslations, *, keep: bool = True) -> Markup:
    """Return a tutorial as HTML, with labels in the reader's language; `keep` the result."""
    key = (sha256(markdown.encode()).digest(), language_of(words))
    if (known := tutorials.get(key, b"")) is None:
        runs = bool(static_files.run_folder())
        html = prose(markdown, runs=runs, **labels_of(words))
        if not keep:
            return html
        known = tutorials.keep(key, b"", Document(gzip.compress(html.encode(), mtime=0)))
    return Markup(gzip.decompress(known.content).decode())


def coloured(code: str, language: str) -> str | None:
    """Return code as HTML, or None if it must do without colours."""
    from web.pages.highlight import Highlighter

    return Highlighter().coloured(code, language)
