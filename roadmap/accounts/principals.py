"""Confirmation of principals, in the transaction that grants access."""

from core.db import lock_for_update, settings
from core.errors import Unauthenticated
from models.accounts import Account, ApiKey, LoginSession
from roadmap.accounts import api_keys, sessions
from roadmap.accounts.identity import Principal
from roadmap.accounts.locks import lock_account


def confirm(principal: Principal) -> Account:
    """Return the current account; lock it and its login or key until the commit.

    To be called first in a transaction that creates a credential, a link or an invitation: the
    request was authenticated when it came, and may have waited since. Raises Unauthenticated, also
    when the account has lost a rank that the principal has.
    """
    account = lock_account(principal.account_id)
    if account is None or account.disabled_at is not None:
        raise Unauthenticated("The account of this token no longer exists.")
    if settings.embedded:
        return account
    if principal.session_id is not None:
        query = LoginSession.select(LoginSession.id).where(
            sessions.open_of(account.id), LoginSession.id == principal.session_id
        )
    else:
        query = ApiKey.select(ApiKey.id).where(
            api_keys.valid_of(account.id), ApiKey.id == principal.key_id
        )
    if not list(lock_for_update(query)) or not principal.scopes <= api_keys.scopes_of(account):
        raise Unauthenticated(
            "The login session or API key has ended. Log in again, or use a valid key."
        )
    return account
