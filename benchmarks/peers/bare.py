"""Starlette and nothing else: the most that server, framework and load generator allow.

Reads the body, answers.
"""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ANSWER = {"id": "0" * 36, "status": "queued", "links": {"self": "/" * 50, "events": "/" * 57}}


async def create(request: Request) -> Response:
    await request.body()
    return JSONResponse(ANSWER, 202)


async def health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


app = Starlette(
    routes=[Route("/api/v1/roadmaps", create, methods=["POST"]), Route("/health", health)]
)
