"""What only readers of pages need of large libraries: they are loaded with the first page that shows such a thing."""

from markupsafe import Markup


def prose(
    markdown: str,
    *,
    top: int = 3,
    code_label: str = "Code",
    table_label: str = "Table",
    prefix: str = "t",
) -> Markup:
    """Markdown as HTML."""
    from web.pages.markdown_html import prose

    return prose(markdown, top=top, code_label=code_label, table_label=table_label, prefix=prefix)


def coloured(code: str, language: str) -> str | None:
    """Code as HTML; None: it has to do without colours."""
    from web.pages.highlight import Highlighter

    return Highlighter().coloured(code, language)
