"""Documents that were made before, each with the state of what it is made of: while that is the same, so is the document."""

import threading
from collections import OrderedDict
from uuid import UUID

from web.answering import Document

MOST_BYTES = 4 * 1024 * 1024  # of one process; those that were not asked for the longest are forgotten


class Remembered:
    """Thread-safe. What is larger than all may be together is not kept."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._size = most_bytes, 0
        self._kept: OrderedDict[UUID, tuple[bytes, Document]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: UUID, state: bytes) -> Document | None:
        """None when there is none of that state."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept[0] != state:
                return None
            self._kept.move_to_end(key)
            return kept[1]

    def keep(self, key: UUID, state: bytes, document: Document) -> Document:
        with self._lock:
            self._forget(key)
            if len(document.content) <= self._most:
                self._kept[key] = (state, document)
                self._size += len(document.content)
            while self._size > self._most:
                self._forget(next(iter(self._kept)))
        return document

    def _forget(self, key: UUID) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._size -= len(kept[1].content)
