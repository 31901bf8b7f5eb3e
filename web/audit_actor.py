"""Actor of a request, for the audit log."""

from roadmap.accounts import accounts
from roadmap.operations.audit_log import Actor
from web.call import Call
from web.http.host_and_csrf import address_of


def actor_of(call: Call) -> Actor:
    """Return the calling account. Raises Unauthenticated when it is gone, Unavailable."""
    name = accounts.find(call.owner).email
    return Actor(
        call.owner, name, address_of(call.request), call.request.scope["state"]["request_id"]
    )
