"""What all pages of the operator's room share: who may change something there, and how one goes from page to page."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from core.i18n import gettext_noop, texts
from roadmap.accounts.identity import Scope
from web.call import Call
from web.pages.admin.formatters import Formatters, grouped
from web.pages.preferences import language_of
from web.pages.templates import page

PAGES = {  # in the order in which they are linked
    "/admin": gettext_noop("Overview"),
    "/admin/roadmaps": gettext_noop("Roadmaps"),
    "/admin/logs": gettext_noop("Log"),
    "/admin/audit": gettext_noop("What was done"),
}


def room_page(
    call: Call,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> Response:
    """A template that extends operator.html. `may_change`: whether this caller is shown what changes something."""
    words = Formatters(texts(language_of(call.request)))
    shared: dict[str, Any] = {
        "may_change": Scope.admin in call.caller.scopes,
        "pages": PAGES,
        "room": words,
        "grouped": grouped,
    }
    return page(call.request, template, status=status, headers=headers, **shared, **context)


def address(path: str, **query: object) -> str:
    """With what is not empty of the query."""
    given = {name: value for name, value in query.items() if value not in ("", None)}
    return f"{path}?{urlencode(given)}" if given else path
