"""Renderers of Markdown and code, loaded with the first page that needs them."""

from functools import lru_cache
from gettext import NullTranslations

from markupsafe import Markup

RENDERED = 16  # tutorials that are kept as HTML, usually 30 KB each: versions never change


def prose(
    markdown: str,
    *,
    top: int = 3,
    code_label: str = "Code",
    table_label: str = "Table",
    prefix: str = "t",
) -> Markup:
    """Return Markdown as HTML."""
    from web.pages.markdown_html import prose

    return prose(markdown, top=top, code_label=code_label, table_label=table_label, prefix=prefix)


@lru_cache(maxsize=RENDERED)
def tutorial_html(markdown: str, words: NullTranslations) -> Markup:
    """Return a tutorial as HTML, with labels in the reader's language."""
    return prose(markdown, code_label=words.gettext("Code"), table_label=words.gettext("Table"))


def coloured(code: str, language: str) -> str | None:
    """Return code as HTML, or None if it must do without colours."""
    from web.pages.highlight import Highlighter

    return Highlighter().coloured(code, language)
