"""Is it alive, and has it what it needs?"""

from typing import Literal

from pydantic import BaseModel, Field

from core.runtime import settings
from roadmap.execution_log import buffer, ledger
from roadmap.operations import check_database
from tasks.inspection import queue_states
from web.endpoint import Call


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Queue(BaseModel):
    """Messages of a queue, by their state."""

    ready: int = Field(description="That a worker may take now.")
    held: int = Field(description="That a worker is at.")
    scheduled: int = Field(description="That are for later.")
    dead: int = Field(description="That nobody tries any more.")


class LogBuffer(BaseModel):
    """Records of this process: accepted, still waiting, dropped for want of room."""

    accepted: int = Field(description="Since the process began.")
    waiting: int = Field(description="Not sent yet.")
    dropped: int = Field(description="For want of room.")


class LogRecords(BaseModel):
    """Records of all processes: stored, missing (numbered, but not there a minute later), dropped for want of room."""

    stored: int = Field(description="In the database.")
    missing: int = Field(description="Numbered, but not there a minute later.")
    dropped: int = Field(description="For want of room.")


class Ready(BaseModel):
    """All that it needs is there."""

    status: Literal["ok"] = "ok"
    mode: Literal["embedded", "server"] = Field(description="On one machine for one person, or with accounts.")
    queues: dict[str, Queue] = Field(description="By name: logs and content.")
    log_buffer: LogBuffer = Field(description="Of the process that answers.")
    log_records: LogRecords = Field(description="Of all processes.")


class Index(BaseModel):
    """What this is, and where to go on."""

    service: Literal["roadmap"] = "roadmap"
    mode: Literal["embedded", "server"] = Field(description="On one machine for one person, or with accounts.")
    links: dict[str, str] = Field(description="Addresses by name.")


async def show_alive(call: Call) -> Alive:
    """The process answers, whatever it needs. For probes; not counted."""
    return Alive()


def show_ready(call: Call) -> Ready:
    """Answers 503 when the database, its schema or the broker is not there."""
    check_database()
    queues = {s.name: Queue(ready=s.ready, held=s.held, scheduled=s.scheduled, dead=s.dead) for s in queue_states()}
    log = LogBuffer(accepted=buffer.accepted, waiting=len(buffer), dropped=buffer.dropped)
    written = ledger()
    records = LogRecords(stored=written.stored, missing=written.missing, dropped=written.dropped)
    return Ready(mode=_mode(), queues=queues, log_buffer=log, log_records=records)


async def show_index(call: Call) -> Index:
    """Where everything begins. Browsers get the first page here."""
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
