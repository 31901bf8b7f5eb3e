"""Parser of event streams."""

import json
from collections.abc import Iterator
from typing import cast

from roadmap_client.errors import InvalidResponse
from roadmap_client.results import EventJson, Json

LONGEST_EVENT = 1024 * 1024  # bytes


class EventParser:
    """Parser of the bytes of one stream."""

    rest = data = b""

    def feed(self, chunk: bytes) -> Iterator[EventJson | None]:
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
                yield cast(EventJson, event)
        if len(self.rest) + len(self.data) > LONGEST_EVENT:
            raise InvalidResponse(f"An event has more than {LONGEST_EVENT} bytes.")


def json_object(content: bytes) -> Json | None:
    """Return a JSON object, or None for anything else."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
