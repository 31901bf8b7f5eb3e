"""Stays with the services of SERVICE_TYPE=all: when one ends, or a signal says so, all of them end, and nothing is left.

`core/launch.py` becomes it, and so is the parent of the services. It is a program of its own that loads nothing but Python, to
weigh next to nothing. Signals are blocked and waited for: none can come between two of its steps.

    python -I -S core/supervisor.py GRACE_SECONDS LOG_FORMAT ANNOUNCER_PID SERVICE_PID...
"""

import os
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress

ENDS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP}  # as in core/launch.py
AFTER_GRACE = 15.0  # seconds; a service that hangs is killed then
LEFT_BEHIND = (
    5.0  # seconds for what an ended service has left behind, such as the workers of uvicorn
)
PAUSE = 0.1  # seconds between two looks at that
ENDED = "error: one of the services has ended; the others are stopped"
AS_JSON = '{"time":"%s","level":"error","logger":"roadmap","message":"%s","service":"all"}'
STDERR = 2  # written to directly: what Python keeps for it would be tried again at the end


def main(grace: float, announcer: int, services: Collection[int], log_format: str = "text") -> int:
    ends = ENDS - (
        {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    )  # nohup
    signal.pthread_sigmask(signal.SIG_BLOCK, {*ends, signal.SIGCHLD})
    left, ended = {announcer, *services}, False
    while not ended and left.issuperset(services):
        ended = signal.sigwait({*ends, signal.SIGCHLD}) in ends
        left -= _reaped()
    if not ended:
        with suppress(OSError):  # nobody may be there to read it
            os.write(STDERR, f"{_line(log_format)}\n".encode())
    _end(
        {*services, *left}, left, grace
    )  # not an announcer that has ended: its number may be another's by now
    return 0 if ended else 1


def _end(groups: Collection[int], left: set[int], grace: float) -> None:
    for group in groups:  # once each, since a second SIGTERM ends the grace of a consumer
        _tell(group, signal.SIGTERM)
    deadline = time.monotonic() + grace + AFTER_GRACE
    while left and time.monotonic() < deadline:
        signal.sigtimedwait({signal.SIGCHLD}, PAUSE)
        left -= _reaped()
    deadline = time.monotonic() + (0 if left else LEFT_BEHIND)
    while any(_tell(group, 0) for group in groups) and time.monotonic() < deadline:
        signal.sigtimedwait({signal.SIGCHLD}, PAUSE)
        _reaped()
    for group in groups:
        _tell(group, signal.SIGKILL)


def _line(log_format: str) -> str:
    """As `core.logging_setup.say` writes it."""
    if log_format != "json":
        return ENDED
    return AS_JSON % (time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()), ENDED)


def _tell(group: int, what: int) -> bool:
    """False when nobody of ours is left in it."""
    try:
        os.killpg(group, what)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _reaped() -> set[int]:
    """Children that have ended; as the first process of a container, those of others that have ended before them, too."""
    found: set[int] = set()
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        found.add(pid)


if __name__ == "__main__":
    grace, log_format, announcer, *services = sys.argv[1:]
    sys.exit(main(float(grace), int(announcer), [int(pid) for pid in services], log_format))
