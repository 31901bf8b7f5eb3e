"""Registration, login, logout, credentials and the profile of an account."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from starlette.responses import Response

from core.db import settings
from core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    RoadmapError,
    Unauthenticated,
    Unavailable,
)
from core.i18n import gettext_noop
from core.settings import Admission
from roadmap.accounts import accounts, sessions
from roadmap.accounts.accounts import AddressTaken, LastAdministrator, ToBeDeleted
from roadmap.accounts.schemas import (
    Credentials,
    DeletionRequest,
    EmailChange,
    PasswordChange,
    Registration,
)
from roadmap.exchange import account_export
from roadmap.learning import progress
from roadmap.learning.progress import Profile
from roadmap.lifecycle.account_deletion import cancel_work
from roadmap.plan.outline import Level
from tasks.dispatcher import send_after_commit
from web import logins
from web.authentication import run_for_principal
from web.call import Call
from web.http import limits
from web.http.concurrency import in_public_thread
from web.http.host_and_csrf import address_of
from web.http.problems import status_of
from web.http.security_log import log_security_event
from web.pages import error_messages
from web.pages.forms import AnyQuery, Form, filled, local_path, see_other
from web.pages.labels import ROADMAP_LANGUAGES
from web.pages.preferences import texts_of
from web.pages.templates import page

REFUSALS = (Conflict, Forbidden, Invalid, RateLimited, Unauthenticated, Unavailable)
REMEMBERED = tuple(Profile.model_fields)
Sentences = Mapping[type[RoadmapError], str]

LOGIN: Sentences = {
    Unauthenticated: gettext_noop("The address or the password is wrong."),
    ToBeDeleted: gettext_noop(
        "This account is to be deleted. To restore it, enter the password again."
    ),
}
REGISTRATION: Sentences = {
    AddressTaken: gettext_noop("There is an account with this address. Log in instead."),
    Forbidden: gettext_noop(
        "Registration is by invitation only. Ask the administrator for an invitation."
    ),
}
DELETION: Sentences = {
    Unauthenticated: gettext_noop("The current password is wrong."),
    LastAdministrator: gettext_noop(
        "You are the last administrator. Make somebody else one first."
    ),
}
EMAIL: Sentences = {
    Unauthenticated: gettext_noop("The current password is wrong."),
    AddressTaken: gettext_noop("There is an account with this address."),
}
PASSWORD: Sentences = {Unauthenticated: gettext_noop("The current password is wrong.")}


class LoginQuery(AnyQuery):
    """`next`: the page to go to after that. `deleted`: whether the account was just deleted."""

    next: str = "/"
    deleted: str = ""


class RegisterQuery(AnyQuery):
    """`invitation`: from the link that an administrator has sent."""

    invitation: str = ""
    next: str = "/"


class AccountQuery(AnyQuery):
    """`saved`: the last change, for a message."""

    saved: str = ""


def login_page(call: Call) -> Response:
    if settings.embedded:
        return see_other("/")
    return _login(call, next=call.query.next, deleted=call.query.deleted)


async def log_in(call: Call) -> Response:
    if settings.embedded:
        return see_other("/")
    form: Form = call.body
    try:
        credentials = filled(
            Credentials, {**form.given("email", "password", "restore"), "cookie": True}
        )
        begun = await logins.log_in(call, credentials)
    except REFUSALS as error:
        kept: dict[str, Any] = {"email": form.text("email"), "next": form.text("next")}
        if isinstance(error, ToBeDeleted):
            kept["delete_at"] = error.delete_at
        return await in_public_thread(
            address_of(call.request), _again, call, _login, error, LOGIN, kept
        )
    return see_other(local_path(form.text("next")), begun.headers)


def registration_page(call: Call) -> Response:
    if settings.embedded:
        return see_other("/")
    return _registration(call, invitation=call.query.invitation, next=call.query.next)


async def register(call: Call) -> Response:
    if settings.embedded:
        return see_other("/")
    form: Form = call.body
    try:
        registration = filled(
            Registration, {**form.given("email", "name", "password", "invitation"), "cookie": True}
        )
        begun = await logins.register(call, registration)
    except REFUSALS as error:
        kept = {name: form.text(name) for name in ("email", "name", "invitation", "next")}
        return await in_public_thread(
            address_of(call.request), _again, call, _registration, error, REGISTRATION, kept
        )
    return see_other(local_path(form.text("next")), begun.headers)


def log_out(call: Call) -> Response:
    logins.end_login(call, call.caller.session_id, "logged-out")
    return see_other("/login", logins.FORGET)


def account_page(
    call: Call, *, deleting: bool = False, moving: bool = False, email: str = "", **more: Any
) -> Response:
    remembered = progress.read_profile(call.owner).model_dump(mode="json")
    values = {name: more.pop(name, remembered[name]) or "" for name in REMEMBERED}
    errors = dict(more.pop("errors", {}))
    if moving and "password" in errors:  # the page has another field of this name
        errors["email_password"] = errors.pop("password")
    own = call.caller.session_id  # an API key has none, and sees no logins
    export = None
    with suppress(NotFound):
        export = account_export.read(call.owner)
    return _page(
        call,
        "account.html",
        {**values, "email": email},
        errors=errors,
        deleting=deleting,
        user=None if settings.embedded else accounts.find(call.owner),
        logins=[] if own is None else sessions.list_open(call.owner, own).items,
        saved=getattr(call.query, "saved", ""),
        levels=list(Level),
        choices=ROADMAP_LANGUAGES,
        has_login=own is not None,
        export=export,
        **more,
    )


async def change_password(call: Call) -> Response:
    form: Form = call.body
    try:
        change = filled(
            PasswordChange, {**form.given("current_password", "new_password"), "cookie": True}
        )
        begun = await logins.change_password(call, change)
    except REFUSALS as error:
        return await run_for_principal(call.caller, _again, call, account_page, error, PASSWORD, {})
    return see_other("/account?saved=password", begun.headers)


async def change_email(call: Call) -> Response:
    form: Form = call.body
    try:
        change = filled(EmailChange, {**form.given("email", "password"), "cookie": True})
        begun = await logins.change_email(call, change)
    except REFUSALS as error:
        kept = {"moving": True, "email": form.text("email")}
        return await run_for_principal(call.caller, _again, call, account_page, error, EMAIL, kept)
    return see_other("/account?saved=email", begun.headers)


def order_export(call: Call) -> Response:
    limits.count_export(call.owner)
    made, steps = account_export.order(call.owner)
    send_after_commit(steps)
    log_security_event(call.request, "export-ordered", account=call.owner, export=made.id)
    return see_other("/account#export")


async def delete(call: Call) -> Response:
    form: Form = call.body
    try:
        given = filled(DeletionRequest, form.given("password"))
        await logins.delete_account(call, given, cancel_work)
    except REFUSALS as error:
        kept = {"deleting": True}
        return await run_for_principal(
            call.caller, _again, call, account_page, error, DELETION, kept
        )
    return see_other("/login?deleted=yes", logins.FORGET)


def save_profile(call: Call) -> Response:
    try:
        progress.save_profile(call.owner, filled(Profile, call.body.given(*REMEMBERED)))
    except Invalid as error:
        kept = {name: call.body.text(name) for name in REMEMBERED}
        return _again(call, account_page, error, {}, kept)
    return see_other("/account?saved=profile")


def end_session(call: Call) -> Response:
    logins.end_login(call, call.ids["session_id"])
    return see_other("/account")


def _again(
    call: Call,
    form: Callable[..., Response],
    error: RoadmapError,
    sentences: Sentences,
    kept: Mapping[str, Any],
) -> Response:
    """Return the form with its errors and its values, but for passwords."""
    words = texts_of(call.request)
    own = sentences.get(type(error))
    errors = error_messages.of_fields(words, error.fields)
    problem = error_messages.sentence(words, error)
    if own and "invitation" not in errors:
        problem = words.gettext(own)
    return form(call, status=status_of(error), problem=problem, errors=errors, **kept)


def _login(
    call: Call,
    *,
    next: str,
    email: str = "",
    deleted: str = "",
    delete_at: datetime | None = None,
    **more: Any,
) -> Response:
    values = {"email": email, "next": local_path(next), "deleted": deleted, "delete_at": delete_at}
    return _page(
        call,
        "login.html",
        values,
        may_register=settings.registration is not Admission.closed,
        **more,
    )


def _registration(
    call: Call, *, next: str, invitation: str, email: str = "", name: str = "", **more: Any
) -> Response:
    values = {"email": email, "name": name, "invitation": invitation, "next": local_path(next)}
    return _page(call, "register.html", values, admission=settings.registration, **more)


def _page(call: Call, template: str, values: Mapping[str, Any], **more: Any) -> Response:
    return page(call.request, template, values=values, **{"problem": "", "errors": {}, **more})
