"""What all pages of the operator's room share: who may change something there, and how one goes from page to page."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from core.texts import gettext_noop
from roadmap.api_keys import Scope
from web.endpoint import Call
from web.pages.rendering import page

PAGES = {  # in the order in which they are linked
    "/admin": gettext_noop("Overview"),
    "/admin/roadmaps": gettext_noop("Roadmaps"),
    "/admin/logs": gettext_noop("Log"),
}


def room_page(
    call: Call, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
) -> Response:
    """A template that extends operator.html. `may_change`: whether this caller is shown what changes something."""
    may_change = Scope.admin in call.caller.scopes
    return page(call.request, template, status=status, headers=headers, may_change=may_change, pages=PAGES, **context)
