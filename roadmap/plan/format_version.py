"""Format, version and largest size of portable documents; it imports nothing."""

from typing import Literal

FORMAT: Literal["roadmap"] = "roadmap"
VERSION = 2  # with typed answers and lines to order; version 1 is read
LARGEST_ANSWER = 1024 * 1024  # bytes of a chat that is no export
LARGEST_DOCUMENT = 16 * 1024 * 1024  # bytes of a document; 200 concepts have 80 KB each then
