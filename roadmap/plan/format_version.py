"""What a portable document says of itself, for those who know nothing else of it: it opens nothing."""

from typing import Literal

FORMAT: Literal["roadmap"] = "roadmap"
VERSION = 1
LARGEST = 16 * 1024 * 1024  # bytes of a document; 200 concepts have 80 KB each then
