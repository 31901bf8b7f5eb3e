"""Format, version and largest size of portable documents; it imports nothing."""

from typing import Literal

FORMAT: Literal["roadmap"] = "roadmap"
VERSION = 3  # with time spent and retries of quizzes; 1 and 2 are read
LARGEST_ANSWER = 1024 * 1024  # bytes of a chat that is no export
LARGEST_DOCUMENT = 16 * 1024 * 1024  # bytes of a document; 200 concepts have 80 KB each then
