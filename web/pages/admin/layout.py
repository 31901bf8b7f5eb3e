"""The layout of operators' pages: sections, routes, and the response of a template."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from core.errors import RoadmapError
from core.i18n import gettext_noop
from core.settings import CONSUMERS
from roadmap.accounts.identity import Scope
from web.pages.admin.formatters import Formatters, grouped
from web.pages.error_messages import form_page
from web.pages.page_route import PageCall, PageRoute
from web.pages.templates import texts_of

observe_page = partial(PageRoute, "GET", scope=Scope.observe)
act_page = partial(PageRoute, scope=Scope.admin)
SECTIONS = {  # in the order in which they are linked
    "/admin": gettext_noop("Overview"),
    "/admin/roadmaps": gettext_noop("Roadmaps"),
    "/admin/logs": gettext_noop("Log"),
    "/admin/audit": gettext_noop("Audit log"),
}
QUEUES = {each.queue: each.label or each.queue for each in CONSUMERS}


def admin_page(
    call: PageCall,
    template: str,
    error: RoadmapError | None = None,
    **context: Any,
) -> Response:
    """Return a page whose template extends admin.html.

    `may_change` shows forms only to callers that may use them.
    """
    return form_page(
        call.request,
        template,
        error,
        may_change=Scope.admin in call.caller.scopes,
        pages=SECTIONS,
        queue_names=QUEUES,
        formatters=Formatters(texts_of(call.request)),
        grouped=grouped,
        **context,
    )


def address(path: str, **query: object) -> str:
    """Return a path with the values of the query that are not empty."""
    given = {name: value for name, value in query.items() if value not in ("", None)}
    return f"{path}?{urlencode(given)}" if given else path
