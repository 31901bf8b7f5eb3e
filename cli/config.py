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
# A password that is not quoted as it should be may have any sign: its end is not known then.
ADDRESS = re.compile(
    r"(?P<scheme>[a-z]+)://((?P<user>[^:@/?#]*)(?P<password>:[^@/?#]*)?@)?"
    r"(?P<place>[A-Za-z0-9._,:\[\]-]*(/[^@?#]*)?)([?#][^@]*)?"
)


@dataclass(frozen=True, slots=True)
class Variable:
    """Variable with its origin.

    The origin is environment, default, derived from `source`, or no setting.

    Of a variable that is no setting, `source` is the one that is probably meant.
    """

    name: str
    value: str
    origin: str
    source: str


@click.command()
@json_option
def config(as_json: bool) -> None:
    """Show every variable, its value, and where that is from. Secrets, and passwords in addresses,
    are not shown.

    At the end stand variables that are no settings, but resemble one.
    """
    found = variables(os.environ)
    rows = [
        (each.name, each.value, f"{each.origin} ({each.source})" if each.source else each.origin)
        for each in found
    ]
    show(found, as_json, lambda: table(("variable", "value", "from"), rows, breakable="value"))


def variables(environment: Mapping[str, str]) -> list[Variable]:
    """List them as docs/CONFIGURATION.md does.

    Raises SettingsError when they do not add up.
    """
    given = {name: value for name, value in environment.items() if value.strip()}
    # This command looks at a service from outside.
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
    """Return an address without its password, for comparison.

    Of any other secret nothing is shown.
    """
    found = ADDRESS.fullmatch(secret)
    if found is None or found["scheme"] not in schemes:
        return HIDDEN
    user = "" if found["user"] is None else f"{found['user']}{':***' if found['password'] else ''}@"
    return f"{found['scheme']}://{user}{found['place']}"
