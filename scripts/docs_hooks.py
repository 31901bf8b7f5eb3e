"""Hooks of mkdocs for the documentation site: its two languages, and its diagrams."""

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

logging.getLogger("jieba").setLevel(logging.WARNING)
DRAWS = "mermaid.js"  # the theme would load it from another host
HEADING = re.compile(r'<h\d id="([^"]+)"')
CHINESE = "\u3000-\u303f\u4e00-\u9fff\uff00-\uffef"
BREAK = re.compile(
    rf"(?<=[{CHINESE}])\n(?=[{CHINESE}])|(?<=[\u3000-\u3002\uff01-\uff1f])\n(?=[A-Za-z\[]|`[^`])"
)
OTHER_LANGUAGE = re.compile(r"^\[(?:English|中文)\]\(\S+\)$", re.MULTILINE)
english: dict[str, list[str]] = {}  # the anchors of each page


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Remove the link to the other language, which the header has, and line breaks in Chinese."""
    if not Path(config.docs_dir, DRAWS).exists():
        markdown = markdown.replace("```mermaid", "```text")
    return BREAK.sub("", OTHER_LANGUAGE.sub("", markdown, count=1))


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Add English anchors to translations, a note to English pages among them, and diagrams."""
    file, anchors = page.file, HEADING.findall(html)
    if file.localization:
        english_of = dict(zip(anchors, english[file.norm_src_uri], strict=True))
        page.present_anchor_ids |= {*english_of.values()}
        for own, other in english_of.items():
            if own not in english_of.values():
                html = re.sub(rf'(<h\d id="{re.escape(own)}")', rf'<a id="{other}"></a>\1', html)
    else:
        english[file.norm_src_uri] = anchors
        if file.locale != file.locale_alternate_of:
            note = f"<p>{config.extra['untranslated']}</p>"
            note = f'</h1><div class="admonition note" data-search-exclude>{note}</div>'
            html = html.replace("</h1>", note, 1)
    if '<pre class="mermaid">' in html:
        html += f'<script src="{posixpath.relpath(DRAWS, page.url)}"></script>'
    return html


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Remove links from which the theme would look for site maps that are not there."""
    return re.sub(r'<link rel="alternate"[^>]*>', "", output)
