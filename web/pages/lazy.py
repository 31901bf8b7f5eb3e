"""Renderers of Markdown and code, loaded with the first page that needs them."""

import gzip
from gettext import NullTranslations
from hashlib import sha256

from markupsafe import Markup

from core.i18n import language_of
from web.http.response_cache import ResponseCache
from web.http.responses import Document
from web.pages import static_files

# Tutorials as HTML, compressed: several hundred. Texts of the catalogue are in many roadmaps.
tutorials = ResponseCache(2 * 1024 * 1024)


def prose(
    markdown: str,
    *,
    top: int = 3,
    code_label: str = "Code",
    table_label: str = "Table",
    prefix: str = "t",
    runs: bool = False,
) -> Markup:
    """Return Markdown as HTML."""
    from web.pages.markdown_html import prose

    return prose(
        markdown,
        top=top,
        code_label=code_label,
        table_label=table_label,
        prefix=prefix,
        runs=runs,
    )


def tutorial_html(markdown: str, words: NullTranslations, *, keep: bool = True) -> Markup:
    """Return a tutorial as HTML, with labels in the reader's language; `keep` the result."""
    key = (sha256(markdown.encode()).digest(), language_of(words))
    if (known := tutorials.get(key, b"")) is None:
        code, table = words.gettext("Code"), words.gettext("Table")
        runs = bool(static_files.run_folder())
        html = prose(markdown, code_label=code, table_label=table, runs=runs)
        if not keep:
            return html
        known = tutorials.keep(key, b"", Document(gzip.compress(html.encode(), mtime=0)))
    return Markup(gzip.decompress(known.content).decode())


def coloured(code: str, language: str) -> str | None:
    """Return code as HTML, or None if it must do without colours."""
    from web.pages.highlight import Highlighter

    return Highlighter().coloured(code, language)
