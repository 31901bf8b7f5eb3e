"""Who acts, for the audit log."""

from roadmap import accounts
from roadmap.audit import Actor
from web.endpoint import Call
from web.origins import address_of


def actor_of(call: Call) -> Actor:
    """The account that calls. Raises Unauthenticated when it is gone, Unavailable."""
    name = accounts.find(call.owner).email
    return Actor(
        call.owner, name, address_of(call.request), call.request.scope["state"]["request_id"]
    )
