"""The execution log for operators: searched page by page, and sent as a whole."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from starlette.responses import Response, StreamingResponse

from core.errors import RateLimited, Unauthenticated
from roadmap.operations import log_search
from roadmap.operations.audit_log import Action, audited
from web.audit_actor import actor_of
from web.call import Call
from web.http.concurrency import run_for_account
from web.http.pagination import paged
from web.http.responses import Reply
from web.revocation_cache import revocations
from web.search_filters import FilterQuery, LogSearchQuery

NDJSON = "application/x-ndjson"
EXPORTS_AT_ONCE = 2  # of a process
LONGEST_EXPORT = 3600.0  # seconds
RETRY_AFTER = 30  # seconds


def search_logs(call: Call) -> Reply:
    """What all processes have noted, the newest first. A search that takes longer than five seconds is refused: it says how to
    narrow it.
    """
    query: LogSearchQuery = call.query
    return paged(call, log_search.search(query.wanted, before=query.cursor, limit=query.limit))


async def export_logs(call: Call) -> Response:
    """All records up to now that fit, the oldest first, each as JSON in a line of its own, sent as they are read. An answer
    that is cut off before its end was not complete: also when the login or key with which it was asked for ends meanwhile.
    """
    if call.request.method == "HEAD":
        return Response(media_type=NDJSON)
    _exports.enter()
    try:
        first, pages = await run_for_account(call.caller, _begun, call)
    except BaseException:
        _exports.leave()
        raise
    headers = {"Content-Disposition": 'attachment; filename="execution-log.ndjson"'}
    return _Export(_sent(call, first, pages), headers=headers, media_type=NDJSON)


def _begun(call: Call) -> tuple[bytes, Iterator[bytes]]:
    """Write the export into the audit log; return its first page, and the others.

    A filter that does not fit is refused with the first page, before the answer begins.
    """
    query: FilterQuery = call.query
    with audited(
        actor_of(call),
        Action.logs_export,
        "execution_log",
        query.model_dump(mode="json", exclude_defaults=True),
    ):
        pages = log_search.export(query.wanted)
        return next(pages, b""), pages


class _Exports:
    """How many are on their way from this process."""

    def __init__(self) -> None:
        self.count = 0

    def enter(self) -> None:
        """Raises TooMany."""
        if self.count >= EXPORTS_AT_ONCE:
            raise RateLimited(
                f"{self.count} exports of the log are being sent already. Try again later.",
                retry_after=RETRY_AFTER,
            )
        self.count += 1

    def leave(self) -> None:
        self.count -= 1


_exports = _Exports()


class _Export(StreamingResponse):
    """Its place is free again when it ends, however it does."""

    async def __call__(self, *given: Any) -> None:
        try:
            async with asyncio.timeout(LONGEST_EXPORT):
                with suppress(
                    Unauthenticated
                ):  # the server closes the connection: the end is missing
                    await super().__call__(*given)
        finally:
            _exports.leave()


async def _sent(call: Call, first: bytes, pages: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Raises Unauthenticated when the login or key has ended meanwhile, and whatever reading does."""
    page = first
    while page:
        revocations.check_still(call.caller)
        yield page
        page = await run_for_account(call.caller, next, pages, b"")
