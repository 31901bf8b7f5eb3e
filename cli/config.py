"""`config`: every variable, its value, and the origin of the value."""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import click
from pydantic import SecretStr

from cli.output import json_option, show, table
from core.setting_types import Price
from core.settings import SETTING_ALIASES, Settings, from_environment, misspelt

HIDDEN, UNREAD = "(set, not shown)", "(set, not read)"
OF_SERVERS, OF_WEB = ("postgresql", "postgres", "redis", "rediss"), ("http", "https")
# The end of a password that is not percent-encoded is unknown, so it does not match.
ADDRESS = re.compile(
    r"(?P<scheme>[a-z]+)://((?P<user>[^:@/?#]*)(?P<password>:[^@/?#]*)?@)?"
    r"(?P<place>[A-Za-z0-9._,:\[\]-]*(/[^@?#]*)?)([?#][^@]*)?"
)


@dataclass(frozen=True, slots=True)
class Variable:
    """Variable with its value and origin.

    The origin is environment, default, derived from `source`, or no setting; then `source` is the
    setting that was probably meant.
    """

    name: str
    value: str
    origin: str
    source: str


@click.command()
@json_option
def config(as_json: bool) -> None:
    """Show every setting with its value and origin, then variables that look like misspelt
    settings. Secrets and passwords are hidden.
    """
    found = variables(os.environ)
    rows = [
        (each.name, each.value, f"{each.origin} ({each.source})" if each.source else each.origin)
        for each in found
    ]
    show(found, as_json, lambda: table(("variable", "value", "origin"), rows, breakable="value"))


def variables(environment: Mapping[str, str]) -> list[Variable]:
    """Return all settings in the order of docs/CONFIGURATION.md, then misspelt variables.

    Raises SettingsError for invalid settings.
    """
    given = {name: value for name, value in environment.items() if value.strip()}
    # As an operator's command, not as one of the services.
    settings = from_environment({"SERVICE_TYPE": "all", **given})
    found = []
    for name, field in Settings.model_fields.items():
        upper, value, origin, source = name.upper(), getattr(settings, name), "derived", ""
        if upper == "SERVICE_TYPE" and upper not in given:
            value, origin = str(field.default), "default"
        elif upper in given:
            origin = "environment"
            if upper == "ALLOWED_HOSTS":
                alone = from_environment({"SERVICE_TYPE": "all", upper: given[upper]})
                source = "and RAILWAY_*" if value != alone.allowed_hosts else ""
        elif value == field.default:
            origin = "default"
        else:
            source = SETTING_ALIASES.get(name, "RAILWAY_*")
        found.append(Variable(upper, _shown(value), origin, source))
    strange = misspelt(environment).items()
    return [*found, *(Variable(name, UNREAD, "no setting", f"{meant}?") for name, meant in strange)]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return _place(value.get_secret_value(), OF_SERVERS)
    if isinstance(value, tuple):
        return ",".join(_shown(each) for each in value)
    if isinstance(value, Price):
        return f"{value.model}={value.prompt}/{value.completion}"
    return (
        _place(value, OF_WEB)
        if isinstance(value, str) and "://" in value and set("@?#") & set(value)
        else str(value)
    )


def _place(secret: str, schemes: Collection[str]) -> str:
    """Return a URL without its password; any other secret is hidden."""
    found = ADDRESS.fullmatch(secret)
    if found is None or found["scheme"] not in schemes:
        return HIDDEN
    user = "" if found["user"] is None else f"{found['user']}{':***' if found['password'] else ''}@"
    return f"{found['scheme']}://{user}{found['place']}"
