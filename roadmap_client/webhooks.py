"""Signatures of webhooks (Standard Webhooks, v1; docs/WEBHOOKS.md)."""

import base64
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any


class InvalidWebhook(ValueError):
    """The signature is wrong, or the timestamp is too old or too new."""


def verify_webhook(
    secrets: str | Iterable[str], headers: Mapping[str, str], body: bytes, tolerance: float = 300.0
) -> dict[str, Any]:
    """Return the event of a message whose signature is right. Raises InvalidWebhook.

    `secrets`: that of the webhook (`whsec_...`), or several. `body`: the bytes as received.
    `tolerance`: seconds; an older message may be a replay by an attacker.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        sent, signatures = given["webhook-timestamp"], given["webhook-signature"].encode().split()
        content = f"{given['webhook-id']}.{sent}.".encode() + body
        age = abs(time.time() - int(sent))
    except (KeyError, OverflowError, ValueError):
        raise InvalidWebhook("A header is missing or malformed.") from None
    secrets = [secrets] if isinstance(secrets, str) else secrets
    keys = [base64.b64decode(each.removeprefix("whsec_")) for each in secrets]
    if not all(keys):
        raise ValueError("A secret is empty.")
    valid = [b"v1," + base64.b64encode(hmac.digest(key, content, "sha256")) for key in keys]
    if not any(hmac.compare_digest(one, each) for one in valid for each in signatures):
        raise InvalidWebhook("The signature is wrong.")
    if age > tolerance:
        raise InvalidWebhook("The message is too old, or a clock is wrong.")
    return dict(json.loads(body))
