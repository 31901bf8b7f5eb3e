"""`users`: accounts, for operators."""

from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from cli.output import json_option, say, show, table
from core.sanitize import Email
from roadmap.accounts import accounts, invitations
from roadmap.accounts.invitations import InvitationRequest
from roadmap.lifecycle import transfer as transfer_
from roadmap.operations.audit_log import Action, Actor, audited
from web import tokens


def _address(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else TypeAdapter[str](Email).validate_python(value)
    except ValidationError:
        raise click.BadParameter("is not an e-mail address") from None


class PromptOption(click.Option):
    """Option with a prompt; without a terminal, its error names the alternatives."""

    def prompt_for_value(self, ctx: click.Context) -> Any:
        try:
            return super().prompt_for_value(ctx)
        except click.Abort as abort:
            if isinstance(abort.__context__, EOFError):
                give = f"give {self.opts[0]}, or {self.envvar} in the environment"
                raise click.UsageError(f"Nobody is there to be asked: {give}.", ctx) from None
            raise


email_argument = click.argument("email", callback=_address)
password_option = click.option(
    "--password",
    cls=PromptOption,
    envvar="PASSWORD",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    help="Or PASSWORD in the environment; otherwise it is asked for.",
)


@click.group()
def users() -> None:
    """List, add and invite people, make administrators, set forgotten passwords, shut somebody out,
    transfer roadmaps.
    """


@users.command("list")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="How many at most.",
)
@json_option
def list_(limit: int, as_json: bool) -> None:
    """Show accounts, the oldest first."""
    found = accounts.list_all(limit)
    rows = []
    for user in found:
        rank = "administer" if user.is_admin else "observe" if user.is_observer else ""
        state = "disabled" if user.disabled_at is not None else ""
        if user.delete_at is not None:
            state = f"deleted on {user.delete_at:%Y-%m-%d}"
        rows.append((user.id, user.email, user.name, rank, state))
    show(found, as_json, lambda: table(("id", "address", "name", "may", "state"), rows))


@users.command()
@email_argument
@click.option("--name", default="", help="What the person is called.")
@click.option("--admin", is_flag=True, help="Make it an administrator.")
@password_option
@json_option
def add(email: str, name: str, admin: bool, password: str, as_json: bool) -> None:
    """Make an account."""
    with _noted(Action.user_add, email, admin=admin):
        made = accounts.add(email, password, name=name, is_admin=admin)
    say(f"{email} can log in.", as_json, made)


@users.command()
@click.argument("email", required=False, callback=_address)
@json_option
def invite(email: str | None, as_json: bool) -> None:
    """Print an invitation, with which one person can register within a week."""
    with _noted(Action.invitation_create, email or "whoever has it"):
        made = invitations.invite(None, InvitationRequest(email=email))
    token = tokens.invitation_token(made.id)
    say(token, as_json, {"invitation": token, "email": email, "expires_at": made.expires_at})


@users.command()
@email_argument
@password_option
@click.option("--revoke-keys", is_flag=True, help="Revoke its API keys as well.")
@json_option
def password(email: str, password: str, revoke_keys: bool, as_json: bool) -> None:
    """Set a forgotten password. All logins of the account end."""
    with _noted(Action.user_password, email, revoke_keys=revoke_keys):
        accounts.set_password(email, password, revoke_keys=revoke_keys)
    say(f"{email} has a new password and can log in.", as_json, {"email": email, "password": "new"})


@users.command("email")
@email_argument
@click.argument("new", callback=_address)
@json_option
def email_(email: str, new: str, as_json: bool) -> None:
    """Give an account another address, NEW. All its logins end; its keys stay."""
    accounts.set_email(email, new, Actor.of_command_line())
    say(
        f"{new} is the address of the account now; all its logins have ended.",
        as_json,
        {"email": new},
    )


@users.command()
@email_argument
@click.option("--remove", is_flag=True, help="Make it an ordinary account again.")
@json_option
def admin(email: str, remove: bool, as_json: bool) -> None:
    """Make somebody an administrator."""
    with _noted(Action.user_admin, email, is_admin=not remove):
        accounts.set_admin(email, is_admin=not remove)
    say(
        f"{email} is {'no administrator any more' if remove else 'an administrator'}; "
        "all its logins have ended.",
        as_json,
        {"email": email, "is_admin": not remove},
    )


@users.command()
@email_argument
@click.option("--remove", is_flag=True, help="Make it an ordinary account again.")
@json_option
def observer(email: str, remove: bool, as_json: bool) -> None:
    """Let somebody look at the operator's room, and change nothing there."""
    with _noted(Action.user_observer, email, is_observer=not remove):
        accounts.set_observer(email, is_observer=not remove)
    say(
        f"{email} is {'no observer any more' if remove else 'an observer'}; "
        "all its logins have ended.",
        as_json,
        {"email": email, "is_observer": not remove},
    )


@users.command()
@email_argument
@json_option
def logout(email: str, as_json: bool) -> None:
    """End all logins of an account."""
    with _noted(Action.user_logout, email):
        accounts.end_all_logins(email)
    say(f"All logins of {email} have ended.", as_json, {"email": email, "logins": 0})


@users.command()
@email_argument
@json_option
def disable(email: str, as_json: bool) -> None:
    """Shut somebody out: all logins end, all keys are revoked. A new password opens the account
    again.
    """
    with _noted(Action.user_disable, email):
        accounts.disable(email)
    say(f"{email} is shut out.", as_json, {"email": email, "disabled": True})


@users.command()
@click.argument("owner", metavar="FROM")
@click.argument("new_owner", metavar="TO")
@json_option
def transfer(owner: str, new_owner: str, as_json: bool) -> None:
    """Make all roadmaps of the account FROM those of TO: of somebody who leaves, or of embedded
    mode (local@localhost).
    """
    made = transfer_.transfer(owner, new_owner, Actor.of_command_line())
    say(
        f"Roadmaps of {made.owner.email} that are those of {made.new_owner.email} now: "
        f"{made.roadmaps}",
        as_json,
        made,
    )


def _noted(action: Action, email: str, **details: bool) -> Any:
    return audited(Actor.of_command_line(), action, email, details)
