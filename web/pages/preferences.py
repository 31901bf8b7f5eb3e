"""Language and theme of a reader, kept in cookies, which need no account."""

from gettext import NullTranslations

from starlette.requests import Request
from starlette.responses import Response

from core.db import settings
from core.i18n import LANGUAGES, negotiated, texts
from web.call import Call
from web.pages.forms import local_path, see_other

THEMES = ("auto", "light", "dark")
# Over TLS, browsers let no other host set such a cookie.
PREFIX = "" if settings.embedded else "__Host-"
A_YEAR = 365 * 24 * 3600  # seconds


def language_of(request: Request) -> str:
    """Return the language that was chosen, or else the one that the browser prefers."""
    chosen = request.cookies.get(f"{PREFIX}language", "")
    return chosen if chosen in LANGUAGES else negotiated(request.headers.get("accept-language", ""))


def texts_of(request: Request) -> NullTranslations:
    """Return the texts in the reader's language."""
    return texts(language_of(request))


def theme_of(request: Request) -> str:
    chosen = request.cookies.get(f"{PREFIX}theme", "")
    return chosen if chosen in THEMES else THEMES[0]


def change(call: Call) -> Response:
    """Keep a choice, and go back to its page."""
    answer = see_other(local_path(call.body.text("next")))
    for name, allowed in (("language", LANGUAGES), ("theme", THEMES)):
        value = call.body.text(name)
        if value in allowed:
            answer.set_cookie(
                PREFIX + name,
                value,
                max_age=A_YEAR,
                secure=not settings.embedded,
                httponly=True,
                samesite="lax",
            )
    return answer
