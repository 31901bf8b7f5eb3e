"""Deletion of accounts: work is cancelled, and 30 days later all data deleted.

`accounts.delete` disables the account, and a login may restore it (`accounts.log_in`). This module
cancels its work and, when the time is over, deletes it in small transactions. Copies of shared
roadmaps that others have made stay. Audit records stay, with the id in place of the email address.
"""

from contextlib import suppress
from typing import Any
from uuid import UUID

from core import clock
from core.db import session, skip_locked, transaction
from core.errors import Conflict, NotFound
from models.accounts import Account, ApiKey, Invitation, LoginSession, Webhook, WebhookDelivery
from models.base import Identified
from models.records import AuditRecord, ExecutionLog, ModelCall, MonthlySpending
from models.roadmaps import Roadmap
from roadmap.accounts.access import FIRST, LAST
from roadmap.accounts.accounts import RETURN
from roadmap.operations.audit_log import Action
from roadmap.plan.statuses import BEING_MADE, Job

MOST_CANCELLED = 1000  # roadmaps in one call
ROUNDS = 20  # transactions of one call
ROADMAPS, ROWS = 5, 1000  # per transaction, with thousands of rows of each roadmap


def cancel_work(account_id: UUID | None = None) -> list[Job]:
    """Cancel the work for accounts to be deleted, for one of them or for all."""
    deleted = Account.select(Account.id).where(
        Account.delete_at.is_null(False), Account.disabled_at.is_null(False)
    )
    if account_id is not None:
        deleted = deleted.where(Account.id == account_id)
    with session():
        found = list(
            Roadmap.select(Roadmap.owner, Roadmap.id)
            .where(Roadmap.status.in_(BEING_MADE), Roadmap.owner.in_(deleted))
            .limit(MOST_CANCELLED)
        )
    steps: list[Job] = []
    if found:
        from roadmap.lifecycle import commands  # 1 MB, and looked for each minute
    for row in found:
        with suppress(NotFound, Conflict):  # it has ended meanwhile
            steps += commands.cancel(row.owner_id, row.id, BEING_MADE).steps
    return steps


def purge_expired() -> int:
    """Delete expired accounts, a part at a time; the number of deleted accounts.

    Several processes may do so at once: rows that one is deleting are skipped by the others.
    """
    gone = 0
    for _ in range(ROUNDS):
        due = (
            Account.select()
            # The previous release enables an account without clearing `delete_at`.
            .where(Account.delete_at <= clock.now(), Account.disabled_at.is_null(False))
            .order_by(Account.delete_at)
            .limit(1)
        )
        with transaction():
            account = next(iter(skip_locked(due)), None)
            if account is None:
                break
            # From the first part on the account cannot be restored.
            Account.update(password_hash="").where(Account.id == account.id).execute()
            gone += not _delete_part(account)
    return gone


def _delete_part(account: Account) -> bool:
    """Delete a part and return True, or delete the account itself and return False."""
    mine = Roadmap.select(Roadmap.id).where(Roadmap.owner == account.id)
    roadmaps = [row.id for row in mine.limit(ROADMAPS)]
    if roadmaps and not _delete_rows(ExecutionLog, ExecutionLog.roadmap_id.in_(roadmaps)):
        Roadmap.delete().where(Roadmap.id.in_(roadmaps)).execute()
    hooks = Webhook.select(Webhook.id).where(Webhook.account == account.id)
    if roadmaps or any(
        _delete_rows(table, which)
        for table, which in (
            (WebhookDelivery, WebhookDelivery.webhook.in_(hooks)),
            (ModelCall, ModelCall.owner_id == account.id),
            (LoginSession, LoginSession.account == account.id),
            (ApiKey, ApiKey.account == account.id),
        )
    ):
        return True
    MonthlySpending.delete().where(MonthlySpending.owner_id == account.id).execute()
    Invitation.delete().where(
        (Invitation.used_by == account.id)
        | (
            (Invitation.email == account.email)
            & (Invitation.created_at < account.delete_at - RETURN)
        )
    ).execute()
    AuditRecord.update(actor=str(account.id)).where(AuditRecord.account_id == account.id).execute()
    _purge_addresses(account)
    # The rest goes with it, by its foreign keys.
    Account.delete().where(Account.id == account.id).execute()
    return False


def _purge_addresses(account: Account) -> None:
    """Replace email addresses of the account by its id in the audit log.

    Only in entries of the time in which the address was the account's: after another account had
    it last, until the next change. The log keeps each change at least as long as the entries before
    it.
    """
    changes, own = AuditRecord.action == Action.user_email, AuditRecord.target == str(account.id)
    former = [(row.details["before"], row.id) for row in AuditRecord.select().where(changes & own)]
    of_others = AuditRecord.select().where(changes & ~own).order_by(AuditRecord.id.desc())
    for email, until in [*former, (account.email, LAST)]:
        is_former = AuditRecord.details["before"] == email
        last = of_others.where(is_former, AuditRecord.id < until).first()
        AuditRecord.update(target=str(account.id)).where(
            AuditRecord.target == email,
            AuditRecord.id > (last.id if last else FIRST),
            AuditRecord.id < until,
        ).execute()
    AuditRecord.update(details={}).where(changes & own).execute()


def _delete_rows(table: type[Identified], which: Any) -> int:
    """Delete at most ROWS rows; their number."""
    return int(
        table.delete()
        .where(table.id.in_(table.select(table.id).where(which).limit(ROWS)))
        .execute()
    )
