"""Checks of Host and origin, CSRF tokens, and the address of the client."""

import hashlib
import re
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from uuid import UUID

from itsdangerous import Signer
from starlette.requests import Request

from core.backends import signing_keys
from core.db import settings
from core.errors import Forbidden
from core.settings import LOOPBACK

HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9._-]*[a-z0-9])?)(:[0-9]{1,5})?")
SAFE = ("GET", "HEAD", "OPTIONS")
PROXIES = tuple(ip_network(network) for network in settings.trusted_proxies)
CSRF_HEADER, CSRF_SALT = "X-CSRF-Token", "roadmap.csrf"
PROBES = ("/health", "/health/live", "/health/ready")  # a platform may use any address for them


def check_host(request: Request) -> None:
    """Raise Forbidden unless the Host header is one of our names.

    Links and cookies would be made for it, and in embedded mode, which has no accounts, a web
    page elsewhere could point its own name here and act as the owner (DNS rebinding).
    """
    given = request.headers.getlist("host")
    if len(given) > 1:
        raise Forbidden("The request must have exactly one Host header.")
    found = HOST.fullmatch(given[0].lower()) if given else None
    host = found[1].strip("[]") if found else ""
    if host in LOOPBACK:
        return
    if settings.embedded:
        raise Forbidden(
            "The host is not allowed. In embedded mode, use http://127.0.0.1 or http://localhost."
        )
    if request.scope["path"] not in PROBES and not any(
        host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
        for allowed in settings.allowed_hosts
    ):
        raise Forbidden("The name in the Host header is not allowed. Add it to ALLOWED_HOSTS.")


def check_same_site(request: Request, session_id: UUID | None = None) -> None:
    """Raise Forbidden for a change that a page of another site sends.

    For requests that carry no secret that only the caller knows. With a cookie's `session_id`, a
    client that sends no origin needs its CSRF token.
    """
    if request.method in SAFE:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if origin is not None and origin.lower() in settings.cors_origins and session_id is None:
        return
    if site is not None:
        if site in ("same-origin", "none"):
            return
    elif origin is not None:
        if origin.lower().partition("://")[2] == request.headers.get("host", "").lower():
            return
    elif session_id is None or is_csrf_token(request.headers.get(CSRF_HEADER, ""), session_id):
        return
    raise Forbidden(
        "Requests from web pages of other origins are not allowed. Send no Origin header, "
        f"or send the {CSRF_HEADER} of the login."
    )


def csrf_token(session_id: UUID) -> str:
    """Return the CSRF token of a session, which pages of other sites cannot read."""
    return _signer().get_signature(session_id.bytes).decode()


def is_csrf_token(token: str, session_id: UUID) -> bool:
    return _signer().verify_signature(session_id.bytes, token.encode("utf-8", "replace"))


@cache
def _signer() -> Signer:
    """Return a signer; itsdangerous signs with the last key and verifies with all."""
    keys = signing_keys(settings)[::-1]
    return Signer(keys, salt=CSRF_SALT, digest_method=hashlib.sha256)


def own_address(request: Request) -> str:
    """Return the origin of this service as its caller knows it, with TLS unless it is local.

    The Host header was checked before.
    """
    scheme = request.scope["scheme"] if request.url.hostname in LOOPBACK else "https"
    return f"{scheme}://{request.headers['host']}"


def address_of(request: Request) -> str:
    """Return the client's address as the nearest trusted proxy reports it.

    Of an IPv6 address it is the /64, which one client has for itself.
    """
    address = _address(request.client.host if request.client else "")
    forwarded = ",".join(request.headers.getlist(settings.client_address_header)).split(",")
    while address is not None and any(address in network for network in PROXIES) and forwarded:
        before = _address(forwarded.pop())
        if before is None:  # anything before it may come from the client
            break
        address = before
    if isinstance(address, IPv6Address):
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address or "")


def site_of(address: str) -> str:
    """Return the /48 of an IPv6 network, which providers give to one site; else the address."""
    network, is_ipv6, _ = address.partition("/64")
    return f"{IPv6Address(int(IPv6Address(network)) >> 80 << 80)}/48" if is_ipv6 else address


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address; None when it is none, as over a Unix socket."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
