"""Idempotency-Key header (an IETF draft): a repeated request gets the first response.

The key belongs to the caller's account. The response is kept for a day at most, stored in the
transaction of the work. Of a large one, status and address are kept. One with a secret is not kept:
a repeated request gets 409 with the address of what the first has made.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from core.errors import Conflict, FieldError, Invalid, KeyInUse, KeyReused
from roadmap.accounts import idempotency_store
from roadmap.accounts.identity import IdempotencyKey
from web.http.request_body import can_parse_inline

HEADER = "Idempotency-Key"
MINIMAL = {"Preference-Applied": "return=minimal"}
REPLAYED = {"Idempotency-Replayed": "true"}
# As it is, or a quoted string (RFC 9651)
KEY = re.compile(r'(?!")[!-~]{1,200}|"(?:[ !#-\[\]-~]|\\["\\]){1,200}"')
LARGEST_STORED = 64 * 1024  # bytes of a response
OWN = (b"content-length", b"x-request-id")  # headers that each response sets itself
ONE_SPELLING = json.JSONEncoder(sort_keys=True)

_running: set[str] = set()  # hashes of the keys of requests that this process is answering
_ended = threading.Condition()  # notified when one of them ends


def parse_key(request: Request, owner_id: UUID, content: bytes) -> IdempotencyKey | None:
    """Return the key of a request, or None. Raises Invalid."""
    given = request.headers.getlist(HEADER)
    if not given:
        return None
    if len(given) > 1 or not KEY.fullmatch(given[0]):
        rule = FieldError(f"?{HEADER}", "must be 1 to 200 visible ASCII characters, such as a UUID")
        raise Invalid(f"The {HEADER} header is not valid.", fields=(rule,))
    key = re.sub(r"\\(.)", r"\1", given[0][1:-1]) if given[0].startswith('"') else given[0]
    return make_key(key, owner_id, request, content)


def make_key(key: str, owner_id: UUID, request: Request, content: bytes) -> IdempotencyKey:
    """Return a key with the fingerprint of a request: its method, path, query and body.

    A body is compared in one spelling of its JSON, and a large one by its bytes.
    """
    query = request.scope["query_string"].decode("latin-1")
    asked = hashlib.sha256("\n".join((request.method, request.scope["path"], query, "")).encode())
    if can_parse_inline(content):
        try:
            content = ONE_SPELLING.encode(from_json(content)).encode()
        except (ValueError, RecursionError):  # it is no JSON
            content = content.decode("utf-8", "backslashreplace").encode()
    asked.update(content)
    key_hash = hashlib.sha256(f"{owner_id.hex} {key}".encode()).hexdigest()
    return IdempotencyKey(owner_id, key_hash, asked.hexdigest())


def find(key: IdempotencyKey) -> Response | None:
    """Return the first response, if there is one. Raises KeyReused, Conflict, Unavailable."""
    found = idempotency_store.find([key]).get(key.key_hash)
    return replay(key, found) if found is not None else None


@contextmanager
def one_at_a_time(key: IdempotencyKey | None, *, patience: float = 0.0) -> Iterator[None]:
    """Answer one request with this key at a time. Raises KeyInUse.

    A caller in a thread may wait `patience` seconds for another to end.
    """
    if key is None:
        yield
        return
    hash_ = key.key_hash
    with _ended:
        if hash_ in _running and not _ended.wait_for(lambda: hash_ not in _running, patience):
            raise KeyInUse(
                "A request with this Idempotency-Key is still being processed. Retry in a moment.",
                retry_after=1,
            )
        _running.add(hash_)
    try:
        yield
    finally:
        with _ended:
            _running.discard(hash_)
            _ended.notify_all()


def begin(key: IdempotencyKey) -> Response | None:
    """Return the first response, if there is one, else hold the key. Raises KeyReused.

    Call it in the transaction of the work.
    """
    earlier = idempotency_store.begin(key)
    return replay(key, earlier) if earlier is not None else None


def store(key: IdempotencyKey, response: Response, *, has_secret: bool = False) -> Response:
    """Store the response for repeated requests, in the same transaction, and return it."""
    idempotency_store.store(to_stored(key, response, has_secret=has_secret))
    return response


def to_stored(
    key: IdempotencyKey, response: Response, *, has_secret: bool = False
) -> idempotency_store.StoredAnswer:
    headers = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in response.raw_headers
        if name not in OWN
    }
    content = None if has_secret else bytes(response.body)
    if content is not None and len(content) > LARGEST_STORED:
        headers = {"location": headers["location"]} if "location" in headers else {}
        headers, content = headers | MINIMAL, b""
    return idempotency_store.StoredAnswer(key, response.status_code, headers, content)


def replay(key: IdempotencyKey, earlier: idempotency_store.StoredAnswer) -> Response:
    """Return the stored response. Raises KeyReused, Conflict."""
    if earlier.key.fingerprint != key.fingerprint:
        raise KeyReused(
            "This Idempotency-Key was used for a different request. Use a new key for each "
            "new request."
        )
    if earlier.content is None:
        location = earlier.headers.get("location")
        made = f" Its result is at {location}." if location else ""
        raise Conflict(
            "This request was already processed. Its response contains a secret and is not "
            f"stored.{made} To create another secret, use a new Idempotency-Key."
        )
    return Response(earlier.content, earlier.status, {**earlier.headers, **REPLAYED})
