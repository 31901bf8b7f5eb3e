"""The ASGI application: composition only."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import FrameType
from typing import Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool

from core.backends import API_HANDLERS
from core.db import settings
from core.errors import RoadmapError
from core.logging_setup import say
from core.settings import API
from core.startup.gc_tuning import freeze_startup_objects_soon
from roadmap.accounts.accounts import ensure_first_admin, ensure_local_owner
from roadmap.exchange.share_links import store_hashes
from roadmap.generation.generator import current_generator
from roadmap.lifecycle.making.create import rehearse
from roadmap.operations.execution_log import buffer
from roadmap.operations.metrics_store import saver
from roadmap.plan.schemas import RoadmapRequest
from tasks.dispatcher import sender
from web.api.roadmaps import Accepted
from web.auth.revocation_cache import revocations
from web.endpoints.errors import HANDLERS
from web.http import limits
from web.http.middleware import Application
from web.roadmaps.create_writer import backlog, writer
from web.roadmaps.sse import poller
from web.routes import ROUTES

PARTS = (  # each with start() and stop(), which handles what was accepted
    *(saver, sender, writer, backlog.refresher),
    *((limits.exchange,) if limits.exchange else ()),
    *(revocations, poller),
)

REHEARSALS = 8  # Python and PostgreSQL run a statement more quickly after a few times


def warm_up() -> None:
    """Load what the first goal would wait for, also in the server of the database."""
    Accepted.model_rebuild()
    with suppress(RoadmapError):
        for _ in range(REHEARSALS):
            rehearse(current_generator().fit(RoadmapRequest(goal="Python backend")))


def close_streams_on_signals() -> None:
    """End the streams at SIGTERM and SIGINT, so that the server does not wait for them."""
    if threading.current_thread() is not threading.main_thread():
        return  # a test's client runs the application in another thread and sends no signals
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        servers = signal.getsignal(number)

        def end(received: int, frame: FrameType | None, servers: Any = servers) -> None:
            loop.call_soon_threadsafe(poller.close)
            if callable(servers):
                servers(received, frame)

        signal.signal(number, end)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = API_HANDLERS
    if settings.embedded:
        await run_in_threadpool(ensure_local_owner)
    await run_in_threadpool(ensure_first_admin)
    await run_in_threadpool(store_hashes)
    for part in PARTS:
        part.start()
    await run_in_threadpool(warm_up)
    close_streams_on_signals()
    freeze_startup_objects_soon()
    if settings.service_type == API:  # for `all`, core/startup/banner.py says so
        say("api ready")
    yield
    for part in reversed(PARTS):
        await run_in_threadpool(part.stop)
    await run_in_threadpool(buffer.close)


app = Application(ROUTES, handlers=HANDLERS, lifespan=lifespan)
