"""Row locks on accounts."""

from uuid import UUID

from core.db import lock_for_update
from models.accounts import Account


def lock_account(account_id: UUID) -> Account | None:
    """Return an account and lock its row until the commit; None when there is none.

    Needs a transaction. Lock an account before all other rows, or two transactions wait for each
    other.
    """
    return next(iter(lock_for_update(Account.select().where(Account.id == account_id))), None)
