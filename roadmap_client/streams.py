"""Retries and event streams, without input and output."""

import json
import random
from collections.abc import Iterator
from time import monotonic
from typing import cast

from roadmap_client.errors import ClientError, InvalidResponse
from roadmap_client.results import Event, Json

LONGEST_PAUSE = 8.0  # seconds between two tries, unless Retry-After is longer
LONGEST_EVENT = 1024 * 1024  # bytes


class Retries:
    """Retries of a request for `patience` seconds; they begin again after a stream was `alive`."""

    def __init__(self, patience: float) -> None:
        self.patience, self.until = patience, monotonic() + patience
        self.tries, self.alive = 0, False

    def pause(self, failure: ClientError) -> float:
        """Return the seconds until the next try. Raises `failure` if there is none."""
        if self.alive:
            self.until, self.tries = monotonic() + self.patience, 0
        pause = min(0.25 * 2.0 ** min(self.tries, 10), LONGEST_PAUSE) * random.uniform(0.5, 1)
        pause = max(pause, failure.retry_after or 0)
        if not failure.is_transient or (not self.alive and monotonic() + pause > self.until):
            raise failure from None
        self.tries, self.alive = self.tries + 1, False
        return pause


class EventParser:
    """Parser of the bytes of one stream."""

    rest = data = b""

    def feed(self, chunk: bytes) -> Iterator[Event | None]:
        """Yield each complete event, and None for a keep-alive."""
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        for line in (each.removesuffix(b"\r") for each in lines):
            if line.startswith(b"data:"):
                self.data += line[5:]
            elif line.startswith(b":"):
                yield None
            elif not line and self.data:
                event, self.data = json_object(self.data) or {}, b""
                if [type(event.setdefault("seq", 0)), type(event.get("type"))] != [int, str]:
                    raise InvalidResponse("The event is malformed.")
                yield cast(Event, event)
        if len(self.rest) + len(self.data) > LONGEST_EVENT:
            raise InvalidResponse(f"An event has more than {LONGEST_EVENT} bytes.")


def json_object(content: bytes) -> Json | None:
    """Return a JSON object, or None for anything else."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
