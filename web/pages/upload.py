"""A form with a file in it (multipart/form-data, RFC 7578): read to a limit, and parsed in a child process if it is large."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from core.errors import Invalid, Malformed, RoadmapError, TooLarge, Unsupported
from core.text import size_said
from web.child_process import run_in_child
from web.parsing import BODY_SECONDS, LARGEST_BODY, body_of, can_parse_inline, read_body

AROUND = 64 * 1024  # bytes of a form beside its file
MOST_PASSED_OVER = (
    64 * 1024 * 1024
)  # bytes of one that is too large: browsers show no answer to who is still sending
MOST_PARTS = 20
LONGEST_FIELD = 4096  # bytes of a field that is no file
NAME, FILE_NAME, DISPOSITION = b"name", b"filename", b"content-disposition"


@dataclass(frozen=True, slots=True)
class Sent:
    """A body as it has come; with an error, none has."""

    content_type: str
    content: bytes = b""
    error: RoadmapError | None = None


@dataclass(frozen=True, slots=True)
class FileForm:
    """A form with the document of its file, or with what is wrong with that; neither: no file was chosen."""

    texts: Mapping[str, str]
    document: BaseModel | None = None
    digest: str = ""  # of the file
    error: RoadmapError | None = None

    def text(self, name: str) -> str:
        """Empty when there is none."""
        return self.texts.get(name, "")


async def received(request: Request, most: int) -> Sent:
    """Of a file of at most so many bytes. One that is larger is no error yet: the page says so. Raises Unsupported, TooSlow."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise Unsupported("The body must be sent as Content-Type: multipart/form-data.")
    try:
        return Sent(content_type, await read_body(request, most + AROUND))
    except TooLarge:
        await _pass_over(request)
        return Sent(content_type, error=TooLarge(f"The file may have at most {size_said(most)}."))


def understood(model: type[BaseModel], sent: Sent) -> FileForm:
    """Takes time: for a thread. Raises Malformed."""
    if sent.error is not None:
        return FileForm({}, error=sent.error)
    return (
        run_in_child(_read, model, sent) if len(sent.content) > LARGEST_BODY else _read(model, sent)
    )


def _read(model: type[BaseModel], sent: Sent) -> FileForm:
    """Raises Malformed when it is no form."""
    texts, file = _parsed(sent)
    if not file:
        return FileForm(texts)
    try:
        document = (
            body_of(model, file) if can_parse_inline(file) else run_in_child(body_of, model, file)
        )
    except (Invalid, Malformed) as error:
        return FileForm(texts, error=error)
    return FileForm(texts, document, hashlib.sha256(file).hexdigest())


def _parsed(sent: Sent) -> tuple[dict[str, str], bytes]:
    """The fields that are texts, and the file. Raises Malformed."""
    parts = _Parts()
    try:
        parser = MultipartParser(
            parse_options_header(sent.content_type)[1][b"boundary"], parts.callbacks()
        )
        parser.write(sent.content)
        parser.finalize()
        return parts.texts_and_file()
    except (FormParserError, KeyError, ValueError):  # of which UnicodeDecodeError is one
        raise Malformed("The body is not a form with a file (multipart/form-data).") from None


class _Parts:
    """What the parser tells, one part after the other."""

    def __init__(self) -> None:
        self._found: list[tuple[dict[bytes, bytes], bytearray]] = []
        self._header, self._value = b"", b""
        self._is_whole = False

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_goes_on,
            "on_header_value": self._value_goes_on,
            "on_header_end": self._header_ends,
            "on_part_data": self._goes_on,
            "on_end": self._end,
        }

    def texts_and_file(self) -> tuple[dict[str, str], bytes]:
        """Raises ValueError."""
        if not self._is_whole:
            raise ValueError("it ends in the middle")
        texts = {
            options[NAME].decode(): content.decode()
            for options, content in self._found
            if FILE_NAME not in options
        }
        return texts, next(
            (bytes(content) for options, content in self._found if FILE_NAME in options), b""
        )

    def _begin(self) -> None:
        if len(self._found) == MOST_PARTS:
            raise ValueError("too many parts")
        self._found.append(({}, bytearray()))

    def _header_goes_on(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _value_goes_on(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        if self._header.lower() == DISPOSITION:
            self._found[-1][0].update(parse_options_header(self._value)[1])
        self._header, self._value = b"", b""

    def _goes_on(self, data: bytes, start: int, end: int) -> None:
        options, content = self._found[-1]
        if FILE_NAME not in options and len(content) + end - start > LONGEST_FIELD:
            raise ValueError("a field is too long")
        content += data[start:end]

    def _end(self) -> None:
        self._is_whole = True


async def _pass_over(request: Request) -> None:
    """Let the browser send the rest, to a limit, so that it reads the answer."""
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MOST_PASSED_OVER:
                    return
    except TimeoutError:
        return
