"""MCP over streamable HTTP, if the extra is installed.

A JSON-RPC protocol, and so not in the OpenAPI document. Tools call this very application with the
credentials, origin and address of the request, so that scopes, owners and limits hold for them.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Message

from core.db import settings
from core.errors import NotFound
from core.json_types import LazyModel
from roadmap.accounts.identity import Principal, Scope
from web.endpoints.call import Call
from web.endpoints.endpoint import Endpoint
from web.http.concurrency import agents
from web.http.host_and_csrf import CSRF_HEADER, own_address
from web.roadmaps.sse import poller

# Headers that show who calls, from where, in which trace; the address is that of the connection
# or of its proxy
PASSED_ON = (
    *("authorization", "cookie", "origin", "sec-fetch-site", CSRF_HEADER.lower(), "traceparent"),
    settings.client_address_header.lower(),
)
MISSING = (
    "The MCP server is not installed here. Run `make mcp` in a checkout, install the wheel with "
    "its extra `mcp`, or build the image with --build-arg EXTRAS=mcp."
)


class JsonRpcMessage(LazyModel):
    """A JSON-RPC message, which the MCP library reads and checks."""

    jsonrpc: str  # required, so that there must be a body


class McpEndpoint(Endpoint):
    async def parse(self, caller: Principal, sent: Any) -> Any:
        return sent


def _load() -> Callable[..., Awaitable[list[Message]]]:
    from mcp_server.http import handle_message

    return handle_message


async def serve_mcp(call: Call[bytes]) -> Response:
    """Answer one message of an MCP client."""

    async def is_ending() -> bool:
        return poller.is_closed or await call.request.is_disconnected()

    try:  # it is imported by the first request, which takes 0.3 s and 33 MB
        handle_message = await run_in_threadpool(_load)
    except ModuleNotFoundError:
        raise NotFound(MISSING) from None
    given = call.request.headers
    passed_on: dict[str, str | bytes] = {
        name: ("; " if name == "cookie" else ", ")
        .join(given.getlist(name))
        .encode("latin-1")  # the bytes that were sent
        for name in PASSED_ON
        if name in given
    }
    async with agents.slot(call.owner):
        [start, *rest] = await handle_message(
            call.request.app,
            call.request.scope,
            call.body,
            url=own_address(call.request),
            headers={**passed_on, "X-Request-ID": call.request.scope["state"]["request_id"]},
            is_ending=is_ending,
        )
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Response(b"".join(each.get("body", b"") for each in rest), start["status"], headers)


# Not an operation of the API: JSON-RPC, which clients of MCP know
MCP = McpEndpoint("POST", "/mcp", serve_mcp, "Call the MCP server", body=JsonRpcMessage,
    scope=Scope.read)  # fmt: skip
