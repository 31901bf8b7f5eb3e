"""`users`: accounts, for who runs the service."""

import click
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from cli.telling import told
from core.addresses import Email
from roadmap import accounts, invitations
from roadmap.invitations import InvitationRequest
from web import tokens

console = Console()


def _address(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else TypeAdapter[str](Email).validate_python(value)
    except ValidationError:
        raise click.BadParameter("is not an e-mail address") from None


email_argument = click.argument("email", callback=_address)
password_option = click.option(
    "--password", envvar="PASSWORD", prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for by default."
)


@click.group()
def users() -> None:
    """List, add and invite people, make administrators, set forgotten passwords, shut somebody out."""


@users.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
def list_(limit: int) -> None:
    """Show accounts, the oldest first."""
    table = Table("id", "address", "name", "may")
    for user in told(lambda: accounts.list_all(limit)):
        may = "administer" if user.is_admin else "observe" if user.is_observer else ""
        table.add_row(str(user.id), user.email, user.name, may)
    console.print(table, markup=False)


@users.command()
@email_argument
@click.option("--name", default="")
@click.option("--admin", is_flag=True, help="Make it an administrator.")
@password_option
def add(email: str, name: str, admin: bool, password: str) -> None:
    """Make an account."""
    told(lambda: accounts.add(email, password, name=name, is_admin=admin))
    console.print(f"{email} can log in.", markup=False)


@users.command()
@click.argument("email", required=False, callback=_address)
def invite(email: str | None) -> None:
    """Print an invitation, with which one person can register within a week."""
    made = told(lambda: invitations.invite(None, InvitationRequest(email=email)))
    click.echo(tokens.invitation_token(made.id))


@users.command()
@email_argument
@password_option
@click.option("--revoke-keys", is_flag=True, help="Revoke its API keys as well.")
def password(email: str, password: str, revoke_keys: bool) -> None:
    """Set a forgotten password. All logins of the account end."""
    told(lambda: accounts.set_password(email, password, revoke_keys=revoke_keys))
    console.print(f"{email} has a new password and can log in.", markup=False)


@users.command()
@email_argument
@click.option("--remove", is_flag=True, help="Make it an ordinary account again.")
def admin(email: str, remove: bool) -> None:
    """Make somebody an administrator."""
    told(lambda: accounts.set_admin(email, is_admin=not remove))
    console.print(
        f"{email} is {'no administrator any more' if remove else 'an administrator'}; all its logins have ended.", markup=False
    )


@users.command()
@email_argument
@click.option("--remove", is_flag=True, help="Make it an ordinary account again.")
def observer(email: str, remove: bool) -> None:
    """Let somebody look at the operator's room, and change nothing there."""
    told(lambda: accounts.set_observer(email, is_observer=not remove))
    console.print(f"{email} is {'no observer any more' if remove else 'an observer'}; all its logins have ended.", markup=False)


@users.command()
@email_argument
def logout(email: str) -> None:
    """End all logins of an account."""
    told(lambda: accounts.end_all_logins(email))
    console.print(f"All logins of {email} have ended.", markup=False)


@users.command()
@email_argument
def disable(email: str) -> None:
    """Shut somebody out: all logins end, all keys are revoked. A new password opens the account again."""
    told(lambda: accounts.disable(email))
    console.print(f"{email} is shut out.", markup=False)
