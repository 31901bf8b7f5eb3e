"""Execution log for operators: search and export."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from starlette.responses import Response, StreamingResponse

from core.errors import RateLimited, Unauthenticated
from core.json_types import Page
from roadmap.operations import log_search
from roadmap.operations.audit_log import Action, audited
from roadmap.operations.search_filters import LogFilter
from web.auth.authentication import run_for_principal
from web.auth.revocation_cache import revocations
from web.endpoints.call import Call
from web.endpoints.endpoint import ADMIN, actor_of, observe
from web.http.pagination import paged
from web.http.responses import Reply
from web.operations.search_filters import LogSearchQuery

NDJSON = "application/x-ndjson"
EXPORTS_AT_ONCE = 2  # of a process
LONGEST_EXPORT = 3600.0  # seconds
RETRY_AFTER = 30  # seconds


def search_logs(call: Call[None, LogSearchQuery]) -> Reply[Page[log_search.LogEntry]]:
    """Records of all processes, newest first.

    A search that takes longer than five seconds is refused, with advice on how to narrow it.
    """
    found = log_search.search(call.query, before=call.query.cursor, limit=call.query.limit)
    return paged(call.request, call.query, found)


async def export_logs(call: Call[None, LogFilter]) -> Response:
    """All matching records, oldest first, as NDJSON.

    If the connection ends before the response is complete, the export is incomplete; this also
    happens when the login session or API key ends.
    """

    def begin() -> tuple[bytes, Iterator[bytes]]:
        """Write the export into the audit log; return its first page, and the others.

        A filter that does not fit is refused with the first page, before the response begins.
        """
        details = call.query.model_dump(mode="json", exclude_defaults=True)
        with audited(actor_of(call), Action.logs_export, "execution_log", details):
            pages = log_search.export(call.query)
            return next(pages, b""), pages

    if call.request.method == "HEAD":
        return Response(media_type=NDJSON)
    if _Export.running >= EXPORTS_AT_ONCE:
        raise RateLimited(
            f"{_Export.running} exports of the log are already running. Try again later.",
            retry_after=RETRY_AFTER,
        )
    _Export.running += 1
    try:
        first, pages = await run_for_principal(call.caller, begin)
    except BaseException:
        _Export.running -= 1
        raise
    headers = {"Content-Disposition": 'attachment; filename="execution-log.ndjson"'}
    return _Export(_send(call, first, pages), headers=headers, media_type=NDJSON)


class _Export(StreamingResponse):
    """Export of the log; another may begin when it ends."""

    running = 0  # in this process

    async def __call__(self, *given: Any) -> None:
        try:
            async with asyncio.timeout(LONGEST_EXPORT):
                # The server closes the connection, so that the client sees that the end is missing
                with suppress(Unauthenticated):
                    await super().__call__(*given)
        finally:
            _Export.running -= 1


async def _send(call: Call, page: bytes, pages: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pages. Raises Unauthenticated when the login or key has ended meanwhile."""
    while page:
        revocations.check_still(call.caller)
        yield page
        page = await run_for_principal(call.caller, next, pages, b"")


ENDPOINTS = (
    observe(ADMIN + "/logs", search_logs, "Search the execution log"),
    observe(ADMIN + "/logs/export", export_logs, "Export the execution log",
        media_type="application/x-ndjson"),
)  # fmt: skip
