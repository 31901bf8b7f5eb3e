"""What people copy to verify webhooks accepts what is right, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from examples.receiver import OLDEST, verified
from tests.cases import try_each

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


def test_the_body_with_a_right_signature_is_returned() -> None:
    assert verified(SECRET, headers(), BODY)["data"]["title"] == "Über Python"


def test_one_of_two_signatures_will_do_while_a_secret_is_changed() -> None:
    both = headers(OTHER)
    both["webhook-signature"] += " " + headers()["webhook-signature"]
    assert verified(SECRET, both, BODY)["type"] == "roadmap.ready"


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
def test_what_is_not_is_refused(given: dict[str, str], body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- of which those of JSON are some
        verified(SECRET, given, body)
