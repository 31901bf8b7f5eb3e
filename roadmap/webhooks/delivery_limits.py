"""How many deliveries to webhooks run at once in a process, so that slow receivers do not keep all of its workers."""

import threading
from uuid import UUID


class AtCapacity(Exception):
    """As many deliveries run in this process as may, or one to the same receiver."""


class DeliverySlots:
    """How many deliveries run at once in a process; of one account half of these, and to one receiver one after the other.

    So slow receivers keep half of the content workers at most (one at least), those of one account a quarter, and one of them
    a single worker.
    """

    def __init__(self, most: int) -> None:
        self._most, self._most_of_one, self._lock = most, max(1, most // 2), threading.Lock()
        self._running = 0
        self._receivers: dict[UUID, UUID] = {}  # with the account of each

    def enter(self) -> "DeliverySlot":
        """Raises Full."""
        with self._lock:
            if self._running >= self._most:
                raise AtCapacity
            self._running += 1
        return DeliverySlot(self)

    def take(self, webhook_id: UUID, account_id: UUID) -> None:
        """Raises Full."""
        with self._lock:
            if (
                webhook_id in self._receivers
                or list(self._receivers.values()).count(account_id) >= self._most_of_one
            ):
                raise AtCapacity
            self._receivers[webhook_id] = account_id

    def leave(self, webhook_id: UUID | None) -> None:
        with self._lock:
            self._running -= 1
            if webhook_id is not None:
                self._receivers.pop(webhook_id, None)


class DeliverySlot:
    """For a `with` around one delivery."""

    def __init__(self, lanes: DeliverySlots) -> None:
        self._lanes = lanes
        self._webhook_id: UUID | None = None

    def __enter__(self) -> "DeliverySlot":
        return self

    def __exit__(self, *_: object) -> None:
        self._lanes.leave(self._webhook_id)

    def take(self, webhook_id: UUID, account_id: UUID) -> None:
        """Raises Full when another delivery to this receiver runs here, or too many of this account."""
        self._lanes.take(webhook_id, account_id)
        self._webhook_id = webhook_id
