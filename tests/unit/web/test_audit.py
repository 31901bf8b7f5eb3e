"""The entry of an agent's change in the audit log."""

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import Response

from roadmap.accounts.identity import LOCAL_OWNER, Principal, Scope
from roadmap.operations.audit_log import AuditOutcome, entries
from web.endpoints.call import Call
from web.endpoints.endpoint import Endpoint


@pytest.mark.usefixtures("immediate")
def test_a_cancelled_request_has_an_outcome() -> None:
    scope = {
        "type": "http",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "state": {"request_id": "r"},
    }
    call = Call(Principal(LOCAL_OWNER, frozenset(Scope)), None, None, {}, Request(scope))

    async def cancelled() -> None:
        with anyio.CancelScope() as request:

            async def set_progress(call: Call) -> Response:
                request.cancel()
                await anyio.sleep_forever()
                raise AssertionError

            await Endpoint("PUT", "/", set_progress, "").respond_audited(call)

    anyio.run(cancelled)
    [entry] = entries(limit=1).items
    assert (entry.target, entry.outcome) == ("set_progress", AuditOutcome.failed)
