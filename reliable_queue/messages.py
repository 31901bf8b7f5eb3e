"""The wire format: JSON signed with HMAC-SHA256. Nothing executes when a message is read."""

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


class UnreadableMessage(ValueError):
    """The message is not ours: it is not JSON, its signature is wrong, or its shape is unknown."""


class Envelope(NamedTuple):
    """A message with what stands on it: when it was sent (seconds since 1970), and what travels with it.

    A version that does not know of envelopes reads the message and passes over the rest; its own messages have no time.
    """

    message: Message
    at: float | None
    baggage: Mapping[str, str]


class SignedJsonSerializer(Serializer):
    """Turns Huey's messages and revocation records into signed JSON and back.

    The first key signs, every key verifies, so keys can be rotated. The salt separates queues: a message
    of one queue is not valid on another.
    """

    def __init__(self, keys: Sequence[str], salt: str) -> None:
        super().__init__()
        if not keys:
            raise ValueError("at least one signing key is needed")
        self._keys = [
            _begun(hashlib.sha256(f"delivery:{salt}:{key}".encode()).digest()) for key in keys
        ]

    def _serialize(self, data: Any) -> bytes:
        return self._signed(_encode(data))

    def _signed(self, document: dict[str, Any]) -> bytes:
        payload = json.dumps(document, separators=(",", ":"), default=_plain).encode()
        return _signature(self._keys[0], payload) + b"." + payload

    def seal(self, message: Message, at: float, baggage: Mapping[str, str]) -> bytes:
        """A message with what stands on its envelope, for `open`."""
        document = {"message": _encode_message(message), "at": at}
        if baggage:
            document["baggage"] = dict(baggage)
        return self._signed(document)

    def _deserialize(self, data: bytes) -> Any:
        read = self._read(data)
        return read.message if isinstance(read, Envelope) else read

    def open(self, data: bytes) -> Envelope:
        """A message with what stands on its envelope. Raises UnreadableMessage."""
        read = self._read(data)
        if not isinstance(read, Envelope):
            raise UnreadableMessage("signed, but not a message")
        return read

    def _read(self, data: bytes) -> Any:
        signature, _, payload = bytes(data).partition(b".")
        if not any(hmac.compare_digest(signature, _signature(key, payload)) for key in self._keys):
            raise UnreadableMessage("the signature does not match any of the current keys")
        try:
            return _decode(json.loads(payload))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise UnreadableMessage(f"signed, but not a message: {error}") from error


def _begun(key: bytes) -> hmac.HMAC:
    """To be copied for each message. Unlike `hmac.digest` it keeps Python's lock while it signs less than 2 kB, which takes a
    microsecond: whoever lets go of the lock waits for up to five milliseconds until it is given back.
    """
    return hmac.new(key, digestmod="sha256")


def _signature(key: hmac.HMAC, payload: bytes) -> bytes:
    made = key.copy()
    made.update(payload)
    return base64.urlsafe_b64encode(made.digest()).rstrip(b"=")


def _plain(value: Any) -> str:
    """Huey hands the exception to the task of `.error(...)`; it arrives there as text."""
    if isinstance(value, BaseException):
        return repr(value)
    raise TypeError(f"{type(value).__name__} cannot be part of a message; use JSON's types")


def _encode(data: Any) -> Any:
    if isinstance(data, Message):
        return {"message": _encode_message(data)}
    if isinstance(data, tuple):  # a revocation: (until, once)
        return {"tuple": [_encode_moment(item) for item in data]}
    return {"value": data}


def _decode(document: dict[str, Any]) -> Any:
    if "message" in document:
        return _decode_envelope(document)
    if "tuple" in document:
        return tuple(_decode_moment(item) for item in document["tuple"])
    return document["value"]


def _decode_envelope(document: dict[str, Any]) -> Envelope:
    """What stands on it is no reason to refuse a message: of a later version it may be something else."""
    at, baggage = document.get("at"), document.get("baggage")
    carried = (
        {name: value for name, value in baggage.items() if isinstance(value, str)}
        if isinstance(baggage, dict)
        else {}
    )
    return Envelope(
        _decode_message(document["message"]), at if isinstance(at, float) else None, carried
    )


def _encode_message(message: Message) -> dict[str, Any]:
    fields = {
        name: value for name, value in message._asdict().items() if value not in (None, (), {})
    }
    for name in NESTED:
        if name in fields:
            fields[name] = _encode_message(fields[name])
    for name in MOMENTS:
        if name in fields:
            fields[name] = _encode_moment(fields[name])
    if "chord_config" in fields:
        cid, size, index, callback = fields["chord_config"]
        fields["chord_config"] = [cid, size, index, _encode_message(callback)]
    return fields


def _decode_message(fields: dict[str, Any]) -> Message:
    for name in NESTED:
        if name in fields:
            fields[name] = _decode_message(fields[name])
    for name in MOMENTS:
        if name in fields:
            fields[name] = _decode_moment(fields[name])
    if "chord_config" in fields:
        cid, size, index, callback = fields["chord_config"]
        fields["chord_config"] = (cid, size, index, _decode_message(callback))
    for name in MOMENTS:
        if fields.get(name) is not None and not isinstance(
            fields[name], datetime | timedelta | int | float
        ):
            raise TypeError(f"{name} is no time")
    fields["args"] = tuple(fields.get("args", ()))
    fields.setdefault("kwargs", {})
    return Message(**fields)


def _encode_moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"at": value.isoformat()}
    if isinstance(value, timedelta):
        return {"seconds": value.total_seconds()}
    return value


def _decode_moment(value: Any) -> Any:
    if isinstance(value, dict):
        if "at" in value:
            return datetime.fromisoformat(value["at"])
        return timedelta(seconds=value["seconds"])
    return value
