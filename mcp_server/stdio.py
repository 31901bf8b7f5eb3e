"""The MCP server over standard input and output, for one client on this machine."""

import anyio

from mcp_server.server import USER_AGENT, AgentSession, current, server
from roadmap_client import AsyncRoadmapClient

PATIENCE = 3.0  # seconds of retries: an agent waits for each answer


def run(url: str, key: str | None) -> None:
    """Serve until standard input ends."""
    try:
        anyio.run(_serve, url, key)
    except* BrokenPipeError:  # the client reads no more
        pass


async def _serve(url: str, key: str | None) -> None:
    async with AsyncRoadmapClient(
        url, key, patience=PATIENCE, headers={"User-Agent": USER_AGENT}
    ) as client:
        current.set(AgentSession(client))
        await server.run_stdio_async()
