"""Responses made of templates, in the reader's language."""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from core.db import settings
from core.i18n import LANGUAGES, texts
from core.sanitize import format_size
from roadmap.exchange.formats.registry import FORMATS
from roadmap.exchange.map.drawing import SHAPES
from roadmap.plan.concept_marks import ConceptMark, mark_of
from roadmap.plan.outline import ContentKind
from web.http.response_cache import DocumentSource, Facts, ResponseCache
from web.http.responses import ZIPPED, Document, compressed, is_compressed
from web.http.urls import path_and_query
from web.pages import labels, static_files
from web.pages.forms import page_of
from web.pages.preferences import THEMES, language_of, theme_of
from web.pages.schedule_text import ScheduleText
from web.tokens import login_in_cookie

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent.parent / "templates"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
MOST_BYTES = 8 * 1024 * 1024  # of public pages
# Stands for the name of a form, which is new in each response (form_idempotency.py).
FORM = secrets.token_urlsafe(16)
CODE = re.compile(r"`([^`\n]+)`")
HEADERS = {
    "Content-Security-Policy": POLICY,
    # Without one, browsers hide the origin of a form from us as well.
    "Referrer-Policy": "same-origin",
}

_pages = ResponseCache(MOST_BYTES)


def with_code(text: str) -> Markup:
    """Return a question as HTML: text between backticks is code, other Markdown stays as it is."""
    pieces = CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if at % 2 else piece
        for at, piece in enumerate(pieces)
    )


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    holds_secret: bool = False,
    **context: Any,
) -> Response:
    """Return a response made of a template, compressed unless it holds a secret.

    It takes time: for a thread.
    """
    content = rendered(request, template, **context).encode()
    content, encoding = (content, {}) if holds_secret else compressed(request, content)
    return _response(request, content, {**encoding, **(headers or {})}, status)


def public_page(
    request: Request,
    template: str,
    path: str,
    source: DocumentSource[Facts],
    context: Callable[[Facts], Mapping[str, Any]],
    *,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a page that is the same for everybody, from a cache.

    It is rendered once for each state of its source, language and theme. `context` makes the
    context of the template from the source's facts; `path` is its only URL. It takes time: for a
    thread.
    """

    def write(facts: Facts) -> Document:
        values = context(facts)
        return Document(
            rendered(request, template, current_path=path, form=FORM, **values).encode()
        )

    key = (path, language_of(request), theme_of(request), *_rights(request))
    document = _pages.look_up(key, source, write)
    content = document.content
    encoding: Mapping[str, str] = {}
    if FORM.encode() in content:
        content = content.replace(FORM.encode(), secrets.token_urlsafe(16).encode())
        content, encoding = compressed(request, content)
    elif is_compressed(request, content):
        content, encoding = document.shortened, ZIPPED
    return _response(request, content, {**encoding, **(headers or {})})


def _response(
    request: Request, content: bytes, headers: Mapping[str, str], status: int = 200
) -> Response:
    vary = {
        "Vary": "Accept-Encoding, Accept-Language, Cookie",
        "Content-Language": language_of(request),
    }
    return Response(content, status, {**HEADERS, **headers, **vary}, media_type="text/html")


def rendered(request: Request, template: str, *, current_path: str = "", **context: Any) -> str:
    """Return the HTML of a template.

    `current_path` is the page's one path, in place of the requested one, which has many spellings.
    """
    language = language_of(request)
    is_known, may_observe = _rights(request)
    # The page to come back to after another language or theme was chosen.
    here = path_and_query(request) if request.method == "GET" else page_of(request)
    around = {
        "request": request,
        "current_path": current_path or request.scope["path"],
        "here": "/" if context.get("code") is not None else current_path or here,
        "language": language,
        "theme": theme_of(request),
        "embedded": settings.embedded,
        "is_known": is_known,
        "may_observe": may_observe,
    }
    return _environment(language).get_template(template).render(**around, **context)


def _rights(request: Request) -> tuple[bool, bool]:
    """Whether the reader has an account, and whether it may see operators' pages."""
    login = login_in_cookie(request)
    is_observer = login is not None and (login.is_admin or login.is_observer)
    return settings.embedded or login is not None, settings.embedded or is_observer


@cache
def _environment(language: str) -> "Environment":
    # With the first page: most requests are of programs.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    install: Any = environment.install_gettext_translations  # type: ignore[attr-defined]
    install(texts(language), newstyle=True)
    environment.globals.update(
        address=static_files.address,
        words=labels.Sentences(texts(language)),
        pace=ScheduleText(texts(language)),
        languages=LANGUAGES,
        themes=THEMES,
        currency=settings.currency,
        mark_of=mark_of,
        size_said=format_size,
        icon=concept_icon,
        kinds=list(ContentKind),
        formats=sorted(FORMATS.values(), key=attrgetter("rank")),
    )
    environment.filters.update(
        with_code=with_code,
        # For programs: HTML knows no microseconds.
        instant=lambda at: at.isoformat(timespec="milliseconds"),
        moment=lambda at: f"{at:%Y-%m-%d %H:%M}",
        # For operators.
        moment_exact=lambda at: f"{at:%Y-%m-%d %H:%M:%S} UTC",
        amount=amount_text,
        host=lambda url: urlsplit(url).hostname or "",
        pretty=lambda document: json.dumps(document, indent=2, ensure_ascii=False),
    )
    return environment


def concept_icon(of: ConceptMark) -> Markup:
    """Return the mark of a concept, as the map has it."""
    shape, size = SHAPES[ConceptMark(of)], 'viewBox="-8 -8 16 16" width="16" height="16"'
    return Markup(f'<svg class="picture mark p-{of}" {size} aria-hidden="true">{shape}</svg>')


def amount_text(value: Decimal) -> str:
    """Format an amount to the cent, and finer amounts below one unit to a hundredth of that."""
    return f"{value:.2f}" if value >= 1 or value == round(value, 2) else f"{value:.4f}"
