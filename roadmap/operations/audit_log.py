"""Audit log: an entry for each action of operators and agents, with time, origin and outcome.

An entry is written before its action, so that none is missing: while the database is away, actions
are refused. The outcome is written after it. An entry without an outcome belongs to a process that
has died: the action may be done or not. A change of the database itself shares a transaction with
its entry, and both stay or neither; a refusal or a failure is written also when that transaction is
undone.

Entries are never changed otherwise, except that the address of a deleted account becomes its id,
and are deleted after a year. They hold names and ids, no secret and no text of a learner.
"""

import getpass
import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Self
from uuid import UUID

import peewee
from pydantic import Field

from core import clock
from core.db import after_transaction, session, transaction
from core.errors import RoadmapError, Unavailable
from core.ids import first_id, new_id
from core.json_types import LazyModel, Page, page_of
from core.sanitize import one_line, strip_nul
from models.records import AuditRecord

logger = logging.getLogger(__name__)

KEPT = timedelta(days=366)
LONGEST = 200  # characters of a text among the details, and of a target
MOST_DETAILS = 20

Detail = str | int | bool | None


class AuditOutcome(StrEnum):
    done = "done"
    refused = "refused"  # by a rule: nothing has changed
    failed = "failed"  # something was away or broke


@dataclass(frozen=True, slots=True)
class Actor:
    """Actor: an account, or with `account_id` None a user of the command line."""

    account_id: UUID | None
    name: str
    address: str = ""  # of the network
    request_id: str = ""
    key_name: str = ""  # of the API key

    @classmethod
    def of_command_line(cls) -> "Actor":
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a container whose user has no name
            user = "unknown"
        return cls(None, f"command line ({user})")


class Action(StrEnum):
    """Actions of operators on pages, over the API and at the command line, and of agents."""

    queue_pause = "queue.pause"
    queue_resume = "queue.resume"
    message_retry = "message.retry"
    message_delete = "message.delete"
    message_revoke = "message.revoke"
    dead_retry = "dead.retry"
    dead_delete = "dead.delete"
    backup_make = "backup.make"
    logs_export = "logs.export"
    roadmap_cancel = "roadmap.cancel"
    roadmap_retry = "roadmap.retry"
    roadmaps_transfer = "roadmaps.transfer"
    invitation_create = "invitation.create"
    invitation_withdraw = "invitation.withdraw"
    key_create = "key.create"
    key_revoke = "key.revoke"
    user_add = "user.add"
    user_password = "user.password"
    user_email = "user.email"
    user_admin = "user.admin"
    user_observer = "user.observer"
    user_logout = "user.logout"
    user_disable = "user.disable"
    agent_change = "agent.change"  # of a learner's data, through the MCP server


@dataclass(slots=True)
class OpenEntry:
    """Entry of an action in progress. `found` is added to its details: counts and new ids."""

    id: UUID
    found: dict[str, Detail] = field(default_factory=dict)


class AuditEntry(LazyModel):
    """One action of an operator or an agent, or at the command line."""

    id: UUID
    account_id: UUID | None = Field(description="ID of the account; null: command line.")
    actor: str = Field(
        description="E-mail address of the account, or user of the machine, at that time."
    )
    address: str = Field(description="IP address of the request; empty: command line.")
    request_id: str = Field(description="Request ID; empty: command line.")
    action: str = Field(description="Action, such as `queue.pause`.")
    target: str = Field(description="Object of the action; the operation of an agent.")
    details: dict[str, Detail] = Field(
        description="Details, such as counts; `key`: the name of the API key that was used."
    )
    began_at: datetime
    ended_at: datetime | None = Field(description="Time of the outcome.")
    outcome: AuditOutcome | None = Field(
        description="Outcome; null: unknown, still running or the process died."
    )
    error: str = Field(description="Reason of the refusal or failure.")


@contextmanager
def audited(
    actor: Actor, action: Action, target: str, details: Mapping[str, Detail] | None = None
) -> Iterator[OpenEntry]:
    """Run the block as an action of this actor, with an entry before it and its outcome after it.

    Raises Unavailable, with the block not begun, when there can be no entry; and what the block
    raises.
    """
    entry = OpenEntry(new_id())
    row: dict[str, Any] = {
        "id": entry.id,
        "account_id": actor.account_id,
        "actor": _short(actor.name),
        "address": actor.address[:100],
        "request_id": actor.request_id[:64],
        "action": action,
        "target": _short(target),
        "details": _bounded(
            {**({"key": actor.key_name} if actor.key_name else {}), **(details or {})}
        ),
        "began_at": clock.now(),
    }
    with transaction():
        AuditRecord.insert(row).execute()
    outcome, error = AuditOutcome.failed, ""
    try:
        yield entry
        outcome = AuditOutcome.done
    except Unavailable as refusal:
        error = refusal.detail
        raise
    except RoadmapError as refusal:
        outcome, error = AuditOutcome.refused, refusal.detail
        raise
    finally:
        ended = {
            "outcome": outcome,
            "error": _short(error),
            "details": _bounded({**row["details"], **entry.found}),
            "ended_at": clock.now(),
        }
        if outcome is AuditOutcome.done:
            _end(row, ended)
        else:  # a transaction around it is undone now, and the row with it
            after_transaction(partial(_end, row, ended))


class OptionalEntry(ExitStack):
    """Audit entry that may be missing, as in a backup of a read-only server."""

    def __init__(self, entry: AbstractContextManager[object]) -> None:
        super().__init__()
        self._entry, self.is_written = entry, False

    def __enter__(self) -> Self:
        with suppress(Unavailable, peewee.DatabaseError):
            self.enter_context(self._entry)
            self.is_written = True
        return self


def entries(
    *, limit: int, before: UUID | None = None, action: str = "", outcome: AuditOutcome | None = None
) -> Page[AuditEntry]:
    """Return a page, the newest first.

    `before` is the id at which the previous one ended.
    """
    filters = {"id__lt": before, "action": action, "outcome": outcome}
    query = AuditRecord.filter(**{name: value for name, value in filters.items() if value})
    with session():
        rows = list(query.order_by(AuditRecord.id.desc()).limit(limit + 1))
    items = [AuditEntry(**{**row.__data__, "details": row.details or {}}) for row in rows]
    return page_of(items, limit)


@transaction()
def purge_expired() -> None:
    """Delete entries of more than a year ago."""
    AuditRecord.delete().where(AuditRecord.id < first_id(clock.now() - KEPT)).execute()


def _end(row: dict[str, Any], ended: dict[str, Any]) -> None:
    """Write the outcome.

    When that fails, the action counts, and its outcome stays unknown.
    """
    try:
        with transaction():
            if not AuditRecord.update(ended).where(AuditRecord.id == row["id"]).execute():
                AuditRecord.insert({**row, **ended}).execute()
    except Unavailable as away:
        logger.warning(
            "the audit log could not record that %s is %s: %s", row["id"], ended["outcome"], away
        )


def _bounded(details: Mapping[str, Detail]) -> dict[str, Detail]:
    return {
        name: _short(value) if isinstance(value, str) else value
        for name, value in list(details.items())[:MOST_DETAILS]
    }


def _short(text: str) -> str:
    line = one_line(strip_nul(text))
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
