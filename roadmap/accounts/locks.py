"""Row locks on accounts."""

from uuid import UUID

from core.db import lock_for_update
from models.accounts import Account


def lock_account(account_id: UUID) -> Account | None:
    """The account, whose row is held until the commit; None when there is none. Needs a transaction.

    First of all rows: whoever takes an account after a roadmap, and whoever takes them the other way, wait for each other.
    """
    return next(iter(lock_for_update(Account.select().where(Account.id == account_id))), None)
