"""Is it alive, and has it what it needs?"""

from typing import Literal

from pydantic import BaseModel

from core.runtime import settings
from roadmap.execution_log import buffer, ledger
from roadmap.operations import check_database
from tasks.inspection import queue_states
from web.endpoint import Call


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class Queue(BaseModel):
    ready: int
    held: int
    scheduled: int
    dead: int


class LogBuffer(BaseModel):
    """Records of this process: accepted, still waiting, dropped for want of room."""

    accepted: int
    waiting: int
    dropped: int


class LogRecords(BaseModel):
    """Records of all processes: stored, missing (numbered, but not there a minute later), dropped for want of room."""

    stored: int
    missing: int
    dropped: int


class Ready(BaseModel):
    status: Literal["ok"] = "ok"
    mode: Literal["embedded", "server"]
    queues: dict[str, Queue]
    log_buffer: LogBuffer
    log_records: LogRecords


class Index(BaseModel):
    service: Literal["roadmap"] = "roadmap"
    mode: Literal["embedded", "server"]
    links: dict[str, str]


async def show_alive(call: Call) -> Alive:
    return Alive()


def show_ready(call: Call) -> Ready:
    """Raises Unavailable, which answers 503, when the database, its schema or the broker is not there."""
    check_database()
    queues = {s.name: Queue(ready=s.ready, held=s.held, scheduled=s.scheduled, dead=s.dead) for s in queue_states()}
    log = LogBuffer(accepted=buffer.accepted, waiting=len(buffer), dropped=buffer.dropped)
    written = ledger()
    records = LogRecords(stored=written.stored, missing=written.missing, dropped=written.dropped)
    return Ready(mode=_mode(), queues=queues, log_buffer=log, log_records=records)


async def show_index(call: Call) -> Index:
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
