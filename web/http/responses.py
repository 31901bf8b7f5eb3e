"""Responses: JSON, ETags, conditional requests (RFC 9110) and compression.

An ETag names a content. Compressed, the content is another representation and has another tag,
which is understood as well.
"""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypeVar

from core.errors import PreconditionFailed

# The body of a response; a Document may also be a file.
Model_co = TypeVar("Model_co", bound=BaseModel | None, covariant=True, default=Any)
UNLISTED = {"X-Robots-Tag": "noindex, nofollow"}  # for pages and documents behind share links
SHORTEST_COMPRESSED = 1000  # bytes; compressing less saves nothing
GZIP_LEVEL = 6
GZIP_HEADERS = {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"}
GZIP_SUFFIX = "-gzip"  # of the ETag of a compressed content
ACCEPTS_GZIP = re.compile(
    r"(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q\s*=\s*(?!0(?:\.0*)?\s*(?:,|$))[0-9.]+\s*)?(?=,|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reply(Generic[Model_co]):
    """A response with a status or headers of its own."""

    body: Model_co
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Document(Generic[Model_co]):
    """Content of a GET with its headers. Its tag and compressed form are made once.

    The tag is one of the state that the content was made of, or else of the content.
    """

    def __init__(
        self, content: bytes, headers: Mapping[str, str] | None = None, state: bytes | None = None
    ) -> None:
        self.content, self.headers, self.state = content, headers or {}, state

    @cached_property
    def tag(self) -> str:
        return etag(self.content if self.state is None else self.state)

    @cached_property
    def compressed(self) -> bytes:
        """Return the compressed content. Takes time: call it in a thread."""
        return compress(self.content)

    @property
    def is_ready(self) -> bool:
        """Whether it can be sent to a client that takes gzip without compressing it first."""
        return "compressed" in self.__dict__ or len(self.content) < SHORTEST_COMPRESSED


Answer = BaseModel | Document | Reply | Response | None


def to_response(
    request: Request,
    answer: Answer,
    status: int,
    *,
    may_be_kept: bool = False,
    as_read: bool = False,
) -> Response:
    """Return the response of a handler. Takes time when it is long: call it in a thread.

    `may_be_kept` lets a browser keep it and ask each time whether it is current. `as_read` says
    that a change is answered as a GET would be now, so that it has the same ETag.
    """
    if isinstance(answer, Response):
        return answer
    if isinstance(answer, Document):
        return conditional_response(
            request, answer, "application/json", answer.headers, may_be_kept=may_be_kept
        )
    reply = answer if isinstance(answer, Reply) else Reply(answer)
    if reply.body is None:
        return Response(status_code=204, headers=dict(reply.headers))
    content = reply.body.model_dump_json().encode()
    if request.method not in ("GET", "HEAD"):
        tag = {"ETag": etag(content)} if as_read else {}
        return Response(
            content, reply.status or status, {**tag, **reply.headers}, media_type="application/json"
        )
    return conditional_response(
        request, Document(content), "application/json", reply.headers, may_be_kept=may_be_kept
    )


def conditional_response(
    request: Request,
    document: Document,
    media_type: str,
    headers: Mapping[str, str],
    *,
    may_be_kept: bool = True,
) -> Response:
    """Return the response to a GET, or 304."""
    uses_gzip = should_compress(request, document.content)
    vary = ", ".join(filter(None, (headers.get("Vary"), "Accept-Encoding")))
    tag = compressed_tag(document.tag) if uses_gzip else document.tag
    sent = {**headers, "ETag": tag, "Vary": vary}
    if may_be_kept:
        sent.setdefault("Cache-Control", "private, no-cache")
    if is_not_modified(request, document.tag):
        return Response(status_code=304, headers=sent)
    if uses_gzip:
        sent["Content-Encoding"] = "gzip"
    content = document.compressed if uses_gzip else document.content
    return Response(content, 200, sent, media_type=media_type)


def not_modified(request: Request, tag: str) -> Response | None:
    """Return 304 if If-None-Match names this ETag, with the form of it that is named.

    `*` names no form: only the content tells which one is meant.
    """
    named, of_gzip = request.headers.get("if-none-match", ""), compressed_tag(tag)
    if named == "*" or not is_not_modified(request, tag):
        return None
    sent = of_gzip if of_gzip in named else tag
    headers = {"ETag": sent, "Vary": "Accept-Encoding", "Cache-Control": "private, no-cache"}
    return Response(status_code=304, headers=headers)


def takes_gzip(request: Request) -> bool:
    return bool(ACCEPTS_GZIP.search(request.headers.get("accept-encoding", "")))


def should_compress(request: Request, content: bytes) -> bool:
    return len(content) >= SHORTEST_COMPRESSED and takes_gzip(request)


def compress(content: bytes) -> bytes:
    """Compress as gzip. The same content gives the same bytes, so that they are cacheable."""
    return gzip.compress(content, GZIP_LEVEL, mtime=0)


def encode(request: Request, content: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the content and its encoding headers. Takes time: call it in a thread.

    Never compress a content with a secret: its length would tell of it.
    """
    if should_compress(request, content):
        return compress(content), GZIP_HEADERS
    return content, {"Vary": "Accept-Encoding"}


def etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:24]}"'


def compressed_tag(tag: str) -> str:
    return f'{tag[:-1]}{GZIP_SUFFIX}"'


def tag_of(answer: Answer) -> str:
    """Return the ETag of an answer of a GET."""
    if isinstance(answer, Document):
        return answer.tag
    assert not isinstance(answer, Response)
    body = answer.body if isinstance(answer, Reply) else answer
    assert body is not None
    return etag(body.model_dump_json().encode())


def is_not_modified(request: Request, tag: str) -> bool:
    """Whether If-None-Match names this ETag."""
    return _names(request, "if-none-match", tag)


def check_match(request: Request, tag: str) -> None:
    """Raise PreconditionFailed unless If-Match and If-None-Match allow this ETag.

    A weak ETag never matches If-Match.
    """
    if "if-match" in request.headers and not _names(request, "if-match", tag, weak=False):
        given = request.headers["if-match"].strip()
        if not given.endswith('"') and given != "*":
            raise PreconditionFailed(
                "The ETag is not valid. Send it as received, with its double quotes."
            )
        if given.startswith("W/"):
            raise PreconditionFailed(
                "If-Match compares strong ETags only. Send the ETag without W/."
            )
        raise PreconditionFailed(
            "The resource has changed since you read it, or it never had this ETag. Read it again."
        )
    if is_not_modified(request, tag):
        raise PreconditionFailed(
            "The resource exists, and If-None-Match excludes its current state."
        )


def _names(request: Request, header: str, tag: str, *, weak: bool = True) -> bool:
    given = (each.strip() for line in request.headers.getlist(header) for each in line.split(","))
    plain = {
        each.removeprefix("W/").replace(f'{GZIP_SUFFIX}"', '"')
        for each in given
        if weak or not each.startswith("W/")
    }
    return bool(plain & {tag, "*"})
