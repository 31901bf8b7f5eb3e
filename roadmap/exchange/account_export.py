"""Export of an account: all its data as one ZIP archive, which is kept for a week.

The owner orders it, which stores a row; a worker builds it, and rescue finds rows without a worker.
The archive is written piece by piece into the database, under the lease of the row, so that a
worker holds one roadmap in memory at a time. A worker that has lost its lease adds nothing. A build
that was interrupted starts from the beginning.

It has no secrets and no data of others: each table is read by its owner, without the columns of
`LEFT_OUT`.
"""

import io
import json
import random
import threading
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import peewee
from pydantic import Field

from core import clock
from core.db import session, skip_locked, transaction
from core.errors import Conflict, NotFound, required
from core.ids import new_id
from core.json_types import LazyModel, from_row
from core.sanitize import format_size
from models.accounts import (
    Account,
    AccountExport,
    ApiKey,
    ExportPiece,
    Invitation,
    LearningDay,
    LoginSession,
    Webhook,
    WebhookDelivery,
)
from models.base import Table
from models.records import ExecutionLog, ModelCall, MonthlySpending
from models.roadmaps import (
    Concept,
    Content,
    ContentVersion,
    Judgement,
    Module,
    QuizAttempt,
    ReviewCard,
    Revision,
    Roadmap,
    RoadmapEvent,
    ShareLink,
    Stage,
)
from roadmap.accounts.access import newest_of
from roadmap.accounts.locks import lock_account
from roadmap.generation.retry_policy import MOST_INTERRUPTIONS, LeaseLost, StopSignal
from roadmap.lifecycle.making import leases
from roadmap.lifecycle.making.leases import EXPORTING, keeper
from roadmap.plan import statuses
from roadmap.plan.statuses import ExportStatus, Job, JobName

KEPT = timedelta(days=7)
LARGEST = 1024**3  # bytes of data in one export, before they are compressed
PIECE = 256 * 1024  # bytes
ROWS = 50  # of one query
OLD_AT_ONCE = 10  # exports that are deleted in one transaction
COME_BACK = (3.0, 6.0)  # seconds, while another export is built in this process
LATE = timedelta(seconds=2)  # between the clocks of senders and receivers of a message
TOO_LARGE = (
    f"The data of the account is larger than {format_size(LARGEST)}. Export its roadmaps "
    "one by one."
)
DIED = "The workers that created the export failed too often. Request the export again."
BEGIN = (1980, 1, 1, 0, 0, 0)  # the earliest time of a ZIP entry
# Secrets, columns for workers, and ids of other accounts.
LEFT_OUT = frozenset(
    {"password_hash", "secret_hash", "secret", "previous_secret", "token_hashes", "token_hash"}
    | {"lease_token", "lease_until", "challenged_at"}
    | {"invited_by", "used_by"}
)
README = """Your data of this service

account.json      Your account with its profile, days of learning, logins, API keys,
                  invitations, webhooks with their deliveries, and what calls of a model have
                  cost. Without passwords, keys and secrets.
roadmaps/*.json   Each roadmap with its contents, your progress, notes, answers and reviews.
                  Import it on any instance: on the page "Import a roadmap", or by
                  POST /api/v1/imports.
roadmaps/*.md     The same roadmap to read. Roadmaps without a plan have neither.
records/*.json    All that is stored about each roadmap, also about those in the trash: earlier
                  plans and versions, events, share links (without their tokens), execution log.

Every file is of the moment at which it was written. Times are in UTC.
"""

# One build at a time in a process: a large roadmap takes much memory.
TableRows = tuple[type[Table], Any]  # a table, and a condition of its rows
File = tuple[str, Iterable[str]]  # its name, and its text in parts
# Tables with a column `roadmap`.
OF_ROADMAP = (
    Revision,
    Stage,
    Module,
    Concept,
    Content,
    RoadmapEvent,
    QuizAttempt,
    ReviewCard,
    ShareLink,
    Judgement,
)
_one = threading.Lock()


class ExportInfo(LazyModel):
    """The export of an account."""

    id: UUID
    status: ExportStatus
    created_at: datetime = Field(description="Time of the request.")
    ready_at: datetime | None = Field(description="Time of completion; null: not ready.")
    expires_at: datetime | None = Field(description="Time of deletion; null: in progress.")
    size: int | None = Field(description="Size of the archive in bytes; null: not ready.")
    error: str = Field(description="Reason of the failure; empty: none.")


class _TooLarge(Exception):
    pass


@transaction()
def order(account_id: UUID) -> tuple[ExportInfo, list[Job]]:
    """Order an export in place of the one before; an unfinished one stays."""
    lock_account(account_id)  # so that two orders at once are one
    row = AccountExport.get_or_none(AccountExport.account == account_id)
    if row is not None and row.status in (ExportStatus.queued, ExportStatus.building):
        return _info(row), []
    now = clock.now()
    AccountExport.delete().where(AccountExport.account == account_id).execute()
    row = AccountExport.create(
        id=new_id(),
        account=account_id,
        status=ExportStatus.queued,
        created_at=now,
        due_at=now,
    )
    return _info(row), [Job(JobName.export_account, row.id)]


@session()
def read(account_id: UUID) -> ExportInfo:
    """Return the export of an account. Raises NotFound."""
    row = required(
        AccountExport.get_or_none(AccountExport.account == account_id),
        "This account has no export. Request one first.",
    )
    return _info(row)


def read_ready(account_id: UUID) -> tuple[ExportInfo, int]:
    """Return the export and its size in bytes. Raises NotFound, Conflict."""
    found = read(account_id)
    if found.size is None:
        raise Conflict(f"The export is {found.status}. {found.error or 'Wait until it is ready.'}")
    return found, found.size


@session()
def read_piece(account_id: UUID, export_id: UUID, number: int) -> bytes:
    """Return a piece of the archive. Raises NotFound when it or its export does not exist."""
    query = ExportPiece.select(ExportPiece.content).join(AccountExport)
    is_own = (ExportPiece.export == export_id) & (AccountExport.account == account_id)
    content = required(
        query.where(is_own, ExportPiece.number == number).scalar(),
        "This export no longer exists. Request a new one.",
    )
    return bytes(content)


def build(export_id: UUID) -> list[Job]:
    """Write the archive; return the next job when it cannot be written now."""
    if not _one.acquire(blocking=False):
        # Its row is deferred as well, so that rescue does not take it for lost; but only once.
        wait, now = random.uniform(*COME_BACK), clock.now()
        waits = (AccountExport.id == export_id) & (AccountExport.status == ExportStatus.queued)
        with transaction():
            update = AccountExport.update(due_at=now + timedelta(seconds=wait))
            moved = update.where(waits, AccountExport.due_at <= now + LATE).execute()
        return [Job(JobName.export_account, export_id, delay=wait)] if moved else []
    try:
        with transaction():
            token = leases.claim(EXPORTING, export_id, size=0)
            if token is not None:
                ExportPiece.delete().where(ExportPiece.export == export_id).execute()
                row = AccountExport.get_by_id(export_id)
        if token is None:
            return leases.recheck(EXPORTING, export_id)
        _build(row, token)
    except LeaseLost:  # a new order, an account to be deleted, or another worker
        return []
    finally:
        _one.release()
    return []


@transaction()
def stop(export_id: UUID, reason: str) -> list[Job]:
    """Mark an unfinished export as failed; a worker that builds it loses its lease."""
    unfinished = AccountExport.status.in_((ExportStatus.queued, ExportStatus.building))
    update = AccountExport.update({**_failed(reason), **statuses.NO_LEASE})
    if update.where(AccountExport.id == export_id, unfinished).execute():
        ExportPiece.delete().where(ExportPiece.export == export_id).execute()
    return []


@transaction()
def purge_expired() -> None:
    """Delete expired exports, OLD_AT_ONCE at most."""
    old = AccountExport.select(AccountExport.id).where(AccountExport.expires_at < clock.now())
    ids = [id_ for (id_,) in skip_locked(old.limit(OLD_AT_ONCE)).tuples()]
    if ids:
        AccountExport.delete().where(AccountExport.id.in_(ids)).execute()


def _info(row: AccountExport) -> ExportInfo:
    size = row.size if row.status == ExportStatus.ready else None
    return from_row(ExportInfo, row, size=size)


def _failed(reason: str) -> dict[str, Any]:
    return {
        "status": ExportStatus.failed,
        "error": reason,
        "size": 0,
        "expires_at": clock.now() + KEPT,
    }


def _build(row: AccountExport, token: UUID) -> None:
    """Write the archive, and store its end. Raises LeaseLost."""
    sink = _Pieces(row.id, token)
    try:
        if row.interruptions >= MOST_INTERRUPTIONS:
            return _end(row, token, _failed(DIED))
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            files, left = _files(row.account_id), LARGEST
            while True:
                # A lease lasts for LEASE_SECONDS at most: each file has that long.
                with keeper.holding(EXPORTING, token, StopSignal()):
                    file = next(files, None)
                    if file is None:
                        break
                    left = _write(archive, file, left)
        sink.store_piece()
    except _TooLarge:
        return _end(row, token, _failed(TOO_LARGE))
    now = clock.now()
    ready = {"status": ExportStatus.ready, "ready_at": now, "expires_at": now + KEPT}
    _end(row, token, {**ready, "size": sink.size})


@transaction()
def _end(row: AccountExport, token: UUID, changes: dict[str, Any]) -> None:
    """Release the row with these changes. Raises LeaseLost."""
    leases.release(AccountExport, row.id, token, **changes)
    if changes["status"] == ExportStatus.failed:
        ExportPiece.delete().where(ExportPiece.export == row.id).execute()


def _write(archive: zipfile.ZipFile, file: File, left: int) -> int:
    """Add a file; return the bytes left for others. Raises _TooLarge, LeaseLost."""
    name, parts = file
    entry = zipfile.ZipInfo(name, BEGIN)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    with archive.open(entry, "w") as target:
        for part in parts:
            content = part.encode()
            left -= len(content)
            if left < 0:
                raise _TooLarge
            target.write(content)
    return left


class _Pieces(io.RawIOBase):
    """Write-only file that stores each full piece under the lease of the export."""

    def __init__(self, export_id: UUID, token: UUID) -> None:
        self._export_id, self._token = export_id, token
        self._buffer, self._number, self.size = bytearray(), 0, 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Store full pieces. Raises LeaseLost."""
        self._buffer += data
        while len(self._buffer) >= PIECE:
            self.store_piece()
        return len(data)

    def store_piece(self) -> None:
        """Store a piece, or the rest if there is any. Raises LeaseLost."""
        if content := bytes(self._buffer[:PIECE]):
            size = self.size + len(content)
            facts = {"export": self._export_id, "number": self._number, "content": content}
            with transaction():
                leases.save(AccountExport, self._export_id, self._token, size=size)
                ExportPiece.insert(facts).execute()
            del self._buffer[:PIECE]
            self._number, self.size = self._number + 1, size


def _files(account_id: UUID) -> Iterator[File]:
    hooks = Webhook.select(Webhook.id).where(Webhook.account == account_id)
    tables: list[TableRows] = [
        (Account, Account.id == account_id),
        (LearningDay, LearningDay.account == account_id),
        (LoginSession, LoginSession.account == account_id),
        (ApiKey, ApiKey.account == account_id),
        (Invitation, (Invitation.invited_by == account_id) | (Invitation.used_by == account_id)),
        (Webhook, Webhook.account == account_id),
        (WebhookDelivery, WebhookDelivery.webhook.in_(hooks)),
        (MonthlySpending, MonthlySpending.owner_id == account_id),
        (ModelCall, ModelCall.owner_id == account_id),
    ]
    yield "README.txt", [README]
    yield "account.json", _tables_as_json(tables)
    before, number = None, 0
    while True:
        with session():
            rows = newest_of(account_id, before=before, with_trash=True).limit(ROWS)
            found = [(row.id, row.title or row.goal) for row in rows]
        for roadmap_id, title in found:
            number += 1
            yield from _files_of_roadmap(account_id, roadmap_id, title, number)
        if len(found) < ROWS:
            return
        before = found[-1][0]


def _files_of_roadmap(
    account_id: UUID, roadmap_id: UUID, title: str, number: int
) -> Iterator[File]:
    # Imports in here: only workers that export need them.
    from roadmap.exchange.formats.json_ import Source, as_json
    from roadmap.exchange.formats.markdown import as_markdown, name_of

    name = f"{name_of(title, number)}-{roadmap_id}"
    contents = Content.select(Content.id).where(Content.roadmap == roadmap_id)
    tables: list[TableRows] = [
        (Roadmap, Roadmap.id == roadmap_id),
        *((table, table.roadmap == roadmap_id) for table in OF_ROADMAP),
        (ContentVersion, ContentVersion.content.in_(contents)),
        (ExecutionLog, ExecutionLog.roadmap_id == roadmap_id),
    ]
    yield f"records/{name}.json", _tables_as_json(tables)
    source = Source(account_id, roadmap_id, with_attempts=True, with_trash=True)
    # Deleted meanwhile, without a plan, or too long for any instance: its records are there.
    with suppress(NotFound, Conflict):
        document, tree = source.document, source.tree.model_dump(mode="json")
        yield f"roadmaps/{name}.md", [as_markdown(tree, source.details.values(), source.texts)]
        yield f"roadmaps/{name}.json", [as_json(document).decode()]


def _tables_as_json(tables: Iterable[TableRows]) -> Iterator[str]:
    """Yield a JSON object: the rows of each table by its name, one per line."""

    def as_text(value: Any) -> str:
        return value.isoformat() if isinstance(value, date) else str(value)

    lead = "{\n"
    for table, which in tables:
        yield f'{lead}"{table._meta.table_name}": ['
        comma = "\n"
        for row in _rows(table, which):
            yield comma + json.dumps(row, ensure_ascii=False, default=as_text)
            comma = ",\n"
        yield "\n]"
        lead = ",\n"
    yield "\n}\n"


def _rows(table: type[Table], which: Any) -> Iterator[dict[str, Any]]:
    """Yield rows in the order of the key; no session is held while they are written."""
    order_ = table._meta.get_primary_keys()
    shown = [field for field in table._meta.sorted_fields if field.name not in LEFT_OUT]
    beyond: list[Any] = []
    while True:
        with session():
            rows = list(
                table.select(*shown).where(which, *beyond).order_by(*order_).limit(ROWS).dicts()
            )
        yield from rows
        if len(rows) < ROWS:
            return
        last = (peewee.Value(rows[-1][field.name], field.db_value) for field in order_)
        beyond = [peewee.Tuple(*order_) > peewee.Tuple(*last)]
