"""The ASGI application: composition only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool

from core.garbage import settle_soon
from core.logging_setup import say
from core.runtime import settings
from core.settings import ServiceType
from core.storage import API_HANDLERS
from roadmap.accounts import ensure_first_admin, ensure_local_owner
from roadmap.execution_log import buffer
from roadmap.measures import saver
from roadmap.secret_links import store_hashes
from web import accepting, limits
from web.backlog import backlog
from web.errors import HANDLERS
from web.events import close_on_signals, poller
from web.middleware import MIDDLEWARE
from web.routes import ROUTES
from web.routing import IndexedRouter
from web.standing import standing

PARTS = (saver, accepting, limits, backlog, standing, poller)  # each with start() and stop()


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = API_HANDLERS
    if settings.embedded:
        await run_in_threadpool(ensure_local_owner)
    await run_in_threadpool(ensure_first_admin)
    await run_in_threadpool(store_hashes)
    for part in PARTS:
        part.start()
    close_on_signals()
    settle_soon()
    if settings.service_type is ServiceType.api:  # for `all`, core/announce.py says so
        say("api ready")
    yield
    for part in reversed(PARTS):
        await run_in_threadpool(part.stop)
    await run_in_threadpool(buffer.close)


app = Starlette(middleware=MIDDLEWARE, exception_handlers=HANDLERS)
app.router = IndexedRouter(ROUTES, lifespan=lifespan)
