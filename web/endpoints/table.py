"""Paths that tables of routes share, and the row of what operators may read."""

from functools import partial

from roadmap.accounts.identity import Scope
from web.endpoints.endpoint import Endpoint

API = "/api/v1"
ROADMAP = API + "/roadmaps/{roadmap_id}"
REVISION = ROADMAP + "/revisions/{number}"
CONCEPT = ROADMAP + "/concepts/{concept_id}"
CONTENT = CONCEPT + "/{kind}"
ADMIN = API + "/admin"
QUEUE = ADMIN + "/queues/{queue}"

observe = partial(Endpoint, "GET", scope=Scope.observe)
