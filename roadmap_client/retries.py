"""Rule of retries."""

import random
from time import monotonic

from roadmap_client.errors import ApiError

LONGEST_PAUSE = 8.0  # seconds between two tries, unless Retry-After is longer


class Retries:
    """Retries of a request for `patience` seconds; they begin again after a stream was `alive`."""

    def __init__(self, patience: float) -> None:
        self.patience, self.until = patience, monotonic() + patience
        self.tries, self.alive = 0, False

    def pause(self, failure: ApiError) -> float:
        """Return the seconds until the next try. Raises `failure` if there is none."""
        if self.alive:
            self.until, self.tries = monotonic() + self.patience, 0
        pause = min(0.25 * 2.0 ** min(self.tries, 10), LONGEST_PAUSE) * random.uniform(0.5, 1)
        pause = max(pause, failure.retry_after or 0)
        if not failure.is_transient or (not self.alive and monotonic() + pause > self.until):
            raise failure from None
        self.tries, self.alive = self.tries + 1, False
        return pause
