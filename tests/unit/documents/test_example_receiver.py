"""Code to copy or import for verifying webhooks accepts what is right, and nothing else."""

import base64
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from examples.receiver import OLDEST, verified
from roadmap_client import InvalidWebhook, verify_webhook
from tests.cases import try_each

VERIFY = pytest.mark.parametrize("verify", [verified, verify_webhook])
Verify = Callable[[str, dict[str, str], bytes], dict[str, Any]]
SECRET, OTHER = ("whsec_" + letter * 43 + "=" for letter in "AB")
BODY = b'{"type":"roadmap.ready","data":{"title":"\xc3\x9cber Python"}}'


def headers(
    secret: str = SECRET, body: bytes = BODY, at: datetime | None = None, id_: str = "msg_1"
) -> dict[str, str]:
    """As the package of the specification signs it."""
    moment = at or datetime.now(UTC)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(id_, moment, body.decode()),
    }


@VERIFY
def test_the_body_with_a_right_signature_is_returned(verify: Verify) -> None:
    assert verify(SECRET, headers(), BODY)["data"]["title"] == "Über Python"


@VERIFY
def test_one_of_two_signatures_will_do_while_a_secret_is_changed(verify: Verify) -> None:
    both = headers(OTHER)
    both["webhook-signature"] += " " + headers()["webhook-signature"]
    assert verify(SECRET, both, BODY)["type"] == "roadmap.ready"


@try_each(
    ("given", "body"),
    [
        (headers(OTHER), BODY),
        (headers(), BODY + b" "),
        ({**headers(), "webhook-id": "msg_2"}, BODY),
        ({**headers(), "webhook-signature": "v1,"}, BODY),
        ({**headers(), "webhook-signature": "v1,\xfc"}, BODY),
        ({**headers(), "webhook-timestamp": "0"}, BODY),
        (headers(at=datetime.now(UTC) - timedelta(seconds=OLDEST + 3600)), BODY),
        (headers(at=datetime.now(UTC) + timedelta(seconds=OLDEST + 3600)), BODY),
        (headers(body=b"{"), b"{"),
    ],
)
@VERIFY
def test_what_is_not_is_refused(given: dict[str, str], body: bytes, verify: Verify) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- of which those of JSON are some
        verify(SECRET, given, body)


def test_a_receiver_may_know_several_secrets_and_choose_the_age() -> None:
    shouted = {name.title(): value for name, value in headers().items()}
    assert verify_webhook([OTHER, SECRET], shouted, BODY)["type"] == "roadmap.ready"
    old = headers(at=datetime.now(UTC) - timedelta(minutes=4))
    assert verify_webhook(SECRET, old, BODY)
    with pytest.raises(InvalidWebhook, match="too old"):
        verify_webhook(SECRET, old, BODY, tolerance=180)
    with pytest.raises(InvalidWebhook, match="header"):
        verify_webhook(SECRET, {}, BODY)


@try_each("secrets", [[], "", "whsec_", [SECRET, ""]])
def test_without_a_secret_nothing_is_right(secrets: str | list[str]) -> None:
    """An empty key is known to everybody."""
    key = b""
    given = headers()
    signed = f"{given['webhook-id']}.{given['webhook-timestamp']}.".encode() + BODY
    digest = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    with pytest.raises(ValueError):  # noqa: PT011
        verify_webhook(secrets, {**given, "webhook-signature": f"v1,{digest}"}, BODY)


@try_each("other", [("webhook-signature", "v1,\udcff"), ("webhook-timestamp", "9" * 400)])
def test_headers_of_an_attacker_are_refused_as_invalid(other: tuple[str, str]) -> None:
    with pytest.raises(InvalidWebhook):
        verify_webhook(SECRET, {**headers(), other[0]: other[1]}, BODY)
