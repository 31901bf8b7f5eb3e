"""Accounts: registration, login, passwords, ranks, deletion, local owner."""

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import peewee
from pydantic import SecretStr

from core import clock
from core.db import database_time, lock_for_update, session, settings, transaction
from core.errors import Conflict, FieldError, Forbidden, Unauthenticated, required
from core.ids import new_id
from core.sanitize import normalize_email
from core.settings import Admission
from models.accounts import Account, AccountExport
from roadmap.accounts import api_keys, invitations, passwords, sessions
from roadmap.accounts.identity import LOCAL_OWNER, Device, Login, Principal, Scope
from roadmap.accounts.locks import lock_account
from roadmap.accounts.principals import confirm
from roadmap.accounts.schemas import (
    Credentials,
    Deletion,
    DeletionRequest,
    EmailChange,
    ListedUser,
    PasswordChange,
    Registration,
    User,
)
from roadmap.operations.audit_log import Action, Actor, audited

logger = logging.getLogger(__name__)

RETURN = timedelta(days=30)  # from deletion, in which an account can be restored
LOCAL_EMAIL = "local@localhost"
TAKEN = "is already registered"


class ToBeDeleted(Conflict):
    """The password is right, and the account is to be deleted unless it is restored."""

    def __init__(self, delete_at: datetime) -> None:
        at = delete_at.isoformat(timespec="seconds")
        super().__init__(
            f'This account will be deleted at {at}. To restore it, log in with "restore": true'
            " before then."
        )
        self.delete_at = delete_at


class AddressTaken(Conflict):
    """An account has this address already."""

    def __init__(self) -> None:
        super().__init__(
            "An account with this e-mail address already exists. Log in, or use another address.",
            fields=(FieldError("/email", TAKEN),),
        )


class LastAdministrator(Conflict):
    """The service needs this account: it is the only administrator left."""


def may_return(account: Account) -> bool:
    """Whether a login can restore the account.

    False when its time is over, or when an operator has disabled it since.
    """
    is_pending = account.delete_at is not None and account.delete_at > clock.now()
    return is_pending and bool(account.disabled_at == account.delete_at - RETURN)


def register(
    registration: Registration, invitation_id: UUID | None, device: Device
) -> tuple[User, Login]:
    """Make an account and log in. Slow by design.

    Raises Invalid, Forbidden, and AddressTaken.
    """
    if settings.registration is Admission.closed:
        raise Forbidden("Registration is closed. Ask the administrator for an account.")
    if settings.registration is Admission.invite and invitation_id is None:
        raise Forbidden(
            "Registration requires an invitation. Ask the administrator for one, and send "
            "it as `invitation`."
        )
    password = registration.password.get_secret_value()
    passwords.check(password, registration.email, registration.name)
    if invitation_id is not None:  # first: a stranger must not learn which addresses have accounts
        invitations.check(invitation_id, registration.email)
    digest = passwords.hashed(password)
    try:
        with transaction():
            account = _insert(registration.email, registration.name, digest)
            if invitation_id is not None:
                invitations.redeem(invitation_id, account)
            return _user(account), sessions.begin(account, device)
    except peewee.IntegrityError:
        raise AddressTaken from None


def log_in(credentials: Credentials, device: Device) -> tuple[User, Login]:
    """Begin a session. Slow by design, and equally slow for unknown accounts.

    With `restore`, an account that is to be deleted is restored. Raises Unauthenticated, and
    ToBeDeleted when the password is right.
    """
    wrong = Unauthenticated("The address or the password is wrong.")
    password = credentials.password.get_secret_value()
    with session():
        found = Account.get_or_none(Account.email == credentials.email)
    is_open = found is not None and (found.disabled_at is None or may_return(found))
    if not passwords.matches(found.password_hash if is_open else None, password):
        raise wrong
    digest = passwords.rehashed(found.password_hash, password)
    with transaction():
        account = lock_account(found.id)
        if account is None or account.password_hash != found.password_hash:
            raise wrong
        returns = may_return(account)
        if account.disabled_at is not None and not returns:
            raise wrong
        if returns and not credentials.restore:
            raise ToBeDeleted(account.delete_at)
        changes: dict[str, object] = {"disabled_at": None, "delete_at": None} if returns else {}
        if digest != account.password_hash:
            changes["password_hash"] = digest
        if changes:
            Account.update(changes).where(Account.id == account.id).execute()
        return _user(account), sessions.begin(account, device)


def change_password(
    principal: Principal, change: PasswordChange, device: Device
) -> tuple[User, Login]:
    """Set a password, end all sessions of the account and begin a new one.

    Slow by design.

    Raises Invalid, Unauthenticated, Conflict.
    """
    before = _verified(principal, change.current_password, "The current password is wrong.")
    password = change.new_password.get_secret_value()
    passwords.check(password, before.email, before.name, pointer="/new_password")
    digest = passwords.hashed(password)
    with transaction():
        account = confirm(principal)
        if account.password_hash != before.password_hash:
            raise Conflict("The password has been changed. Log in again.")
        _change(account, {"password_hash": digest}, revoke_keys=change.revoke_keys)
        return _user(account), sessions.begin(account, device)


def change_email(
    principal: Principal, change: EmailChange, device: Device, actor: Actor
) -> tuple[User, Login]:
    """Set the address, end all sessions of the account and begin a new one.

    Slow by design.

    Raises Invalid, Unauthenticated, Conflict, AddressTaken.
    """
    before = _verified(principal, change.password, "The current password is wrong.")
    # The password may be little more than the new address.
    passwords.check(change.password.get_secret_value(), change.email, before.name)
    with transaction():
        account = confirm(principal)
        if (account.password_hash, account.email) != (before.password_hash, before.email):
            raise Conflict("The account has been changed. Log in again.")
        return _user(_readdressed(account, change.email, actor)), sessions.begin(account, device)


def delete(principal: Principal, request: DeletionRequest) -> Deletion:
    """Disable the account, which is deleted in 30 days. Slow by design.

    Raises Unauthenticated, Conflict, LastAdministrator.
    """
    account = _verified(principal, request.password, "The password is wrong.")
    with transaction():
        admins = []
        if account.is_admin:  # locked in one order, so that two who leave at once see each other
            can_log_in = Account.is_admin & Account.disabled_at.is_null()
            either = Account.select().where(can_log_in | (Account.id == account.id))
            admins = list(lock_for_update(either.order_by(Account.id)))
        current = confirm(principal)
        if (current.password_hash, current.is_admin) != (account.password_hash, account.is_admin):
            raise Conflict("The account has been changed. Log in again.")
        if current.is_admin and len(admins) == 1:
            raise LastAdministrator(
                "This is the last administrator. Give another account that role first."
            )
        now = clock.now()
        _change(account, {"disabled_at": now, "delete_at": now + RETURN}, revoke_keys=True)
        AccountExport.delete().where(AccountExport.account == account.id).execute()
    return Deletion(delete_at=now + RETURN)


def find(user_id: UUID) -> User:
    """Return an account. Raises Unauthenticated when it is gone."""
    return _user(_get(user_id))


@transaction()
def ensure_local_owner() -> None:
    """Make the account of embedded mode, which has no password and no login."""
    local = {"id": LOCAL_OWNER, "email": LOCAL_EMAIL, "name": "", "password_hash": ""}
    Account.insert(**local, created_at=clock.now()).on_conflict_ignore().execute()


def ensure_first_admin() -> None:
    """Make the account that ADMIN_EMAIL and ADMIN_PASSWORD name.

    An account that exists is left as it is: anybody may have registered under that address, and a
    password that was changed stays changed.
    """
    if not settings.admin_email or settings.admin_password is None:
        return
    with session():
        account = Account.get_or_none(Account.email == settings.admin_email)
        others = Account.select().where(Account.is_admin, Account.disabled_at.is_null()).exists()
    if account is None and others:  # the first one may have changed its address and password
        logger.warning(
            "ADMIN_EMAIL is passed over, as there is an administrator; "
            "`roadmap users add --admin` makes another"
        )
    elif account is None:
        with suppress(Conflict):  # another process was quicker
            add(settings.admin_email, settings.admin_password.get_secret_value(), is_admin=True)
    elif not account.is_admin:
        logger.warning(
            "the account of ADMIN_EMAIL is no administrator; "
            "`roadmap users admin EMAIL` makes it one"
        )


def add(email: str, password: str, *, name: str = "", is_admin: bool = False) -> User:
    """Make an account without registering, for operators. Raises Invalid, Conflict."""
    passwords.check(password, email, name)
    digest = passwords.hashed(password)
    try:
        with transaction():
            return _user(_insert(normalize_email(email), name, digest, is_admin=is_admin))
    except peewee.IntegrityError:
        raise Conflict(f"An account with the address {email.lower()} already exists.") from None


def set_password(email: str, password: str, *, revoke_keys: bool = False) -> None:
    """Set a forgotten password, and end all sessions. For operators.

    It enables an account that is disabled or to be deleted. Raises Invalid, NotFound.
    """
    known = by_email(email)
    passwords.check(password, known.email, known.name)
    digest = passwords.hashed(password)
    with transaction():
        account = _locked(email)
        changes = {"password_hash": digest, "disabled_at": None, "delete_at": None}
        _change(account, changes, revoke_keys=revoke_keys)


@transaction()
def set_email(email: str, new: str, actor: Actor) -> None:
    """Set the address and end all sessions. For operators.

    Raises NotFound, AddressTaken.
    """
    _readdressed(_locked(email), normalize_email(new), actor)


@transaction()
def end_all_logins(email: str) -> None:
    """End all sessions of the account. For operators. Raises NotFound."""
    sessions.end_all(_locked(email).id)


def set_admin(email: str, *, is_admin: bool) -> None:
    """Make an account an administrator, or an ordinary one again. Raises NotFound."""
    _set_rank(email, "is_admin", is_admin)


def set_observer(email: str, *, is_observer: bool) -> None:
    """Let an account read the admin pages, or take that back. Raises NotFound."""
    _set_rank(email, "is_observer", is_observer)


@transaction()
def disable(email: str) -> None:
    """Disable an account: its sessions and keys end, and its data stays.

    Raises NotFound.

    When it is to be deleted, it cannot be restored any more.
    """
    _change(_locked(email), {"disabled_at": database_time()}, revoke_keys=True)


@session()
def by_email(email: str) -> User:
    """Return the account of an address. Raises NotFound."""
    found = Account.get_or_none(Account.email == email.lower())
    return _user(required(found, f"No account has the address {email.lower()}."))


@session()
def list_all(limit: int) -> list[ListedUser]:
    """Return accounts, the oldest first."""
    query = Account.select().order_by(Account.id).limit(limit)
    return [ListedUser.model_validate(row, from_attributes=True) for row in query]


def _locked(email: str) -> Account:
    """Return an account and lock its row until the commit. Raises NotFound."""
    return required(
        lock_account(by_email(email).id), f"No account has the address {email.lower()}."
    )


def _change(account: Account, changes: dict[str, Any], *, revoke_keys: bool = False) -> None:
    """Change an account, and end its sessions and, if asked for, its keys."""
    Account.update(changes).where(Account.id == account.id).execute()
    sessions.end_all(account.id)
    if revoke_keys:
        api_keys.revoke_all(account.id)


@transaction()
def _set_rank(email: str, rank: str, has_it: bool) -> None:
    """Give or take a rank.

    Sessions end, since their tokens name it, and so do keys that need it.
    """
    account = _locked(email)
    _change(account, {rank: has_it})
    setattr(account, rank, has_it)
    for scope in set(Scope) - api_keys.scopes_of(account):
        api_keys.revoke_all(account.id, scope)


def _readdressed(account: Account, email: str, actor: Actor) -> Account:
    """Set the address of an account whose row is locked. Raises AddressTaken."""
    with audited(actor, Action.user_email, str(account.id), {"before": account.email}) as act:
        try:
            with transaction():  # a savepoint: another account may take the address first
                Account.update(email=email).where(Account.id == account.id).execute()
        except peewee.IntegrityError:
            raise AddressTaken from None
        act.found["after"] = email  # a refused address is another person's, and is not logged
    sessions.end_all(account.id)
    account.email = email
    return account


def _insert(email: str, name: str, digest: str, *, is_admin: bool = False) -> Account:
    account: Account = Account.create(
        id=new_id(),
        email=email,
        name=name,
        password_hash=digest,
        is_admin=is_admin,
        created_at=clock.now(),
    )
    return account


def _verified(principal: Principal, password: SecretStr, wrong: str) -> Account:
    """Return the account if this is its password. Slow by design.

    Raises Unauthenticated.
    """
    account = _get(principal.account_id)
    if not passwords.matches(account.password_hash, password.get_secret_value()):
        raise Unauthenticated(wrong)
    return account


def _get(account_id: UUID) -> Account:
    with session():
        is_open = Account.disabled_at.is_null()
        account: Account | None = Account.get_or_none(Account.id == account_id, is_open)
    if account is None:
        raise Unauthenticated("The account of this token no longer exists.")
    return account


def _user(account: Account) -> User:
    return User.model_validate(account, from_attributes=True)
