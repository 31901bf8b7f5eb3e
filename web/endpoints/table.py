"""Names for the tables of routes and their handlers: rows, calls, and paths that tables share."""

from functools import partial

from core.errors import Conflict, Forbidden, Gone, NotFound, Unauthenticated
from roadmap.accounts.identity import Scope
from web.endpoints.call import Call, EmptyBody, NoQuery
from web.endpoints.endpoint import Endpoint, LargeBody, actor_of

__all__ = (
    "ADMIN", "API", "CONCEPT", "CONTENT", "QUEUE", "REVISION", "ROADMAP", "Call", "Conflict",
    "EmptyBody", "Endpoint", "Forbidden", "Gone", "LargeBody", "NoQuery", "NotFound", "Scope",
    "Unauthenticated", "actor_of", "observe",
)  # fmt: skip

API = "/api/v1"
ROADMAP = API + "/roadmaps/{roadmap_id}"
REVISION = ROADMAP + "/revisions/{number}"
CONCEPT = ROADMAP + "/concepts/{concept_id}"
CONTENT = CONCEPT + "/{kind}"
ADMIN = API + "/admin"
QUEUE = ADMIN + "/queues/{queue}"

observe = partial(Endpoint, "GET", scope=Scope.observe)
