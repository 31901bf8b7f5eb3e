"""Conditional requests (RFC 9110): who has it already is not sent it again."""

import hashlib

from starlette.requests import Request


def etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:24]}"'


def has_it(request: Request, tag: str) -> bool:
    """Whether one of the tags that the request names is this one."""
    given = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    return bool(given & {tag, "*"})
