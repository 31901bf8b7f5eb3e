"""Limit of webhook deliveries that run at once in a process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

Take = Callable[[UUID, UUID], None]


class AtCapacity(Exception):
    """The process, the account or the receiver has the most deliveries at once."""


class DeliverySlots:
    """Slots for deliveries.

    A process has so many, one account half of them, and one receiver a single one.

    So slow receivers keep half of the content workers at most (one at least), those of one account
    a quarter, and each of them a single worker.
    """

    def __init__(self, most: int) -> None:
        self._most, self._most_of_one, self._lock = most, max(1, most // 2), threading.Lock()
        self._running = 0
        self._receivers: dict[UUID, UUID] = {}  # with the account of each

    @contextmanager
    def enter(self) -> Iterator[Take]:
        """Hold a slot during the block. Raises AtCapacity.

        The block calls the result with the ids of webhook and account, which raises AtCapacity when
        another delivery to this receiver runs here, or too many of this account.
        """
        taken: list[UUID] = []

        def take(webhook_id: UUID, account_id: UUID) -> None:
            with self._lock:
                of_account = list(self._receivers.values()).count(account_id)
                if webhook_id in self._receivers or of_account >= self._most_of_one:
                    raise AtCapacity
                self._receivers[webhook_id] = account_id
                taken.append(webhook_id)

        with self._lock:
            if self._running >= self._most:
                raise AtCapacity
            self._running += 1
        try:
            yield take
        finally:
            with self._lock:
                self._running -= 1
                for webhook_id in taken:
                    self._receivers.pop(webhook_id, None)
