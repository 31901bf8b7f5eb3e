"""Idempotency of forms: one sent twice, by a second click or after going back, is done once.

The field `form` is its name.
"""

import hashlib
from collections.abc import Callable
from typing import TypeVar

from starlette.responses import Response

from core.db import transaction
from roadmap.accounts.identity import IdempotencyKey
from roadmap.plan.views import RoadmapSummary
from web import idempotency
from web.call import Call
from web.pages.forms import see_other

Document = TypeVar("Document")

PATIENCE = 10.0  # seconds for which a second click waits for the first


def form_key(call: Call, content: bytes) -> IdempotencyKey | None:
    """Return the key of a form with this content, or None if the form has no name."""
    if not (form := call.body.text("form")):
        return None
    key = f"form {form[:100]} {hashlib.sha256(content).hexdigest()}"
    return idempotency.make_key(key, call.owner, call.request, content)


def create_once(
    call: Call,
    content: bytes,
    read: Callable[[], Document],
    make: Callable[[Document], RoadmapSummary],
) -> Response:
    """Redirect to the roadmap that is made of the document, once for the same form.

    The document is read before the transaction that makes the roadmap, as reads inside of one
    need not be of one moment. Raises what these functions do, and KeyInUse when the first form
    takes too long.
    """
    named = form_key(call, content)
    with idempotency.one_at_a_time(named, patience=PATIENCE):
        if named is not None and (earlier := idempotency.find(named)) is not None:
            return earlier  # the document may be gone by now
        document = read()
        with transaction():
            if named is not None and (earlier := idempotency.begin(named)) is not None:
                return earlier
            response = see_other(f"/roadmaps/{make(document).id}")
            return response if named is None else idempotency.store(named, response)
