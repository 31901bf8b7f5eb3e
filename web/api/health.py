"""Liveness, readiness and entry point."""

from typing import Literal

from pydantic import Field
from starlette.responses import Response

from core.db import DISK_FULL, database, outage, session, settings
from core.errors import Unavailable
from core.json_types import LazyModel
from core.migrate import pending
from core.version import COMMIT, NUMBER
from tasks.queue_admin import check_brokers
from web.endpoints.call import Call
from web.endpoints.endpoint import Endpoint
from web.http.concurrency import share_probe
from web.http.responses import to_response


class ProbeEndpoint(Endpoint):
    """Endpoint that does not wait for the visitors of public pages."""

    async def respond(self, call: Call) -> Response:
        return to_response(call.request, await share_probe(self.handler, call), self.status)


class Alive(LazyModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str = Field(description="Version of the service.")
    commit: str = Field(description="Commit of the build, or `unknown`.")


class Ready(LazyModel):
    """All dependencies are available."""

    status: Literal["ok"] = "ok"
    mode: Literal["embedded", "server"] = Field(
        description="`embedded`: one machine and one user. `server`: with accounts."
    )


class Index(LazyModel):
    """Name of the service, and links."""

    service: Literal["roadmap"] = "roadmap"
    mode: Literal["embedded", "server"] = Field(
        description="`embedded`: one machine and one user. `server`: with accounts."
    )
    links: dict[str, str] = Field(description="Paths by name.")


async def show_alive(call: Call) -> Alive:
    """The process is running; dependencies are not checked.

    For probes; not rate limited.
    """
    return Alive(version=NUMBER, commit=COMMIT)


def show_ready(call: Call) -> Ready:
    """Answers 503 if the database, its schema or the broker is not available, or a disk is full.

    `/metrics` has their figures.
    """
    with session():
        missing = pending(database.obj)
    if missing:
        raise Unavailable(
            f"The database schema is older than {missing[-1]}. The api service applies the "
            "migrations when it starts."
        )
    check_brokers()
    if outage.is_full:
        raise Unavailable(DISK_FULL)
    return Ready(mode=_mode())


async def show_index(call: Call) -> Index:
    """Entry point for clients. Browsers get the home page here."""
    return Index(
        mode=_mode(),
        links={
            "roadmaps": "/api/v1/roadmaps",
            "openapi": "/openapi.json",
            "docs": "/docs",
            "health": "/health",
            "ready": "/health/ready",
        },
    )


def _mode() -> Literal["embedded", "server"]:
    return "embedded" if settings.embedded else "server"


ENDPOINTS = (
    Endpoint("GET", "/", show_index, "Read the entry point", public=True),
    Endpoint("GET", "/health", show_alive, "Check liveness", public=True, unlimited=True),
    Endpoint("GET", "/health/live", show_alive, "Check liveness (probe)", public=True,
        unlimited=True),
    ProbeEndpoint("GET", "/health/ready", show_ready, "Check readiness", public=True),
)  # fmt: skip
