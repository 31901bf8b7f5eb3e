"""API client of the learners' commands: its options, and its errors as those of commands."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

import click
import httpx2

from cli.output import CommandFailed, Number, ServiceUnreachable
from core.paths import START
from core.sanitize import one_line
from roadmap_client import ApiError, ApiProblem, InvalidRequest, NoResponse, RoadmapClient

IMPORTS = "/api/v1/imports"
PATIENCE = 60.0  # seconds of retries


@contextmanager
def service_client(
    url: str, key: str | None = None, patience: float = PATIENCE
) -> Iterator[RoadmapClient]:
    """Yield a client. Errors become ServiceUnreachable, if a retry may help, or CommandFailed."""
    try:
        with RoadmapClient(url, key, patience=patience) as client:
            yield client
    except (ApiError, httpx2.InvalidURL) as error:
        raise _failure(error, url.rstrip("/"), bool(key)) from None


def page_of(client: RoadmapClient, roadmap: Mapping[str, Any]) -> str:
    return f"{client.base_url}{roadmap['links']['page']}"


def _failure(error: Exception, url: str, has_key: bool) -> CommandFailed:
    match error:
        case InvalidRequest():
            return CommandFailed(
                "The request cannot be sent: it contains invalid characters. "
                "Check --url, --key and the arguments."
            )
        case NoResponse(broken_streams=False, reason=reason):
            return ServiceUnreachable(
                f"{url} cannot be reached ({one_line(reason)}). "
                f"Start the service (`{START}`), or set --url (ROADMAP_URL)."
            )
        case NoResponse(reason=reason) | ApiProblem(is_transient=True, detail=reason):
            return ServiceUnreachable(
                f"{url} is busy or unavailable: {one_line(reason)} "
                "Retry later, or run `roadmap doctor` on its host."
            )
        case ApiProblem(status=401):
            return CommandFailed(
                f"The API key is {'not valid' if has_key else 'missing'}. "
                "Set ROADMAP_API_KEY or --key to a valid one (docs/ACCOUNTS.md)."
            )
        case ApiProblem(document=document, detail=detail, errors=errors) if document:
            fields = "; ".join(
                "{}: {}".format(
                    each.get("pointer", "").removeprefix("#/") or each.get("parameter", ""),
                    each.get("detail", "").rstrip("."),
                )
                for each in errors
            )
            hint = " `roadmap list` shows your roadmaps." if error.status == 404 else ""
            return CommandFailed(one_line(f"Invalid {fields}." if fields else f"{detail}{hint}"))
        case ApiProblem(status=status):
            wrong = f"{url} answers {status}, and is not a Roadmap service."
        case _:
            wrong = f"The response of {url} is not from a Roadmap service."
    return CommandFailed(f"{wrong} Check --url (ROADMAP_URL).")


def service_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --url, --key and --patience; the command receives a `client`."""

    @url_option
    @key_option
    @click.option(
        "--patience",
        type=Number(0, 3600),
        default=PATIENCE,
        show_default=True,
        help="Seconds of retries while the service is unreachable or busy.",
    )
    @wraps(command)
    def call(*args: Any, url: str, key: str | None, patience: float, **options: Any) -> None:
        with service_client(url, key, patience) as client:
            command(*args, client=client, **options)

    return call


def _key(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Strip surrounding spaces from a key. The error does not quote the key."""
    key = (value or "").strip()
    if not re.fullmatch(r"[!-~]*", key):
        raise click.BadParameter(
            "has characters that are not allowed in a key. Copy the key again."
        )
    return key or None


def _id(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return the id of a roadmap, given as id or as URL of its page."""
    found = re.search(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?=/?$)", value)
    if found is None:
        raise click.BadParameter("is not the id of a roadmap. `roadmap list` shows ids.")
    return found[0]


id_argument = click.argument("roadmap_id", metavar="ID", callback=_id)


def _checked(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    """Return the address of a service. Raises BadParameter."""
    url = value or f"http://127.0.0.1:{os.environ.get('PORT', '').strip() or 8000}"
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx2.URL(url).raw_host.decode().encode("idna")  # as DNS needs it
    except (ValueError, httpx2.InvalidURL):
        fits = False
    if not fits or re.search(r"\s", url):
        raise click.BadParameter(
            "must be a full URL, such as https://roadmap.example.org.",
            param_hint="--url",
        )
    return url


url_option = click.option(
    "--url",
    envvar="ROADMAP_URL",
    callback=_checked,
    help="Address of the service (or ROADMAP_URL). Default: http://127.0.0.1:$PORT.",
)
key_option = click.option(
    "--key",
    envvar="ROADMAP_API_KEY",
    callback=_key,
    help="API key (or ROADMAP_API_KEY). Embedded mode needs none.",
)
