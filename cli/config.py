"""`config`: every variable, its value, and where that is from."""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import click
from pydantic import SecretStr

from cli.output import json_option, show, table
from core.settings import Price, Settings, from_environment, misspelt

HIDDEN, UNREAD = "(set, not shown)", "(set, not read)"
OF_SERVERS, OF_WEB = ("postgresql", "postgres", "redis", "rediss"), ("http", "https")
# A password that is not quoted as it should be may have any of these signs: then it is not known where it ends.
ADDRESS = re.compile(
    r"(?P<scheme>[a-z]+)://((?P<user>[^:@/?#]*)(?P<password>:[^@/?#]*)?@)?(?P<place>[A-Za-z0-9._,:\[\]-]*(/[^@?#]*)?)([?#][^@]*)?"
)


@dataclass(frozen=True, slots=True)
class Variable:
    """`origin`: environment, default, derived from what stands in `source`, or no setting, where
    maybe that in `source` is meant.
    """

    name: str
    value: str
    origin: str
    source: str


@click.command()
@json_option
def config(as_json: bool) -> None:
    """Show every variable, its value, and where that is from. Secrets, and passwords in addresses, are not shown.

    At the end stand variables that are no settings, but resemble one.
    """
    found = variables(os.environ)
    rows = [
        (each.name, each.value, f"{each.origin} ({each.source})" if each.source else each.origin)
        for each in found
    ]
    show(found, as_json, lambda: table(("variable", "value", "from"), rows, breakable="value"))


def variables(environment: Mapping[str, str]) -> list[Variable]:
    """In the order of docs/CONFIGURATION.md. Raises SettingsError when they do not add up."""
    given = {name: value for name, value in environment.items() if value.strip()}
    assumed = (
        {} if "SERVICE_TYPE" in given else {"SERVICE_TYPE": "all"}
    )  # this looks at a service from outside
    settings = from_environment({**given, **assumed})
    found = [_variable(name, settings, given) for name in Settings.model_fields]
    strange = misspelt(environment).items()
    return [*found, *(Variable(name, UNREAD, "no setting", f"{meant}?") for name, meant in strange)]


def _variable(name: str, settings: Settings, given: Mapping[str, str]) -> Variable:
    upper, value = name.upper(), getattr(settings, name)
    if upper == "SERVICE_TYPE" and upper not in given:
        return Variable(upper, str(Settings.model_fields[name].default), "default", "")
    default = Settings.model_fields[name].default
    if upper in given:
        extra = (
            value
            != from_environment({"SERVICE_TYPE": "all", upper: given[upper]}).__dict__.get(name)
            if upper == "ALLOWED_HOSTS"
            else False
        )
        return Variable(upper, _shown(value), "environment", "and RAILWAY_*" if extra else "")
    if value == default:
        return Variable(upper, _shown(value), "default", "")
    source = "JWT_SECRET_KEY" if name == "secret_key" else "RAILWAY_*"
    return Variable(upper, _shown(value), "derived", source)


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
    """Of an address where it leads to, which an operator wants to compare; of everything else nothing."""
    found = ADDRESS.fullmatch(secret)
    if found is None or found["scheme"] not in schemes:
        return HIDDEN
    user = "" if found["user"] is None else f"{found['user']}{':***' if found['password'] else ''}@"
    return f"{found['scheme']}://{user}{found['place']}"
