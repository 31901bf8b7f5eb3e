"""The ASGI application: composition only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware

from core.runtime import settings
from core.storage import API_HANDLERS
from roadmap.accounts import ensure_local_owner
from roadmap.execution_log import buffer
from web import accepting
from web.errors import HANDLERS
from web.events import close_on_signals, poller
from web.middleware import RequestIdMiddleware
from web.routes import ROUTES


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = API_HANDLERS
    if settings.embedded:
        await run_in_threadpool(ensure_local_owner)
    accepting.start()
    poller.start()
    close_on_signals()
    yield
    await run_in_threadpool(poller.stop)
    await run_in_threadpool(accepting.stop)
    await run_in_threadpool(buffer.close)


app = Starlette(
    routes=ROUTES,
    middleware=[Middleware(RequestIdMiddleware)],
    exception_handlers=HANDLERS,
    lifespan=lifespan,
)
app.router.redirect_slashes = False  # the redirect would name whatever host the request claims
