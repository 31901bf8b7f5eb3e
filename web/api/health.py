"""Is it alive, and has it what it needs?"""

from typing import Literal

from pydantic import BaseModel, Field
from starlette.responses import Response

from core.db import database, session, settings
from core.errors import Unavailable
from core.migrate import pending
from core.version import COMMIT, NUMBER
from tasks.queue_admin import check_brokers
from web.call import Call
from web.endpoint import Endpoint
from web.http.concurrency import share_probe
from web.http.responses import to_response


class ProbeEndpoint(Endpoint):
    """Endpoint that does not wait for the visitors of public pages."""

    async def respond(self, call: Call) -> Response:
        return to_response(call.request, await share_probe(self.handler, call), self.status)


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str = Field(description="Of the service.")
    commit: str = Field(description="That it was made from; or `unknown`.")


class Ready(BaseModel):
    """All that it needs is there."""

    status: Literal["ok"] = "ok"
    mode: Literal["embedded", "server"] = Field(
        description="On one machine for one person, or with accounts."
    )


class Index(BaseModel):
    """Name of the service, and links."""

    service: Literal["roadmap"] = "roadmap"
    mode: Literal["embedded", "server"] = Field(
        description="On one machine for one person, or with accounts."
    )
    links: dict[str, str] = Field(description="Addresses by name.")


async def show_alive(call: Call) -> Alive:
    """The process answers, whatever it needs. For probes; not counted."""
    return Alive(version=NUMBER, commit=COMMIT)


def show_ready(call: Call) -> Ready:
    """Answers 503 when the database, its schema or the broker is not there. What they hold is
    counted at `/metrics`.
    """
    with session():
        missing = pending(database.obj)
    if missing:
        raise Unavailable(
            f"The schema is not at {missing[-1]} yet; the api service migrates when it starts."
        )
    check_brokers()
    return Ready(mode=_mode())


async def show_index(call: Call) -> Index:
    """Entry point for clients. Browsers get the home page here."""
    links = {
        "roadmaps": "/api/v1/roadmaps",
        "openapi": "/openapi.json",
        "docs": "/docs",
        "health": "/health",
        "ready": "/health/ready",
    }
    return Index(mode=_mode(), links=links)


def _mode() -> Literal["embedded", "server"]:
    return "embedded" if settings.embedded else "server"
