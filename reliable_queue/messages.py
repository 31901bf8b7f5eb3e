"""Wire format: JSON signed with HMAC-SHA256. Reading a message executes no code."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from huey.registry import Message
from huey.serializer import Serializer

NESTED = ("on_complete", "on_error")
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


class SignedJsonSerializer(Serializer):
    """Converts Huey's messages and revocation records to signed JSON and back.

    The first key signs, every key verifies, so keys can be rotated. The salt separates queues: a
    message of one queue is not valid on another.
    """

    def __init__(self, keys: Sequence[str], salt: str) -> None:
        super().__init__()
        if not keys:
            raise ValueError("at least one signing key is needed")
        # Copied for each message. Unlike `hmac.digest` this keeps the GIL while it signs less than
        # 2 kB, which takes a microsecond: getting a released GIL back takes up to 5 ms.
        self._keys = [
            hmac.new(hashlib.sha256(f"delivery:{salt}:{key}".encode()).digest(), digestmod="sha256")
            for key in keys
        ]

    def _serialize(self, data: Any) -> bytes:
        if isinstance(data, Message):
            return self._sign({"message": _encode_message(data)})
        if isinstance(data, tuple):  # a revocation: (until, once)
            return self._sign({"tuple": [_encode_moment(item) for item in data]})
        return self._sign({"value": data})

    def _sign(self, document: dict[str, Any]) -> bytes:
        payload = json.dumps(document, separators=(",", ":"), default=_exception_text).encode()
        return _signature(self._keys[0], payload) + b"." + payload

    def seal(self, message: Message, at: float, baggage: Mapping[str, str]) -> bytes:
        """Sign a message with its envelope, for `open`."""
        document = {"message": _encode_message(message), "at": at}
        return self._sign(document | ({"baggage": dict(baggage)} if baggage else {}))

    def _deserialize(self, data: bytes) -> Any:
        content = self._verify(data)
        return content.message if isinstance(content, Envelope) else content

    def open(self, data: bytes) -> Envelope:
        """Return a message with its envelope. Raises UnreadableMessage."""
        content = self._verify(data)
        if not isinstance(content, Envelope):
            raise UnreadableMessage("signed, but not a message")
        return content

    def _verify(self, data: bytes) -> Any:
        """Return the signed Envelope, tuple or value. Raises UnreadableMessage."""
        signature, _, payload = bytes(data).partition(b".")
        if not any(hmac.compare_digest(signature, _signature(key, payload)) for key in self._keys):
            raise UnreadableMessage("the signature does not match any of the current keys")
        try:
            document = json.loads(payload)
            if "message" in document:
                return _decode_envelope(document)
            if "tuple" in document:
                return tuple(_decode_moment(item) for item in document["tuple"])
            return document["value"]
        except MALFORMED as error:
            raise UnreadableMessage(f"signed, but not a message: {error}") from error


def _signature(key: hmac.HMAC, payload: bytes) -> bytes:
    digest = key.copy()
    digest.update(payload)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=")


def _exception_text(value: Any) -> str:
    """Encode the exception that Huey passes to the task of `.error(...)` as text."""
    if isinstance(value, BaseException):
        return repr(value)
    raise TypeError(f"{type(value).__name__} cannot be part of a message; use JSON's types")


def _decode_envelope(document: dict[str, Any]) -> Envelope:
    """Decode a message. Time and baggage of unknown types are ignored."""
    at, baggage = document.get("at"), document.get("baggage")
    items = baggage.items() if isinstance(baggage, dict) else ()
    return Envelope(
        message=_decode_message(document["message"]),
        at=at if isinstance(at, float) else None,
        baggage={name: value for name, value in items if isinstance(value, str)},
    )


def _encode_message(message: Message) -> dict[str, Any]:
    fields = {
        name: value for name, value in message._asdict().items() if value not in (None, (), {})
    }
    for name in fields.keys() & NESTED:
        fields[name] = _encode_message(fields[name])
    for name in fields.keys() & MOMENTS:
        fields[name] = _encode_moment(fields[name])
    if "chord_config" in fields:
        *ids, callback = fields["chord_config"]
        fields["chord_config"] = [*ids, _encode_message(callback)]
    return fields


def _decode_message(fields: dict[str, Any]) -> Message:
    for name in fields.keys() & NESTED:
        fields[name] = _decode_message(fields[name])
    for name in fields.keys() & MOMENTS:
        fields[name] = _decode_moment(fields[name])
        if not isinstance(fields[name], datetime | timedelta | int | float | None):
            raise TypeError(f"{name} is no time")
    if "chord_config" in fields:
        cid, size, index, callback = fields["chord_config"]
        fields["chord_config"] = (cid, size, index, _decode_message(callback))
    return Message(**{"kwargs": {}} | fields | {"args": tuple(fields.get("args", ()))})


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
