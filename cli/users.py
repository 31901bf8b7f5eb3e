"""`users`: accounts."""

from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from cli.output import json_option, say, show, table
from core.i18n import pluralize
from core.sanitize import Email
from roadmap.accounts import accounts, invitations
from roadmap.accounts import transfer as transfer_
from roadmap.operations.audit_log import Action, Actor, audited
from web.auth import tokens


def _address(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else TypeAdapter[str](Email).validate_python(value)
    except ValidationError:
        raise click.BadParameter("is not an e-mail address.") from None


class PromptOption(click.Option):
    """Option with a prompt; without a terminal, its error names alternatives."""

    def prompt_for_value(self, ctx: click.Context) -> Any:
        try:
            return super().prompt_for_value(ctx)
        except click.Abort as abort:
            if isinstance(abort.__context__, EOFError):
                fix = f"Use {self.opts[0]}, or set {self.envvar} in the environment."
                raise click.UsageError(
                    f"No terminal to prompt for a password. {fix}", ctx
                ) from None
            raise


email_argument = click.argument("email", callback=_address)
password_option = click.option(
    "--password",
    cls=PromptOption,
    envvar="PASSWORD",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    help="Password (or PASSWORD in the environment). Default: prompt.",
)


@click.group()
def users() -> None:
    """List, add, invite, change and disable accounts; transfer roadmaps."""


@users.command("list")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="Maximum number of accounts.",
)
@json_option
def list_(limit: int, as_json: bool) -> None:
    """List accounts, oldest first."""
    found = accounts.list_all(limit)
    rows = []
    for user in found:
        role = "admin" if user.is_admin else "observer" if user.is_observer else ""
        state = "disabled" if user.disabled_at is not None else ""
        if user.delete_at is not None:
            state = f"to be deleted on {user.delete_at:%Y-%m-%d}"
        rows.append((user.id, user.email, user.name, role, state))
    show(found, as_json, lambda: table(("id", "email", "name", "role", "state"), rows))


@users.command()
@email_argument
@click.option("--name", default="", help="Name of the person.")
@click.option("--admin", is_flag=True, help="Grant the administrator role.")
@password_option
@json_option
def add(email: str, name: str, admin: bool, password: str, as_json: bool) -> None:
    """Create an account."""
    with _recorded(Action.user_add, email, admin=admin):
        made = accounts.add(email, password, name=name, is_admin=admin)
    say(f"Created the account {email}.", as_json, made)


@users.command()
@click.argument("email", required=False, callback=_address)
@json_option
def invite(email: str | None, as_json: bool) -> None:
    """Print an invitation. One person, or EMAIL only, can register with it within a week."""
    with _recorded(Action.invitation_create, email or "anyone"):
        made = invitations.invite(None, invitations.InvitationRequest(email=email))
    token = tokens.invitation_token(made.id)
    say(token, as_json, {"invitation": token, "email": email, "expires_at": made.expires_at})


@users.command()
@email_argument
@password_option
@click.option("--revoke-keys", is_flag=True, help="Also revoke all API keys of the account.")
@json_option
def password(email: str, password: str, revoke_keys: bool, as_json: bool) -> None:
    """Set a password and end all logins.

    This also enables a disabled account and cancels a deletion.
    """
    with _recorded(Action.user_password, email, revoke_keys=revoke_keys):
        accounts.set_password(email, password, revoke_keys=revoke_keys)
    say(
        f"Changed the password of {email}. All logins have ended.",
        as_json,
        {"email": email, "password": "new"},
    )


@users.command("email")
@email_argument
@click.argument("new", callback=_address)
@json_option
def email_(email: str, new: str, as_json: bool) -> None:
    """Change the address of an account to NEW. All logins end; API keys stay valid."""
    accounts.set_email(email, new, Actor.of_command_line())
    say(
        f"Changed the address to {new}. All logins have ended.",
        as_json,
        {"email": new},
    )


@users.command()
@email_argument
@click.option("--remove", is_flag=True, help="Remove the role.")
@json_option
def admin(email: str, remove: bool, as_json: bool) -> None:
    """Grant or remove the administrator role. All logins end."""
    with _recorded(Action.user_admin, email, is_admin=not remove):
        accounts.set_admin(email, is_admin=not remove)
    say(
        f"{email} is {'no longer' if remove else 'now'} an administrator. All logins have ended.",
        as_json,
        {"email": email, "is_admin": not remove},
    )


@users.command()
@email_argument
@click.option("--remove", is_flag=True, help="Remove the role.")
@json_option
def observer(email: str, remove: bool, as_json: bool) -> None:
    """Grant or remove read access to the admin pages. All logins end."""
    with _recorded(Action.user_observer, email, is_observer=not remove):
        accounts.set_observer(email, is_observer=not remove)
    say(
        f"{email} is {'no longer' if remove else 'now'} an observer. All logins have ended.",
        as_json,
        {"email": email, "is_observer": not remove},
    )


@users.command()
@email_argument
@json_option
def logout(email: str, as_json: bool) -> None:
    """End all logins of an account."""
    with _recorded(Action.user_logout, email):
        accounts.end_all_logins(email)
    say(f"Ended all logins of {email}.", as_json, {"email": email, "logins": 0})


@users.command()
@email_argument
@json_option
def disable(email: str, as_json: bool) -> None:
    """Disable an account: end all logins and revoke all API keys. A new password enables it."""
    with _recorded(Action.user_disable, email):
        accounts.disable(email)
    say(f"Disabled the account {email}.", as_json, {"email": email, "disabled": True})


@users.command()
@click.argument("owner", metavar="FROM")
@click.argument("new_owner", metavar="TO")
@json_option
def transfer(owner: str, new_owner: str, as_json: bool) -> None:
    """Transfer all roadmaps of the account FROM to TO. The account of embedded mode is
    local@localhost.
    """
    made = transfer_.transfer(owner, new_owner, Actor.of_command_line())
    say(
        f"Transferred {pluralize(made.roadmaps, 'roadmap')} from {made.owner.email} "
        f"to {made.new_owner.email}.",
        as_json,
        made,
    )


def _recorded(action: Action, email: str, **details: bool) -> Any:
    return audited(Actor.of_command_line(), action, email, details)
