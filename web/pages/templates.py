"""From a template to an answer, in the reader's language."""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from core.db import settings
from core.i18n import LANGUAGES, texts
from core.sanitize import format_size
from roadmap.exchange.map.drawing import SHAPES
from roadmap.plan.concept_marks import ConceptMark, mark_of
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
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
MOST_BYTES = 8 * 1024 * 1024  # of pages for everybody
FORM = secrets.token_urlsafe(
    16
)  # in place of the name of a form, which is another one in each answer (once.py)
CODE = re.compile(r"`([^`\n]+)`")
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",  # without one, browsers hide the origin of a form from us as well
}

_pages = ResponseCache(MOST_BYTES)


def with_code(text: str) -> Markup:
    """What stands between two backticks is code; nothing else of Markdown means anything in a question."""
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
    """The template as a whole answer. Takes time: for a thread."""
    content = rendered(request, template, **context).encode()
    content, sent = (content, {}) if holds_secret else compressed(request, content)
    return _sent(request, content, {**sent, **(headers or {})}, status)


def public_page(
    request: Request,
    template: str,
    path: str,
    source: DocumentSource[Facts],
    context: Callable[[Facts], Mapping[str, Any]],
    *,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One that shows everybody the same: rendered once for each state of what it shows, and each look that one can choose.
    `context` makes of what the source has what the template shows; `path` is its only address. Takes time: for a thread.
    """

    def write(facts: Facts) -> Document:
        return Document(
            rendered(request, template, current_path=path, form=FORM, **context(facts)).encode()
        )

    key = (path, language_of(request), theme_of(request), *_standing(request))
    document = _pages.look_up(key, source, write)
    if FORM.encode() in document.content:
        content, sent = compressed(
            request, document.content.replace(FORM.encode(), secrets.token_urlsafe(16).encode())
        )
    elif is_compressed(request, document.content):
        content, sent = document.shortened, ZIPPED
    else:
        content, sent = document.content, {}
    return _sent(request, content, {**sent, **(headers or {})})


def _sent(
    request: Request, content: bytes, headers: Mapping[str, str], status: int = 200
) -> Response:
    vary = {
        "Vary": "Accept-Encoding, Accept-Language, Cookie",
        "Content-Language": language_of(request),
    }
    return Response(content, status, {**HEADERS, **headers, **vary}, media_type="text/html")


def rendered(request: Request, template: str, *, current_path: str = "", **context: Any) -> str:
    """`current_path`: its address in place of the one that was asked for, which may be written in many ways."""
    language = language_of(request)
    is_known, may_observe = _standing(request)
    around = {
        "request": request,
        "current_path": current_path or request.scope["path"],
        "here": "/" if context.get("code") is not None else current_path or _here(request),
        "language": language,
        "theme": theme_of(request),
        "embedded": settings.embedded,
        "is_known": is_known,
        "may_observe": may_observe,
    }
    return _environment(language).get_template(template).render(**around, **context)


def _standing(request: Request) -> tuple[bool, bool]:
    """Whether a page is for somebody with an account, and for one who may see what operators see."""
    login = login_in_cookie(request)
    is_known = settings.embedded or login is not None
    return is_known, settings.embedded or (
        login is not None and (login.is_admin or login.is_observer)
    )


def _here(request: Request) -> str:
    """To come back to after another language or other colours were chosen."""
    if request.method != "GET":
        return page_of(request)
    return path_and_query(request)


@cache
def _environment(language: str) -> "Environment":
    from jinja2 import (
        Environment,
        FileSystemLoader,
        StrictUndefined,
    )  # with the first page: most requests are of programs

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
    environment.install_gettext_translations(texts(language), newstyle=True)  # type: ignore[attr-defined]
    environment.globals.update(
        address=static_files.address,
        words=labels.Sentences(texts(language)),
        pace=ScheduleText(texts(language)),
        languages=LANGUAGES,
        themes=THEMES,
        currency=settings.currency,
        mark_of=mark_of,
        size_said=format_size,
        icon=_icon,
    )
    environment.filters.update(
        with_code=with_code,
        instant=_instant,
        moment=_moment,
        moment_exact=_moment_exact,
        amount=_amount,
        host=_host,
        pretty=_pretty,
    )
    return environment


def _icon(of: ConceptMark) -> Markup:
    """The mark that it has in the picture."""
    shape = SHAPES[ConceptMark(of)]
    return Markup(
        f'<svg class="picture mark p-{of}" viewBox="-8 -8 16 16" width="16" height="16" aria-hidden="true">{shape}</svg>'
    )


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _instant(at: datetime) -> str:
    """For programs: HTML knows no microseconds."""
    return at.isoformat(timespec="milliseconds")


def _moment(at: datetime) -> str:
    """To the minute, in UTC."""
    return f"{at:%Y-%m-%d %H:%M}"


def _pretty(document: Any) -> str:
    """JSON for people."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def _moment_exact(at: datetime) -> str:
    """To the second, and says that it is in UTC: for operators."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _amount(value: Decimal) -> str:
    """To the cent, and below one unit a hundred times finer."""
    return f"{value:.2f}" if value >= 1 or value == round(value, 2) else f"{value:.4f}"
