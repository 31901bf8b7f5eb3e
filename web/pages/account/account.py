"""Registration, login, logout, credentials and the profile of an account."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel
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
from roadmap.accounts import accounts, sessions
from roadmap.accounts.schemas import (
    Credentials,
    DeletionRequest,
    EmailChange,
    PasswordChange,
    Registration,
)
from roadmap.exchange import account_export
from roadmap.learning import progress
from roadmap.plan.outline import Level
from tasks.dispatcher import send_after_commit
from web.auth import logins
from web.auth.authentication import ANONYMOUS, run_for_principal
from web.http import limits
from web.http.concurrency import in_public_thread
from web.http.host_and_csrf import address_of
from web.http.problems import status_of
from web.http.security_log import log_security_event
from web.pages import error_messages
from web.pages.forms import AnyQuery, filled, local_path, see_other
from web.pages.labels import ROADMAP_LANGUAGES
from web.pages.page_route import PageCall, PageRoute
from web.pages.templates import page, texts_of

REFUSALS = (Conflict, Forbidden, Invalid, RateLimited, Unauthenticated, Unavailable)
WRONG_PASSWORD = gettext_noop("The current password is wrong.")


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


@dataclass(frozen=True, slots=True)
class AccountForm:
    """A form with a password, and the page that shows it again after an error."""

    model: type[BaseModel]
    fields: tuple[str, ...]
    submit: Callable[[PageCall, Any], Awaitable[Any]]
    page: Callable[..., Response]
    problems: Mapping[type[RoadmapError], str]  # in place of the usual messages
    kept: tuple[str, ...] = ()  # fields that keep their values
    path: str = ""  # of the page to go to: by default the one that the form names


def login_page(
    call: PageCall[LoginQuery], kept: Mapping[str, Any] | None = None, **error: Any
) -> Response:
    if settings.embedded:
        return see_other("/")
    values = {"email": "", "next": "/", "deleted": "", "delete_at": None}
    values |= {**call.query.model_dump(), **(kept or {})}
    return _page(call, "login.html", values, admission=settings.registration, **error)


def registration_page(
    call: PageCall[RegisterQuery], kept: Mapping[str, Any] | None = None, **error: Any
) -> Response:
    if settings.embedded:
        return see_other("/")
    values = {"email": "", "name": "", **call.query.model_dump(), **(kept or {})}
    return _page(call, "register.html", values, admission=settings.registration, **error)


def log_out(call: PageCall) -> Response:
    logins.end_login(call, call.caller.session_id, "logged-out")
    return see_other("/login", logins.FORGET)


def account_page(
    call: PageCall[AccountQuery],
    kept: Mapping[str, Any] | None = None,
    *,
    deleting: bool = False,
    moving: bool = False,
    errors: Mapping[str, str] | None = None,
    **error: Any,
) -> Response:
    values = {**progress.read_profile(call.owner).model_dump(mode="json"), **(kept or {})}
    errors = dict(errors or {})
    if moving and "password" in errors:  # the page has another field of this name
        errors["email_password"] = errors.pop("password")
    own = call.caller.session_id  # an API key has none, and sees no logins
    export = None
    with suppress(NotFound):
        export = account_export.read(call.owner)
    return _page(
        call,
        "account.html",
        {"email": "", **{name: value or "" for name, value in values.items()}},
        errors=errors,
        deleting=deleting,
        user=None if settings.embedded else accounts.find(call.owner),
        logins=[] if own is None else sessions.list_open(call.owner, own).items,
        saved=getattr(call.query, "saved", ""),  # passwords are sent without a query
        levels=list(Level),
        choices=ROADMAP_LANGUAGES,
        has_login=own is not None,
        export=export,
        **error,
    )


def order_export(call: PageCall) -> Response:
    limits.count_for(limits.EXPORTS, call.owner)
    made, steps = account_export.order(call.owner)
    send_after_commit(steps)
    log_security_event(call.request, "export-ordered", account=call.owner, export=made.id)
    return see_other("/account#export")


def save_profile(call: PageCall[AccountQuery]) -> Response:
    try:
        given = dict.fromkeys(progress.DEFAULTS) | call.body.given(*progress.DEFAULTS)
        progress.change_profile(call.owner, filled(progress.ProfilePatch, given))
    except Invalid as error:
        kept = {name: call.body.text(name) for name in progress.DEFAULTS}
        return _again(call, account_page, error, {}, kept)
    return see_other("/account?saved=profile")


def save_learning(call: PageCall[AccountQuery]) -> Response:
    """Save the time zone and the weekly goal, or the one of them that the form has."""
    form, changes = call.body, dict[str, Any]()
    if "time_zone" in form:
        changes["time_zone"] = form.text("time_zone").strip() or None
    if "weekly_goal" in form:
        amount = form.text("weekly_goal").strip()
        changes["weekly_goal"] = {"amount": amount, "unit": form.text("unit")} if amount else None
    try:
        progress.change_profile(call.owner, filled(progress.ProfilePatch, changes))
    except Invalid as error:
        return _again(call, account_page, error, {}, changes)
    return see_other("/account?saved=profile")


def end_session(call: PageCall) -> Response:
    logins.end_login(call, call.ids["session_id"])
    return see_other("/account")


async def _submit(call: PageCall, form: AccountForm) -> Response:
    """Submit a form and go to its next page; without a login from then on, the browser forgets it.

    After an error, the form keeps its values, but for passwords.
    """
    is_public = call.caller is ANONYMOUS
    if settings.embedded and is_public:
        return see_other("/")
    cookie = {"cookie": True} if "cookie" in form.model.model_fields else {}
    try:
        request = filled(form.model, {**call.body.given(*form.fields), **cookie})
        begun = await form.submit(call, request)
    except REFUSALS as error:
        kept: dict[str, Any] = {name: call.body.text(name) for name in form.kept}
        if isinstance(error, accounts.ToBeDeleted):
            kept["delete_at"] = error.delete_at
        again = partial(_again, call, form.page, error, form.problems, kept)
        if is_public:
            return await in_public_thread(address_of(call.request), again)
        return await run_for_principal(call.caller, again)
    headers = begun.headers if isinstance(begun, logins.StartedLogin) else logins.FORGET
    return see_other(form.path or local_path(call.body.text("next")), headers)


def _again(
    call: PageCall,
    show: Callable[..., Response],
    error: RoadmapError,
    problems: Mapping[type[RoadmapError], str],
    kept: Mapping[str, Any],
) -> Response:
    """Return a page with the errors and values of its form."""
    words = texts_of(call.request)
    errors = error_messages.of_fields(words, error.fields)
    problem = error_messages.sentence(words, error)
    if type(error) in problems and "invitation" not in errors:
        problem = words.gettext(problems[type(error)])
    return show(call, kept, status=status_of(error), problem=problem, errors=errors)


def _page(call: PageCall, template: str, values: Mapping[str, Any], **more: Any) -> Response:
    if "next" in values:
        values = {**values, "next": local_path(values["next"])}
    return page(call.request, template, values=values, **{"problem": "", "errors": {}, **more})


log_in = partial(
    _submit,
    form=AccountForm(
        Credentials,
        ("email", "password", "restore"),
        logins.log_in,
        login_page,
        {
            Unauthenticated: gettext_noop("The email address or the password is wrong."),
            accounts.ToBeDeleted: gettext_noop(
                "This account will be deleted. To restore it, enter the password again."
            ),
        },
        kept=("email", "next"),
    ),
)
register = partial(
    _submit,
    form=AccountForm(
        Registration,
        ("email", "name", "password", "invitation"),
        logins.register,
        registration_page,
        {
            accounts.AddressTaken: gettext_noop(
                "An account with this address exists. Log in instead."
            ),
            Forbidden: gettext_noop(
                "Registration is by invitation only. Ask the administrator for an invitation."
            ),
        },
        kept=("email", "name", "invitation", "next"),
    ),
)
change_password = partial(
    _submit,
    form=AccountForm(
        PasswordChange,
        ("current_password", "new_password"),
        logins.change_password,
        account_page,
        {Unauthenticated: WRONG_PASSWORD},
        path="/account?saved=password",
    ),
)
change_email = partial(
    _submit,
    form=AccountForm(
        EmailChange,
        ("email", "password"),
        logins.change_email,
        partial(account_page, moving=True),
        {
            Unauthenticated: WRONG_PASSWORD,
            accounts.AddressTaken: gettext_noop("An account with this address exists."),
        },
        kept=("email",),
        path="/account?saved=email",
    ),
)
delete = partial(
    _submit,
    form=AccountForm(
        DeletionRequest,
        ("password",),
        logins.delete_account,
        partial(account_page, deleting=True),
        {
            Unauthenticated: WRONG_PASSWORD,
            accounts.LastAdministrator: gettext_noop(
                "You are the last administrator. Give another account that role first."
            ),
        },
        path="/login?deleted=yes",
    ),
)


PAGES = (
    PageRoute("GET", "/login", login_page, public=True),
    PageRoute("POST", "/login", log_in, public=True),
    PageRoute("GET", "/register", registration_page, public=True),
    PageRoute("POST", "/register", register, public=True),
    PageRoute("POST", "/logout", log_out, login_only=True),
    PageRoute("GET", "/account", account_page),
    PageRoute("POST", "/account/profile", save_profile),
    PageRoute("POST", "/account/learning", save_learning),
    PageRoute("POST", "/account/password", change_password, login_only=True),
    PageRoute("POST", "/account/email", change_email, login_only=True),
    PageRoute("POST", "/account/export", order_export, login_only=True, confirms=True),
    PageRoute("POST", "/account/delete", delete, login_only=True),
    PageRoute("POST", "/account/logins/{session_id}/end", end_session, login_only=True),
)
