"""Forms with a file (multipart/form-data, RFC 7578)

A form is read to a limit, and parsed in a thread, or in a child process if it is large: Starlette's
parser takes 3 s for the worst 16 MiB, in which the event loop would answer no other request.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pydantic import BaseModel
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from core.errors import Invalid, Malformed, RoadmapError, TooLarge, Unsupported
from core.sanitize import format_size
from roadmap.plan.format_version import LARGEST_ANSWER
from web.http.child_process import run_in_child
from web.http.request_body import BODY_SECONDS, LARGEST_BODY, body_of, is_small_document, read_body

AROUND = 64 * 1024  # bytes of a form beside its file
# Bytes of one that is too large: browsers show no response while they are still sending.
MOST_PASSED_OVER = 64 * 1024 * 1024
MOST_FILES = MOST_TEXTS = 10  # of a form, which has one of each
LONGEST_FIELD = LARGEST_ANSWER  # bytes of a field that is no file
PIECE = 64 * 1024  # bytes that are parsed at once: the parser holds what it found in them


@dataclass(frozen=True, slots=True)
class FileForm:
    """A form with the document in its file, or its field `answer`, or the error of that."""

    texts: Mapping[str, str]
    document: BaseModel | None = None
    digest: str = ""  # of its text
    error: RoadmapError | None = None

    def text(self, name: str) -> str:
        """Return a field, or an empty text."""
        return self.texts.get(name, "")


async def receive_upload(request: Request, most: int) -> tuple[str, bytes] | FileForm:
    """Return type and body of a form with a file of at most so many bytes, or a form of TooLarge.

    Raises Unsupported, TooSlow.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise Unsupported(
            "The content type is not supported. Send the file as Content-Type: multipart/form-data."
        )
    try:
        return content_type, await read_body(request, most + AROUND)
    except TooLarge:
        size = 0
        with suppress(TimeoutError):  # the browser sends the rest, so that it reads the response
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > MOST_PASSED_OVER:
                        break
        return FileForm(
            {},
            error=TooLarge(
                f"The file is larger than the limit of {format_size(most)}. Choose a smaller file."
            ),
        )


def parse_upload(model: type[BaseModel], content_type: str, content: bytes) -> FileForm:
    """Return the form, which takes time: for a thread. Raises Malformed."""
    if len(content) > LARGEST_BODY:
        return run_in_child(_read, model, content_type, content)
    return _read(model, content_type, content)


def _read(model: type[BaseModel], content_type: str, content: bytes) -> FileForm:
    """Return the form. Raises Malformed if it is none."""
    texts, file = _parsed(content_type, content)
    file = file or texts.get("answer", "").encode()
    if not file:
        return FileForm(texts)
    try:
        document = (
            body_of(model, file) if is_small_document(file) else run_in_child(body_of, model, file)
        )
    except (Invalid, Malformed) as error:
        return FileForm(texts, error=error)
    return FileForm(texts, document, hashlib.sha256(file).hexdigest())


def _parsed(content_type: str, content: bytes) -> tuple[dict[str, str], bytes]:
    """Return the fields that are texts, and the first file. Raises Malformed."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]

    parser = _Parser(
        # Any byte is a character.
        Headers({"content-type": f"{content_type}; charset=latin-1"}),
        pieces(),
        max_files=MOST_FILES,
        max_fields=MOST_TEXTS,
        max_part_size=LONGEST_FIELD,
    )
    try:
        form = asyncio.run(parser.parse()).multi_items()
        if not parser.is_whole:
            raise ValueError("the data ends too early")
        texts = {
            name.encode("latin-1").decode(): value.encode("latin-1").decode()
            for name, value in form
            if isinstance(value, str)
        }
    except (MultiPartException, ValueError):  # of which UnicodeError is one
        raise Malformed(
            "The body is not a form with a file (multipart/form-data). Reload "
            "the page and choose the file again."
        ) from None
    files = (value.file.read() for _, value in form if isinstance(value, UploadFile))
    return texts, next(files, b"")


class _Parser(MultiPartParser):
    """Starlette's parser, with files in memory, which the size of the body bounds"""

    spool_max_size = 0  # without a limit
    is_whole = False

    def on_end(self) -> None:
        self.is_whole = True
