"""The MCP server over streamable HTTP: one request, answered as JSON, without a session."""

import logging
from collections.abc import Awaitable, Callable, Mapping

import anyio
import httpx2
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp, Message, Scope

from mcp_server.server import USER_AGENT, AgentSession, agent_session, server
from roadmap_client import AsyncRoadmapClient

logging.getLogger("mcp").setLevel(logging.WARNING)  # it logs the start and end of each request


async def handle_message(
    app: ASGIApp,
    scope: Scope,
    body: bytes,
    *,
    url: str,
    headers: Mapping[str, str | bytes],
    is_ending: Callable[[], Awaitable[bool]],
) -> list[Message]:
    """Return the messages that answer a request. Tools call the app with these headers."""
    sent: list[Message] = []
    left = [body]

    async def receive() -> Message:
        if not left:  # the library waits here for a client that goes away
            await anyio.sleep_forever()
        return {"type": "http.request", "body": left.pop()}

    async def send(message: Message) -> None:
        sent.append(message)

    transport = httpx2.ASGITransport(app, raise_app_exceptions=False, client=scope["client"])
    async with AsyncRoadmapClient(
        url, patience=0, headers={**headers, "User-Agent": USER_AGENT}, transport=transport
    ) as client:
        agent_session.set(AgentSession(client, is_ending))
        server.streamable_http_app(  # for its session manager alone
            json_response=True,
            stateless_http=True,
            transport_security=TransportSecuritySettings(  # web/http/host_and_csrf.py has checked
                enable_dns_rebinding_protection=False
            ),
        )
        manager = server.session_manager  # runs once: a new one for each request keeps no state
        async with manager.run():
            await manager.handle_request(scope, receive, send)
    return sent
