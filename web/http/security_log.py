"""What is written down about who came in and who was refused, for whoever looks for an attack afterwards.

At INFO, on a logger of its own. Never what was said to prove it: no password, token, key or cookie, and no e-mail address.
"""

import logging
from functools import partial

from starlette.requests import Request

from core.db import database
from core.rate_limiter import Limit, Limiter
from web.http.host_and_csrf import address_of

logger = logging.getLogger("roadmap.security")

OFTEN = Limit(
    "noted", 30, 60
)  # refusals of one address that are written down in a minute: who attacks shall not fill the log
_refusals = Limiter()


def log_security_event(request: Request, event: str, **facts: object) -> None:
    """Once what it tells of is committed. `facts` are ids and names of ours, never texts of a person."""
    told = "".join(f" {name}={value}" for name, value in facts.items())
    request_id = request.scope["state"]["request_id"]
    database.after_commit(
        partial(
            logger.info, "%s address=%s request=%s%s", event, address_of(request), request_id, told
        )
    )


def log_refusal(request: Request, status: int) -> None:
    """401, 403 and 429, with the pattern of the route and not the path, which may be anything."""
    if _refusals.hit(OFTEN, address_of(request), publish=False) == 0:
        route = request.scope.get("route")
        log_security_event(
            request,
            "refused",
            status=status,
            method=request.method,
            route=getattr(route, "path", "none"),
        )
