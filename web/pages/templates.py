"""Responses made of templates, in the language and theme of the reader.

Both are kept in cookies, which need no account.
"""

import gzip
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import cache
from gettext import NullTranslations
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from core.db import settings, snapshot
from core.i18n import LANGUAGES, negotiated, texts
from core.net.safe_http import host_of
from core.sanitize import code_spans, format_size
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.accounts.zones import zone_of
from roadmap.exchange.formats.registry import FORMATS
from roadmap.exchange.map.drawing import SHAPES
from roadmap.exchange.map.layout import times_of
from roadmap.generation.generator import has_model
from roadmap.learning.endings import is_over
from roadmap.plan.outline import ContentKind
from roadmap.plan.views import WORDS, ConceptMark, concepts_of, mark_of, written_of
from web.auth.tokens import login_in_cookie
from web.endpoints.call import Call
from web.http.response_cache import DocumentSource, Facts, ResponseCache
from web.http.responses import GZIP_HEADERS, Document, compress, encode, should_compress, takes_gzip
from web.http.urls import path_and_query
from web.pages import labels, static_files
from web.pages.forms import page_of
from web.pages.lazy import anchor, exercise_anchor, parted
from web.pages.schedule_text import ScheduleText

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent.parent / "templates"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
THEMES = ("auto", "light", "dark")
# Over TLS, browsers let no other host set such a cookie.
COOKIE_PREFIX = "" if settings.embedded else "__Host-"
MOST_BYTES = 8 * 1024 * 1024  # of public pages
MOST_OWN_BYTES = 8 * 1024 * 1024  # of pages of accounts, compressed: some thousand lessons
# Stands for the name of a form, which is new in each response (forms.py).
FORM = secrets.token_urlsafe(16)
HEADERS = {
    "Content-Security-Policy": POLICY,
    # Without one, browsers hide the origin of a form from us as well.
    "Referrer-Policy": "same-origin",
}
VARY = "Accept-Encoding, Accept-Language, Cookie"

_pages = ResponseCache(MOST_BYTES)
own_pages = ResponseCache(MOST_OWN_BYTES)


def language_of(request: Request) -> str:
    """Return the language that was chosen, or else the one that the browser prefers."""
    chosen = request.cookies.get(f"{COOKIE_PREFIX}language", "")
    return chosen if chosen in LANGUAGES else negotiated(request.headers.get("accept-language", ""))


def texts_of(request: Request) -> NullTranslations:
    return texts(language_of(request))


def theme_of(request: Request) -> str:
    chosen = request.cookies.get(f"{COOKIE_PREFIX}theme", "")
    return chosen if chosen in THEMES else THEMES[0]


def with_code(text: str) -> Markup:
    """Return a question as HTML: text between backticks is code, other Markdown stays as it is."""
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if at % 2 else piece
        for at, piece in enumerate(code_spans(text))
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
    content, encoding = (content, {}) if holds_secret else encode(request, content)
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
            rendered(request, template, current_path=path, zone=UTC, form=FORM, **values).encode()
        )

    key = (path, language_of(request), theme_of(request), *_rights(request))
    document = _pages.look_up(key, source, write)
    encoding: Mapping[str, str] = {}
    if FORM.encode() in document.content:
        content, encoding = encode(request, _with_form_name(document.content))
    elif should_compress(request, document.content):
        content, encoding = document.compressed, GZIP_HEADERS
    else:
        content = document.content
    return _response(request, content, {**encoding, **(headers or {})})


def own_page(
    call: Call,
    template: str,
    source: DocumentSource[Facts],
    context: Callable[[Facts], Mapping[str, Any]],
    *,
    is_cacheable: Callable[[Facts], bool] = lambda _: True,
    has_form: bool = False,
) -> Response:
    """Return a page of an account, rendered once for each state of its source.

    Only a GET without a query is kept, and only if `is_cacheable` says that the page stays the same
    until the state changes: it may also show what others do. The state must be read from rows of
    the account, so that the page of what it no longer has is not found. `has_form`: the context has
    FORM, in place of which each response has a new name. It takes time: for a thread.
    """
    request = call.request
    key = (
        path_and_query(request),
        call.owner,
        *(language_of(request), theme_of(request), *_rights(request), has_model()),
    )
    known = own_pages.get(key, source.state())
    if known is None:
        with snapshot():  # so that the state is that of the facts
            facts, state = source.read(), source.state()
        html = rendered(request, template, **context(facts)).encode()
        known = Document(compress(html))
        if request.method == "GET" and not request.scope["query_string"] and is_cacheable(facts):
            own_pages.keep(key, state, known)
    if not has_form and takes_gzip(request):
        return _response(request, known.content, GZIP_HEADERS)
    content = gzip.decompress(known.content)
    if not has_form:
        return _response(request, content, {})
    return _response(request, *encode(request, _with_form_name(content)))


def _with_form_name(content: bytes) -> bytes:
    return content.replace(FORM.encode(), secrets.token_urlsafe(16).encode())


def _response(
    request: Request, content: bytes, headers: Mapping[str, str], status: int = 200
) -> Response:
    headers = {**HEADERS, **headers, "Vary": VARY, "Content-Language": language_of(request)}
    return Response(content, status, headers, media_type="text/html")


def rendered(
    request: Request,
    template: str,
    *,
    current_path: str = "",
    zone: tzinfo | None = None,
    **context: Any,
) -> str:
    """Return the HTML of a template.

    `current_path` is the page's one path, in place of the requested one, which has many spellings.
    Times are in the zone of the reader, unless there is another.
    """
    language = language_of(request)
    is_known, may_observe = _rights(request)
    # The page to come back to after another language or theme was chosen.
    here = path_and_query(request) if request.method == "GET" else page_of(request)
    common = {
        "request": request,
        "current_path": current_path or request.scope["path"],
        "here": "/" if context.get("code") is not None else current_path or here,
        "language": language,
        "theme": theme_of(request),
        "embedded": settings.embedded,
        "is_known": is_known,
        "may_observe": may_observe,
        "zone": cache(lambda: zone or _zone(request)),  # no page of an error needs it
    }
    return _environment(language).get_template(template).render(**common, **context)


def _rights(request: Request) -> tuple[bool, bool]:
    """Whether the reader has an account, and whether it may see operators' pages."""
    login = login_in_cookie(request)
    is_observer = login is not None and (login.is_admin or login.is_observer)
    return settings.embedded or login is not None, settings.embedded or is_observer


def _zone(request: Request) -> tzinfo:
    login = login_in_cookie(request)
    if settings.embedded or login is not None:
        return zone_of(login.account_id if login else LOCAL_OWNER)
    return UTC


@cache
def _environment(language: str) -> "Environment":
    # With the first page: most requests are of programs.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context

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
        run_folder=static_files.run_folder,
        labels=labels,
        words=labels.Sentences(texts(language)),
        pace=ScheduleText(texts(language)),
        languages=LANGUAGES,
        themes=THEMES,
        currency=settings.currency,
        mark_of=mark_of,
        is_over=is_over,
        mark_names=WORDS,
        size_said=format_size,
        icon=concept_icon,
        times_of=times_of,
        kinds=list(ContentKind),
        formats=sorted(FORMATS.values(), key=attrgetter("rank")),
    )
    environment.filters.update(
        with_code=with_code,
        parted=parted,
        anchor=anchor,
        exercise_anchor=exercise_anchor,
        concepts_of=concepts_of,
        written_of=written_of,
        # For programs: HTML knows no microseconds.
        instant=lambda at: at.isoformat(timespec="milliseconds"),
        local=pass_context(_local),
        moment=pass_context(lambda context, at: moment_text(_local(context, at))),
        moment_exact=lambda at: f"{at:%Y-%m-%d %H:%M:%S} UTC",  # for operators
        amount=amount_text,
        host=host_of,
        pretty=lambda document: json.dumps(document, indent=2, ensure_ascii=False),
    )
    return environment


def _local(context: Mapping[str, Any], at: datetime) -> datetime:
    """Return a time in the zone of the reader of a template."""
    zone: Callable[[], tzinfo] = context["zone"]
    return at.astimezone(zone())


def moment_text(at: datetime) -> str:
    """Format a time to the minute; UTC, which few live by, is named."""
    return f"{at:%Y-%m-%d %H:%M}{' UTC' if at.tzname() == 'UTC' else ''}"


def concept_icon(of: ConceptMark) -> Markup:
    """Return the mark of a concept, as the map has it."""
    shape, size = SHAPES[ConceptMark(of)], 'viewBox="-8 -8 16 16" width="16" height="16"'
    return Markup(
        f'<svg class="picture mark" {size} aria-hidden="true"><g class="p-{of}">{shape}</g></svg>'
    )


def amount_text(value: Decimal) -> str:
    """Format an amount to the cent, and finer amounts below one unit to a hundredth of that."""
    return f"{value:.2f}" if value >= 1 or value == round(value, 2) else f"{value:.4f}"
