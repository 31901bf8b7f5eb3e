"""What a client would like (RFC 7240): `Prefer: wait=10`, to be answered when it is done, if that is within so many seconds."""

import re

from starlette.requests import Request

LONGEST_WAIT = 60  # seconds; more is understood as this
WAIT = re.compile(r'wait\s*=\s*"?([0-9]{1,9})"?', re.IGNORECASE)


def wait_of(request: Request) -> int:
    """Seconds; 0 when nothing is said of it. What cannot be understood is no preference."""
    preferences = (each.split(";")[0].strip() for line in request.headers.getlist("prefer") for each in line.split(","))
    found = next((match for match in map(WAIT.fullmatch, preferences) if match), None)  # the first counts
    return min(int(found[1]), LONGEST_WAIT) if found else 0


def applied(seconds: int) -> dict[str, str]:
    return {"Preference-Applied": f"wait={seconds}"}
