"""Conditional requests (RFC 9110): who has it already is not sent it again, and what has changed is not overwritten unseen.

A tag is of a content. Compressed it is another representation, and so has another tag, which is understood as well.
"""

import hashlib

from starlette.requests import Request

from core.errors import PreconditionFailed

COMPRESSED = "-gzip"


def etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:24]}"'


def compressed_tag(tag: str) -> str:
    return f'{tag[:-1]}{COMPRESSED}"'


def is_not_modified(request: Request, tag: str) -> bool:
    """Whether one of the tags that the request names is this one."""
    return _names(request, "if-none-match", tag)


def check_match(request: Request, tag: str) -> None:
    """Raises PreconditionFailed when the request names tags and none is this one (a weak one never is), or excludes this one."""
    if "if-match" in request.headers and not _names(request, "if-match", tag, weak=False):
        given = request.headers["if-match"].strip()
        if not given.endswith('"') and given != "*":
            raise PreconditionFailed("An ETag is sent as it was answered, with its double quotes.")
        if given.startswith("W/"):
            raise PreconditionFailed(
                "If-Match compares strong ETags only: send it as it was answered, without W/."
            )
        raise PreconditionFailed(
            "It has changed since it was read, or it never had this ETag. Read it again."
        )
    if is_not_modified(request, tag):
        raise PreconditionFailed("It is there already, and If-None-Match excludes it as it is.")


def _names(request: Request, header: str, tag: str, *, weak: bool = True) -> bool:
    given = (each.strip() for line in request.headers.getlist(header) for each in line.split(","))
    plain = {
        each.removeprefix("W/").replace(f'{COMPRESSED}"', '"')
        for each in given
        if weak or not each.startswith("W/")
    }
    return bool(plain & {tag, "*"})
