"""Prefer header (RFC 7240): `wait=10` and `return=minimal`.

`wait` asks for the response when the work is done, if that is within so many seconds;
`return=minimal` asks for a short one. A value that cannot be parsed is no preference.
"""

import re

from starlette.requests import Request

LONGEST_WAIT = 60  # seconds; more is understood as this
MINIMAL = {"Preference-Applied": "return=minimal"}
RETURN = re.compile(r'return\s*=\s*"?([a-z]+)"?', re.IGNORECASE)
WAIT = re.compile(r'wait\s*=\s*"?([0-9]{1,9})"?', re.IGNORECASE)


def wait_of(request: Request) -> int:
    """Return the seconds to wait; 0 without this preference."""
    found = _preferred(request, WAIT)
    return min(int(found), LONGEST_WAIT) if found else 0


def prefers_minimal(request: Request) -> bool:
    return _preferred(request, RETURN).lower() == "minimal"


def _preferred(request: Request, pattern: re.Pattern[str]) -> str:
    """Return the value of the first preference that matches; empty without one."""
    preferences = (
        each.split(";")[0].strip()
        for line in request.headers.getlist("prefer")
        for each in line.split(",")
    )
    return next((match[1] for match in map(pattern.fullmatch, preferences) if match), "")
