"""Export of all data of an account, built by a worker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

from pydantic import Field
from starlette.responses import Response, StreamingResponse

from core.db import transaction
from core.errors import Conflict, NotFound, RateLimited, RoadmapError
from roadmap.accounts.principals import confirm
from roadmap.exchange import account_export
from roadmap.plan.statuses import ExportStatus
from tasks.dispatcher import send_after_commit
from web.auth.authentication import run_for_principal
from web.endpoints.call import Call, EmptyBody
from web.endpoints.endpoint import Endpoint
from web.http import limits
from web.http.responses import Reply
from web.http.security_log import log_security_event

Result = TypeVar("Result")

EXPORT = "/api/v1/auth/me/export"
ARCHIVE = EXPORT + ".zip"
ZIP = "application/zip"
DOWNLOADS_AT_ONCE = 10  # of a process, and one of an account: each holds a piece
LONGEST_DOWNLOAD = 3600.0  # seconds
RETRY_AFTER = 5  # seconds

_downloads: set[UUID] = set()  # accounts that download


class LinkedExport(account_export.ExportInfo):
    """The account export with its download link."""

    download: str | None = Field(description="Path of the archive; null: not ready.")


def order_export(call: Call[EmptyBody]) -> Reply[LinkedExport]:
    """Build an export in the background and keep it for seven days.

    It replaces the previous one. While an export is being built, that one is returned. It contains
    no passwords, keys or tokens.
    """
    limits.count_for(limits.EXPORTS, call.owner)
    made, steps = account_export.order(call.owner)
    send_after_commit(steps)
    log_security_event(call.request, "export-ordered", account=call.owner, export=made.id)
    return Reply(_linked(made), headers={"Location": EXPORT, "Retry-After": str(RETRY_AFTER)})


def read_export(call: Call) -> LinkedExport:
    """State of the export. `download` is set when it is ready."""
    return _linked(account_export.read(call.owner))


async def download_export(call: Call) -> Response:
    """A ZIP archive with `account.json` and all roadmaps.

    Each roadmap is there as importable JSON, as Markdown, and with all its records. `README.txt`
    describes the files. If the connection ends before the response is complete, the archive is
    incomplete; this also happens when the login session ends.
    """
    export, size = await run_for_principal(call.caller, _confirmed, call, account_export.read_ready)
    name = f"roadmap-account-{export.created_at:%Y-%m-%d}.zip"
    headers = {"Content-Length": str(size), "Content-Disposition": f'attachment; filename="{name}"'}
    if call.request.method == "HEAD":
        return Response(headers=headers, media_type=ZIP)
    log_security_event(call.request, "export-downloaded", account=call.owner, export=export.id)
    return _Download(call.owner, _pieces(call, export.id, size), headers)


class _Download(StreamingResponse):
    """Download of an archive, which may take an hour; one of an account at a time."""

    def __init__(
        self, account_id: UUID, pieces: AsyncIterator[bytes], headers: dict[str, str]
    ) -> None:
        super().__init__(pieces, headers=headers, media_type=ZIP)
        self._account_id = account_id

    async def __call__(self, *given: Any) -> None:
        if self._account_id in _downloads or len(_downloads) >= DOWNLOADS_AT_ONCE:
            raise RateLimited(
                "Too many downloads of exports are running. Wait until one is finished, "
                "then try again.",
                retry_after=RETRY_AFTER,
            )
        _downloads.add(self._account_id)
        try:
            # The server closes the connection, so that the client sees that the end is missing
            with suppress(RoadmapError, TimeoutError):
                async with asyncio.timeout(LONGEST_DOWNLOAD):
                    await super().__call__(*given)
        finally:
            _downloads.discard(self._account_id)


async def _pieces(call: Call, export_id: UUID, size: int) -> AsyncIterator[bytes]:
    """Yield the archive. Raises Unauthenticated when the login has ended, NotFound when it has."""
    number = sent = 0
    while sent < size:
        read = account_export.read_piece
        piece = await run_for_principal(call.caller, _confirmed, call, read, export_id, number)
        yield piece
        number, sent = number + 1, sent + len(piece)


def _confirmed(call: Call, read: Callable[..., Result], *given: Any) -> Result:
    """Read what the caller owns, and confirm the caller in the same transaction."""
    with transaction():
        confirm(call.caller)
        return read(call.owner, *given)


def _linked(export: account_export.ExportInfo) -> LinkedExport:
    is_ready = export.status == ExportStatus.ready
    return LinkedExport(**export.model_dump(), download=ARCHIVE if is_ready else None)


ENDPOINTS = (
    Endpoint("POST", EXPORT, order_export, "Export the account data", status=202, login_only=True,
        confirms=True),
    Endpoint("GET", EXPORT, read_export, "Read the account export", login_only=True,
        raises=(NotFound,)),
    Endpoint("GET", ARCHIVE, download_export, "Download the account export", login_only=True,
        media_type=ZIP, raises=(NotFound, Conflict)),
)  # fmt: skip
