"""Typed client of the Roadmap API, sync and async, on httpx2 alone (docs/API.md, Python client)."""

from roadmap_client.client import ROADMAPS, AsyncRoadmapClient, RoadmapClient
from roadmap_client.errors import ApiError, ApiProblem, InvalidRequest, InvalidResponse, NoResponse
from roadmap_client.webhooks import InvalidWebhook, verify_webhook

__all__ = ["ROADMAPS", "AsyncRoadmapClient", "InvalidWebhook", "RoadmapClient", "verify_webhook"]
__all__ += ["ApiError", "ApiProblem", "InvalidRequest", "InvalidResponse", "NoResponse"]
