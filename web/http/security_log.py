"""Security log: logins, changes of credentials, and refusals.

It has a logger of its own, at INFO, and never contains a password, token, key, cookie or e-mail
address.
"""

import logging
from functools import partial

from starlette.requests import Request

from core.db import database
from web.http.host_and_csrf import address_of
from web.http.rate_limiter import Limit, Limiter

logger = logging.getLogger("roadmap.security")

# Refusals of one address that are logged in a minute: an attacker must not fill the log.
OFTEN = Limit("noted", 30, 60)
_refusals = Limiter()


def log_security_event(request: Request, event: str, **facts: object) -> None:
    """Log an event after the commit. `facts` are our ids and names, never texts of a person."""
    more = "".join(f" {name}={value}" for name, value in facts.items())
    request_id = request.scope["state"]["request_id"]
    database.after_commit(
        partial(
            logger.info, "%s address=%s request=%s%s", event, address_of(request), request_id, more
        )
    )


def log_refusal(request: Request, status: int) -> None:
    """Log a 401, 403 or 429, with the pattern of the route: the path may be anything."""
    if _refusals.hit(OFTEN, address_of(request), publish=False) == 0:
        route = request.scope.get("route")
        log_security_event(
            request,
            "refused",
            status=status,
            method=request.method,
            route=getattr(route, "path", "none"),
        )
