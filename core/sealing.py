"""Texts that are stored and that only who knows their key can read again: answers with a secret in them.

Encrypt, then authenticate, with a key that is made of one of ours and of what the caller knows: a stream of SHAKE-256 (FIPS 202)
over a nonce that is used once, and HMAC-SHA-256 (RFC 2104). The standard library has no cipher, and a package that has one weighs
more than all that is sealed here.
"""

import hashlib
import hmac
import secrets

NONCE, TAG = 16, 32  # bytes


def sealed(content: bytes, ours: str, theirs: str) -> bytes:
    nonce = secrets.token_bytes(NONCE)
    key = _key(ours, theirs)
    hidden = _mixed(content, key, nonce)
    return nonce + _tag(key, nonce + hidden) + hidden


def opened(content: bytes, ours: str, theirs: str) -> bytes | None:
    """None when it was sealed by other keys, or is not what was sealed."""
    nonce, tag, hidden = content[:NONCE], content[NONCE : NONCE + TAG], content[NONCE + TAG :]
    key = _key(ours, theirs)
    return _mixed(hidden, key, nonce) if hmac.compare_digest(tag, _tag(key, nonce + hidden)) else None


def _key(ours: str, theirs: str) -> bytes:
    return _hmac(ours.encode(), b"roadmap.sealed\0" + theirs.encode())


def _tag(key: bytes, content: bytes) -> bytes:
    return _hmac(key, b"tag\0" + content)


def _hmac(key: bytes, content: bytes) -> bytes:
    """As `hmac.digest` does, which lets go of Python's lock for the microsecond that it takes, and waits to have it back."""
    return hmac.new(key, content, "sha256").digest()


def _mixed(content: bytes, key: bytes, nonce: bytes) -> bytes:
    stream = hashlib.shake_256(key + b"stream\0" + nonce).digest(len(content))
    return (int.from_bytes(content) ^ int.from_bytes(stream)).to_bytes(len(content))
