"""Signatures of webhooks (Standard Webhooks, v1; docs/WEBHOOKS.md)."""

import base64
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

TOLERANCE = 300.0  # seconds; an older message may be a replay by an attacker


class InvalidWebhook(ValueError):
    """The message is not signed with the secret, or is too old or too new."""


def verify_webhook(
    secrets: str | Iterable[str],
    headers: Mapping[str, str],
    body: bytes,
    tolerance: float = TOLERANCE,
) -> dict[str, Any]:
    """Return the event of a signed message; `body` as received. Raises InvalidWebhook.

    `secrets`: that of the webhook (`whsec_...`), or several of which one has signed.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        sent, signatures = given["webhook-timestamp"], given["webhook-signature"].split()
        signed = f"{given['webhook-id']}.{sent}.".encode() + body
        age = abs(time.time() - int(sent))
    except (KeyError, ValueError):
        raise InvalidWebhook("A webhook header is missing or malformed.") from None
    known = [
        _signature(each, signed) for each in ([secrets] if isinstance(secrets, str) else secrets)
    ]
    if not any(hmac.compare_digest(one, each.encode()) for one in known for each in signatures):
        raise InvalidWebhook("The signature is wrong.")
    if age > tolerance:
        raise InvalidWebhook("The message is too old, or the clock is wrong.")
    event: dict[str, Any] = json.loads(body)
    return event


def _signature(secret: str, signed: bytes) -> bytes:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    if not key:
        raise ValueError("The secret of the webhook is empty.")
    return b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
