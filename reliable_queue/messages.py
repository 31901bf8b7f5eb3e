"""Wire format: JSON signed with HMAC-SHA256. Reading a message executes no code."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from huey.registry import Message

FOLLOWING = {"on_complete", "on_error", "chord_config"}
MOMENTS = ("eta", "expires", "expires_resolved")
MALFORMED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class UnreadableMessage(ValueError):
    """The message is not ours: no JSON, a wrong signature, or an unknown shape."""


class Envelope(NamedTuple):
    """Message with the time of sending (seconds since 1970) and its baggage.

    Versions that do not know envelopes read the message and ignore the rest. Their own messages
    have no time.
    """

    message: Message
    at: float | None
    baggage: Mapping[str, str]


class SignedJsonSerializer:
    """Converts Huey's messages to signed JSON and back.

    The first key signs, every key verifies, so keys can be rotated. The salt separates queues: a
    message of one queue is not valid on another.
    """

    def __init__(self, keys: Sequence[str], salt: str) -> None:
        if not keys:
            raise ValueError("at least one signing key is needed")
        # Copied for each message. Unlike `hmac.digest` this keeps the GIL while it signs less than
        # 2 kB, which takes a microsecond: getting a released GIL back takes up to 5 ms.
        self._keys = [
            hmac.new(hashlib.sha256(f"delivery:{salt}:{key}".encode()).digest(), digestmod="sha256")
            for key in keys
        ]

    def seal(self, message: Message, at: float | None, baggage: Mapping[str, str]) -> bytes:
        """Sign a message with its envelope, for `open`."""
        fields = {}
        for name, value in message._asdict().items():
            if value not in (None, (), {}):
                fields[name] = _encode_moment(value) if name in MOMENTS else value
        if fields.keys() & FOLLOWING:
            raise TypeError("chains and chords are not supported: let the task enqueue the next")
        document = {"message": fields, "at": at} | ({"baggage": dict(baggage)} if baggage else {})
        payload = json.dumps(document, separators=(",", ":")).encode()
        return _signature(self._keys[0], payload) + b"." + payload

    def open(self, data: bytes) -> Envelope:
        """Return a message with its envelope. Raises UnreadableMessage.

        Time and baggage of unknown types are ignored.
        """
        signature, _, payload = bytes(data).partition(b".")
        if not any(hmac.compare_digest(signature, _signature(key, payload)) for key in self._keys):
            raise UnreadableMessage("the signature does not match any of the current keys")
        try:
            document = json.loads(payload)
            fields, at, baggage = document["message"], document.get("at"), document.get("baggage")
            for name in fields.keys() & MOMENTS:
                fields[name] = _decode_moment(fields[name])
                if not isinstance(fields[name], datetime | timedelta | int | float | None):
                    raise TypeError(f"{name} is no time")
            items = baggage.items() if isinstance(baggage, dict) else ()
            return Envelope(
                message=Message(
                    **{"kwargs": {}} | fields | {"args": tuple(fields.get("args", ()))}
                ),
                at=at if isinstance(at, float) else None,
                baggage={name: value for name, value in items if isinstance(value, str)},
            )
        except MALFORMED as error:
            raise UnreadableMessage(f"signed, but not a message: {error}") from error


def _signature(key: hmac.HMAC, payload: bytes) -> bytes:
    digest = key.copy()
    digest.update(payload)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=")


def _encode_moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"at": value.isoformat()}
    return {"seconds": value.total_seconds()} if isinstance(value, timedelta) else value


def _decode_moment(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "at" in value:
        return datetime.fromisoformat(value["at"])
    return timedelta(seconds=value["seconds"])
