"""Actor of a request, for the audit log, and the entries of agents."""

import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from core.errors import NotFound
from roadmap.accounts import accounts
from roadmap.learning import reviews
from roadmap.operations.audit_log import Action, Actor, AuditedAction, audited
from web.auth.authentication import run_for_principal
from web.endpoints.call import Call
from web.http import limits
from web.http.host_and_csrf import address_of


def actor_of(call: Call) -> Actor:
    """Return the calling account. Raises Unauthenticated when it is gone, Unavailable."""
    name = accounts.find(call.owner).email
    request_id = call.request.scope["state"]["request_id"]
    return Actor(call.owner, name, address_of(call.request), request_id, call.caller.key_name)


async def respond_audited(
    call: Call, operation: str, respond: Callable[[Call], Awaitable[Response]]
) -> Response:
    """Respond to an agent's change, with an audit log entry that names its API key.

    Raises RateLimited: entries are kept for a year.
    """
    limits.count_agent_change(call.owner)
    entry, act = await run_for_principal(call.caller, _begin, call, operation)
    try:
        response = await respond(call)
        if operation == "create_roadmap":
            act.found["roadmap"] = response.headers["location"].rpartition("/")[2]
        if "idempotency-replayed" in response.headers:
            act.found["repeated"] = True  # nothing has changed again
        return response
    finally:
        with anyio.CancelScope(shield=True):  # a cancelled request has an outcome too
            await run_in_threadpool(entry.__exit__, *sys.exc_info())


def _begin(
    call: Call, operation: str
) -> tuple[AbstractContextManager[AuditedAction], AuditedAction]:
    roadmap_id = call.ids.get("roadmap_id")
    if card_id := call.ids.get("card_id"):
        with suppress(NotFound):  # a refused change has an entry too
            roadmap_id = reviews.read_card(call.owner, card_id).roadmap_id
    its = {"roadmap": str(roadmap_id)} if roadmap_id else {}
    entry = audited(actor_of(call), Action.agent_change, operation, its)
    return entry, entry.__enter__()
