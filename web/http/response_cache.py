"""LRU cache of documents, each valid for one state of its source."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from core.db import snapshot
from web.http.responses import Document

Facts = TypeVar("Facts")

# Of one process; the least recently used are dropped
MOST_BYTES = 4 * 1024 * 1024
MOST_DOCUMENTS = 1000  # since a small one takes more than its content


@dataclass(frozen=True, slots=True)
class DocumentSource(Generic[Facts]):
    """Source of a document, and the state of that source."""

    state: Callable[[], bytes]
    read: Callable[[], Facts]
    is_stored: bool = True  # in the database


class ResponseCache:
    """Thread-safe cache. Compressed forms add less than half to its size.

    A document larger than the whole cache is not kept.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._size = most_bytes, 0
        self._kept: OrderedDict[Hashable, tuple[bytes, Document]] = OrderedDict()
        self._lock = threading.Lock()
        self._making: WeakValueDictionary[Hashable, threading.Lock] = WeakValueDictionary()

    def look_up(
        self, key: Hashable, source: DocumentSource[Facts], write: Callable[[Facts], Document]
    ) -> Document:
        """Return the document of the current state; one thread makes it while others wait."""
        if (known := self.get(key, source.state())) is not None:
            return known
        with self._lock:  # gone with the last who waits
            making = self._making.setdefault(key, threading.Lock())
        with making:
            if (known := self.get(key, source.state())) is not None:
                return known
            # In one snapshot, so that the state is that of the facts
            with snapshot() if source.is_stored else nullcontext():
                state, facts = source.state(), source.read()
            return self.keep(key, state, write(facts))

    def get(self, key: Hashable, state: bytes) -> Document | None:
        """Return the document of this state; None when there is none."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept[0] != state:
                return None
            self._kept.move_to_end(key)
            return kept[1]

    def keep(self, key: Hashable, state: bytes, document: Document) -> Document:
        with self._lock:
            self._forget(key)
            if len(document.content) <= self._most:
                self._kept[key] = (state, document)
                self._size += len(document.content)
            while self._size > self._most or len(self._kept) > MOST_DOCUMENTS:
                self._forget(next(iter(self._kept)))
        return document

    def _forget(self, key: Hashable) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._size -= len(kept[1].content)
