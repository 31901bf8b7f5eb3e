"""The layout of operators' pages, and their numbers and times in the reader's language."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from gettext import NullTranslations
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from core import clock
from core.errors import RoadmapError
from core.i18n import gettext_noop
from core.settings import CONSUMERS
from roadmap.accounts.identity import Scope
from roadmap.operations.audit_log import Action, AuditOutcome
from tasks.message_browser import MessageState
from web.pages.error_messages import form_page
from web.pages.page_route import PageCall, PageRoute
from web.pages.templates import texts_of

observe_page = partial(PageRoute, "GET", scope=Scope.observe)
act_page = partial(PageRoute, scope=Scope.admin)
NOTHING = "\u2013"  # where there is nothing to say
SECTIONS = {  # in the order in which they are linked
    "/admin": gettext_noop("Overview"),
    "/admin/roadmaps": gettext_noop("Roadmaps"),
    "/admin/logs": gettext_noop("Log"),
    "/admin/audit": gettext_noop("Audit log"),
}
STATES = {  # in the order of the tabs
    MessageState.held: gettext_noop("Running"),
    MessageState.ready: gettext_noop("Ready to run"),
    MessageState.scheduled: gettext_noop("Scheduled"),
    MessageState.retrying: gettext_noop("Waiting to retry"),
    MessageState.dead: gettext_noop("Dead letters"),
}
QUEUES = {each.queue: each.label or each.queue for each in CONSUMERS}
OUTCOMES = {
    AuditOutcome.done: gettext_noop("Done"),
    AuditOutcome.refused: gettext_noop("Refused"),
    AuditOutcome.failed: gettext_noop("Failed"),
    None: gettext_noop("Unknown"),
}
ACTIONS = {
    Action.queue_pause: gettext_noop("Paused a queue"),
    Action.queue_resume: gettext_noop("Resumed a queue"),
    Action.message_retry: gettext_noop("Retried a dead letter"),
    Action.message_delete: gettext_noop("Deleted a dead letter"),
    Action.message_revoke: gettext_noop("Revoked a message"),
    Action.dead_retry: gettext_noop("Retried dead letters"),
    Action.dead_delete: gettext_noop("Deleted dead letters"),
    Action.invitation_create: gettext_noop("Created an invitation"),
    Action.invitation_withdraw: gettext_noop("Revoked an invitation"),
    Action.key_create: gettext_noop("Created an API key"),
    Action.key_revoke: gettext_noop("Revoked an API key"),
    Action.backup_make: gettext_noop("Created a backup"),
    Action.logs_export: gettext_noop("Exported the execution log"),
    Action.roadmap_cancel: gettext_noop("Cancelled a roadmap"),
    Action.roadmap_retry: gettext_noop("Retried a roadmap"),
    Action.roadmaps_transfer: gettext_noop("Transferred all roadmaps of an account"),
    Action.user_email: gettext_noop("Changed an email address"),
    Action.user_add: gettext_noop("Created an account"),
    Action.user_password: gettext_noop("Set a new password"),
    Action.user_admin: gettext_noop("Changed the administrator role"),
    Action.user_observer: gettext_noop("Changed the observer role"),
    Action.user_logout: gettext_noop("Ended all logins of an account"),
    Action.user_disable: gettext_noop("Disabled an account"),
    Action.agent_change: gettext_noop("Changed by an agent"),
}


@dataclass(frozen=True, slots=True)
class Formatters:
    texts: NullTranslations

    def lasted(self, seconds: float | None) -> str:
        """Return a duration in its two largest units; below a minute, with two or three digits."""
        if seconds is None:
            return NOTHING
        _ = self.texts.gettext
        if seconds < 0.9995:
            return _("%(count)s ms") % {"count": f"{max(seconds, 0) * 1000:.3g}"}
        whole, minutes, hours = round(seconds), round(seconds / 60), round(seconds / 3600)
        if seconds < 59.5:
            return _("%(count)s s") % {"count": f"{seconds:.2g}" if seconds < 10 else whole}
        if minutes < 60:
            values = {"minutes": whole // 60, "seconds": whole % 60}
            return _("%(minutes)s min %(seconds)s s") % values
        if minutes < 24 * 60:
            values = {"hours": minutes // 60, "minutes": minutes % 60}
            return _("%(hours)s h %(minutes)s min") % values
        return _("%(days)s d %(hours)s h") % {"days": hours // 24, "hours": hours % 24}

    def ago(self, at: datetime | None) -> str:
        """Return the time since or until then, in seconds, minutes, hours or days."""
        if at is None:
            return NOTHING
        _ = self.texts.gettext
        seconds = (clock.now() - at).total_seconds()
        if abs(seconds) < 1:
            return _("now")
        text = _("%(time)s ago") if seconds > 0 else _("in %(time)s")
        return text % {"time": self._about(abs(seconds))}

    def for_how_long(self, since: datetime) -> str:
        return self._about(max(0.0, (clock.now() - since).total_seconds()))

    def _about(self, seconds: float) -> str:
        _ = self.texts.gettext
        if seconds < 60:
            return _("%(count)s s") % {"count": int(seconds)}
        if seconds < 3600:
            return _("%(count)s min") % {"count": int(seconds // 60)}
        if seconds < 2 * 86_400:
            return _("%(count)s h") % {"count": int(seconds // 3600)}
        return _("%(count)s d") % {"count": int(seconds // 86_400)}

    def share(self, part: int, whole: int) -> str:
        """Return a share in per cent; one above 0 is never shown as 0."""
        if not part or not whole:
            return self._per_cent("0") if whole else NOTHING
        per_cent = 100 * part / whole
        if per_cent < 0.1:
            return self._per_cent("< 0.1")
        return self._per_cent(f"{per_cent:.1f}" if per_cent < 9.95 else f"{per_cent:.0f}")

    def _per_cent(self, number: str) -> str:
        return self.texts.gettext("%(number)s %%") % {"number": number}


def grouped(number: int) -> str:
    """Format a number with thin spaces between thousands, which every language reads."""
    return f"{number:,}".replace(",", "\u202f")


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
