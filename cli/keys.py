"""`keys`: API keys of an account."""

from uuid import UUID

import click
from pydantic import ValidationError

from cli.output import json_option, say, show, table
from cli.users import email_argument
from core.i18n import pluralize
from roadmap.accounts import accounts, api_keys
from roadmap.accounts.identity import Scope
from roadmap.operations.audit_log import Action, Actor, audited

COLUMNS = ("id", "name", "prefix", "scopes", "created", "expires", "last used")


@click.group()
def keys() -> None:
    """List, create and revoke the API keys of an account."""


@keys.command("list")
@email_argument
@json_option
def list_(email: str, as_json: bool) -> None:
    """List the keys of EMAIL that are not revoked, newest first. Secrets are not stored."""
    found = api_keys.list_keys(accounts.by_email(email).id).items
    rows = [
        (
            key.id,
            key.name,
            key.prefix,
            ", ".join(key.scopes),
            key.created_at,
            key.expires_at,
            key.used_at or "never",
        )
        for key in found
    ]
    show(
        found,
        as_json,
        lambda: table(COLUMNS, rows) if rows else click.echo(f"{email} has no keys."),
    )


@keys.command()
@email_argument
@click.option("--name", required=True, help="Label of the key.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([*Scope]),
    multiple=True,
    default=["read"],
    help="What the key may do; repeatable. Default: read.",
)
@click.option(
    "--days",
    type=click.IntRange(1, api_keys.LONGEST_LIFE),
    default=90,
    show_default=True,
    help="Days until it expires.",
)
@json_option
def create(email: str, name: str, scopes: tuple[str, ...], days: int, as_json: bool) -> None:
    """Create a key for EMAIL and print it. It cannot be shown again."""
    try:
        asked = api_keys.KeyRequest(
            name=name, scopes=tuple(Scope(scope) for scope in scopes), expires_in_days=days
        )
    except ValidationError as error:
        raise click.BadParameter(str(error.errors()[0]["msg"]), param_hint="--name") from None
    with audited(
        Actor.of_command_line(),
        Action.key_create,
        email,
        {"name": name, "scopes": " ".join(scopes)},
    ) as entry:
        made = api_keys.create(accounts.by_email(email).id, asked)
        entry.found["key"] = str(made.id)
    say(made.key, as_json, made)


@keys.command()
@email_argument
@click.argument("ids", type=click.UUID, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All keys of the account.")
@json_option
def revoke(email: str, ids: tuple[UUID, ...], every: bool, as_json: bool) -> None:
    """Revoke keys of EMAIL. They stop working within a second."""
    if every == bool(ids):
        raise click.UsageError("Give ids (see `roadmap keys list EMAIL`) or --all.")
    account = accounts.by_email(email).id
    chosen = [key.id for key in api_keys.list_keys(account).items] if every else list(ids)
    for id_ in chosen:
        with audited(Actor.of_command_line(), Action.key_revoke, email, {"key": str(id_)}):
            api_keys.revoke(account, id_)
    say(
        f"Revoked {pluralize(len(chosen), 'key')} of {email}.",
        as_json,
        {"email": email, "revoked": chosen},
    )
