"""Supervisor of SERVICE_TYPE=all: ends all services when one of them ends.

Signals end them, too; they are blocked and waited for, so that none arrives between two steps. The
process of `cli/run_services.py`, the parent of the services, executes this program, which
imports the standard library alone and takes little memory.

    python -I -S core/startup/supervisor.py GRACE_SECONDS LOG_FORMAT ANNOUNCER_PID SERVICE_PID...
"""

import os
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress

# As in cli/run_services.py
ENDS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP}
AFTER_GRACE = 15.0  # seconds; a service that hangs is killed then
LEFT_BEHIND = 5.0  # seconds for children of ended services, such as the workers of uvicorn
PAUSE = 0.1  # seconds between two checks of them
ENDED = "error: one of the services has ended; the others are stopped"
# As core.logging_setup.say writes it
AS_JSON = '{"time":"%s","level":"error","logger":"roadmap","message":"%s","service":"all"}'
STDERR = 2  # written directly: a buffered line would be written again at the exit


def main(grace: float, announcer: int, services: Collection[int], log_format: str = "text") -> int:
    """Wait for the end of a service or a signal, and end all. Return the exit code."""
    has_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    ends = ENDS - {signal.SIGHUP} if has_nohup else ENDS
    signal.pthread_sigmask(signal.SIG_BLOCK, {*ends, signal.SIGCHLD})
    left, ended = {announcer, *services}, False
    while not ended and left.issuperset(services):
        ended = signal.sigwait({*ends, signal.SIGCHLD}) in ends
        left -= _reaped()
    if not ended:
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        line = AS_JSON % (now, ENDED) if log_format == "json" else ENDED
        with suppress(OSError):  # the reader may be gone
            os.write(STDERR, f"{line}\n".encode())
    # Without an announcer that has ended: another process may have its number by now.
    groups = {*services, *left}
    for group in groups:  # once each, since a second SIGTERM ends the grace of a consumer
        _send(group, signal.SIGTERM)
    deadline = time.monotonic() + grace + AFTER_GRACE
    while left and time.monotonic() < deadline:
        signal.sigtimedwait({signal.SIGCHLD}, PAUSE)
        left -= _reaped()
    deadline = time.monotonic() + (0 if left else LEFT_BEHIND)
    while any(_send(group, 0) for group in groups) and time.monotonic() < deadline:
        signal.sigtimedwait({signal.SIGCHLD}, PAUSE)
        _reaped()
    for group in groups:
        _send(group, signal.SIGKILL)
    return 0 if ended else 1


def _send(group: int, what: int) -> bool:
    """Send a signal to a process group; return False if nothing of ours is left."""
    try:
        os.killpg(group, what)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _reaped() -> set[int]:
    """Reap and return ended children, in a container also orphans of other processes."""
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
