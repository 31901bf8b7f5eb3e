"""The layout of operators' pages: permissions and links from page to page."""

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from core.i18n import gettext_noop
from roadmap.accounts.identity import Scope
from web.call import Call
from web.pages.admin.formatters import Formatters, grouped
from web.pages.preferences import texts_of
from web.pages.templates import page

PAGES = {  # in the order in which they are linked
    "/admin": gettext_noop("Overview"),
    "/admin/roadmaps": gettext_noop("Roadmaps"),
    "/admin/logs": gettext_noop("Log"),
    "/admin/audit": gettext_noop("What was done"),
}


def admin_page(
    call: Call,
    template: str,
    *,
    status: int = 200,
    **context: Any,
) -> Response:
    """Return a page whose template extends admin.html.

    `may_change` shows forms only to callers that may use them.
    """
    return page(
        call.request,
        template,
        status=status,
        may_change=Scope.admin in call.caller.scopes,
        pages=PAGES,
        room=Formatters(texts_of(call.request)),
        grouped=grouped,
        **context,
    )


def address(path: str, **query: object) -> str:
    """Return a path with the values of the query that are not empty."""
    given = {name: value for name, value in query.items() if value not in ("", None)}
    return f"{path}?{urlencode(given)}" if given else path
