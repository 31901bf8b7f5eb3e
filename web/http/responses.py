"""From what a handler returns to an answer: as JSON, with a tag, not sent to who has it, compressed for who can read that."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from web.http.etags import compressed_tag, etag, is_not_modified
from web.http.gzip import is_compressed, shortened

UNLISTED = {"X-Robots-Tag": "noindex, nofollow"}  # for pages and documents behind secret links


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer beyond the plain model: another status, or headers."""

    body: BaseModel | None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Document:
    """What a GET answers, in whole, with headers of its own. Its tag and its short form are made once, however often it is
    sent.
    """

    def __init__(self, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.content, self.headers = content, headers or {}

    @cached_property
    def tag(self) -> str:
        return etag(self.content)

    @cached_property
    def shortened(self) -> bytes:
        """Takes time: for a thread."""
        return shortened(self.content)


Answer = BaseModel | Document | Reply | Response | None


def tag_of(answer: Answer) -> str:
    """Of what is answered whole."""
    if isinstance(answer, Document):
        return answer.tag
    assert not isinstance(answer, Response)
    body = answer.body if isinstance(answer, Reply) else answer
    assert body is not None
    return etag(body.model_dump_json().encode())


def to_response(
    request: Request,
    answer: Answer,
    status: int,
    *,
    may_be_kept: bool = False,
    as_read: bool = False,
) -> Response:
    """Takes time when it is long: for a thread. `may_be_kept`: by a browser that asks each time whether it is still right.
    `as_read`: what answers a change is what a GET would answer now, so that it has the same tag.
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
            content, reply.status or status, {**reply.headers, **tag}, media_type="application/json"
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
    """What was asked for by GET, or 304."""
    short = is_compressed(request, document.content)
    told = {**headers, "ETag": compressed_tag(document.tag) if short else document.tag}
    told["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Accept-Encoding")))
    if may_be_kept:
        told.setdefault("Cache-Control", "private, no-cache")
    if is_not_modified(request, document.tag):
        return Response(status_code=304, headers=told)
    if short:
        return Response(
            document.shortened, 200, {**told, "Content-Encoding": "gzip"}, media_type=media_type
        )
    return Response(document.content, 200, told, media_type=media_type)
