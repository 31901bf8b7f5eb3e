"""Answers as short as the client can read them. What holds a secret is not compressed: its length would tell of it."""

import gzip
import re

from starlette.requests import Request

SHORTEST = 1000  # bytes; below that it is not worth it
LEVEL = 6
ZIPPED = {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"}
GZIP = re.compile(
    r"(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q\s*=\s*(?!0(?:\.0*)?\s*(?:,|$))[0-9.]+\s*)?(?=,|$)",
    re.IGNORECASE,
)


def takes_gzip(request: Request) -> bool:
    return bool(GZIP.search(request.headers.get("accept-encoding", "")))


def is_compressed(request: Request, content: bytes) -> bool:
    return len(content) >= SHORTEST and takes_gzip(request)


def compressed(request: Request, content: bytes) -> tuple[bytes, dict[str, str]]:
    """The content, and the headers that say how it is sent. Takes time: for a thread."""
    return (
        (shortened(content), ZIPPED)
        if is_compressed(request, content)
        else (content, {"Vary": "Accept-Encoding"})
    )


def shortened(content: bytes) -> bytes:
    return gzip.compress(content, LEVEL, mtime=0)
