"""Who one is: registering, logging in and out, a new password, and what is remembered."""

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
from core.i18n import gettext_noop, texts
from core.settings import Admission
from roadmap.accounts import accounts, sessions
from roadmap.accounts.accounts import (
    AddressTaken,
    Credentials,
    DeletionRequest,
    EmailChange,
    LastAdministrator,
    PasswordChange,
    Registration,
    ToBeDeleted,
)
from roadmap.exchange import account_export
from roadmap.exchange.account_export import ExportInfo
from roadmap.learning import progress
from roadmap.learning.progress import Profile
from roadmap.lifecycle.account_deletion import cancel_work
from roadmap.plan.outline import Level
from web import logins
from web.authentication import run_for_caller
from web.call import Call
from web.http import limits
from web.http.concurrency import in_public_thread
from web.http.host_and_csrf import address_of
from web.http.problems import status_of
from web.http.security_log import log_security_event
from web.job_sender import send
from web.pages import error_messages
from web.pages.forms import AnyQuery, Form, filled, local_path, see_other
from web.pages.learn.home import CHOICES, REMEMBERED
from web.pages.preferences import language_of
from web.pages.templates import page

REFUSALS = (Conflict, Forbidden, Invalid, RateLimited, Unauthenticated, Unavailable)
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
    """`next`: the page to go to after that. `deleted`: the account was, a moment ago."""

    next: str = "/"
    deleted: str = ""


class RegisterQuery(AnyQuery):
    """`invitation`: as it stands in the link that an administrator has sent."""

    invitation: str = ""
    next: str = "/"


def show_login(call: Call) -> Response:
    return (
        see_other("/")
        if settings.embedded
        else _login(call, next=call.query.next, deleted=call.query.deleted)
    )


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


def show_registration(call: Call) -> Response:
    return (
        see_other("/")
        if settings.embedded
        else _registration(call, invitation=call.query.invitation, next=call.query.next)
    )


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


def show(call: Call) -> Response:
    return _account(call)


async def change_password(call: Call) -> Response:
    form: Form = call.body
    try:
        change = filled(
            PasswordChange, {**form.given("current_password", "new_password"), "cookie": True}
        )
        begun = await logins.change_password(call, change)
    except REFUSALS as error:
        return await run_for_caller(call.caller, _again, call, _account, error, PASSWORD, {})
    return see_other("/account?saved=password", begun.headers)


async def change_email(call: Call) -> Response:
    form: Form = call.body
    try:
        change = filled(EmailChange, {**form.given("email", "password"), "cookie": True})
        begun = await logins.change_email(call, change)
    except REFUSALS as error:
        kept = {"moving": True, "email": form.text("email")}
        return await run_for_caller(call.caller, _again, call, _account, error, EMAIL, kept)
    return see_other("/account?saved=email", begun.headers)


def order_export(call: Call) -> Response:
    limits.count_export(call.owner)
    made, steps = account_export.order(call.owner)
    send(steps)
    log_security_event(call.request, "export-ordered", account=call.owner, export=made.id)
    return see_other("/account#export")


async def delete(call: Call) -> Response:
    form: Form = call.body
    try:
        given = filled(DeletionRequest, form.given("password"))
        await logins.delete_account(call, given, cancel_work)
    except REFUSALS as error:
        return await run_for_caller(
            call.caller, _again, call, _account, error, DELETION, {"deleting": True}
        )
    return see_other("/login?deleted=yes", logins.FORGET)


def save_profile(call: Call) -> Response:
    try:
        progress.save_profile(call.owner, filled(Profile, call.body.given(*REMEMBERED)))
    except Invalid as error:
        return _again(
            call, _account, error, {}, {name: call.body.text(name) for name in REMEMBERED}
        )
    return see_other("/account?saved=profile")


def end_session(call: Call) -> Response:
    logins.end_login(call, call.ids["session_id"])
    return see_other("/account")


class AccountQuery(AnyQuery):
    """`saved`: what was, a moment ago."""

    saved: str = ""


def _again(
    call: Call,
    form: Callable[..., Response],
    error: RoadmapError,
    sentences: Sentences,
    kept: Mapping[str, Any],
) -> Response:
    """The form once more with what was typed, but for passwords, and what is wrong with it."""
    words = texts(language_of(call.request))
    own = sentences.get(type(error))
    errors = error_messages.of_fields(words, error.fields)
    said = (
        words.gettext(own)
        if own and not errors.keys() & {"invitation"}
        else error_messages.said(words, error)
    )
    return form(call, status=status_of(error), problem=said, errors=errors, **kept)


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
    return _shown(
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
    return _shown(call, "register.html", values, admission=settings.registration, **more)


def _account(
    call: Call, *, deleting: bool = False, moving: bool = False, email: str = "", **more: Any
) -> Response:
    remembered = progress.read_profile(call.owner).model_dump(mode="json")
    values = {name: more.pop(name, remembered[name]) or "" for name in REMEMBERED}
    values["email"] = email
    if moving and "password" in (
        errors := dict(more["errors"])
    ):  # that field of the page has another name in each form
        more["errors"] = {**errors, "email_password": errors.pop("password")}
    user = None if settings.embedded else accounts.find(call.owner)
    own = call.caller.session_id  # a key has none, and is not told of logins
    logins = [] if own is None else sessions.list_open(call.owner, own).items
    saved = getattr(call.query, "saved", "")
    more |= {
        "deleting": deleting,
        "user": user,
        "logins": logins,
        "saved": saved,
        "levels": list(Level),
        "choices": CHOICES,
    }
    return _shown(
        call, "account.html", values, has_login=own is not None, export=_export(call), **more
    )


def _export(call: Call) -> ExportInfo | None:
    with suppress(NotFound):
        return account_export.read(call.owner)
    return None


def _shown(
    call: Call,
    template: str,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    problem: str = "",
    errors: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    return page(
        call.request,
        template,
        status=status,
        values=values,
        problem=problem,
        errors=errors or {},
        **more,
    )
