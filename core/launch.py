"""What `entrypoint.sh` runs: the check before a start, and then the service that SERVICE_TYPE names, in one process: what the
one has loaded, the other needs too.

The three services of SERVICE_TYPE=all are forked from one process that has loaded everything: they share its memory as long
as none of them writes to it. It becomes their supervisor (`core/supervisor.py`).
"""

import gc
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from setproctitle import setproctitle

if TYPE_CHECKING:
    from core.settings import Settings

ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
BLOCKED = {*ENDS, signal.SIGCHLD}  # from the first fork on, until the supervisor waits for them
PRELOADED = (
    *("roadmap_app", "web.protocol", "uvicorn.main", "uvicorn.loops.auto"),
    *("tasks", "huey.bin.huey_consumer", "core.announce"),
)
SUPERVISOR = Path(__file__).with_name("supervisor.py")

Run = Callable[[], NoReturn]
Handlers = dict[
    signal.Signals, signal.Handlers | Callable[[int, FrameType | None], object] | int | None
]


def main() -> None:
    gc.disable()  # `core.garbage` begins with it when everything has started
    # The first process of a container ends by no signal that it does not handle. Who is told to ignore one goes on to; the
    # supervisor of several services only does with SIGHUP.
    before: Handlers = {
        each: signal.signal(each, _end)
        for each in ENDS
        if signal.getsignal(each) is not signal.SIG_IGN
    }
    from core import preflight  # after that: it takes a moment to load
    from core.settings import ServiceType, from_environment

    if preflight.main():
        sys.exit(1)
    settings = from_environment(os.environ)
    commands = commands_of(settings)
    if settings.service_type is ServiceType.all:
        _fork(commands.values(), settings.shutdown_grace_seconds, before)
    _restore(before)
    _serve(commands[settings.service_type])


def commands_of(settings: "Settings") -> dict[str, list[str]]:
    """What each service runs, by its SERVICE_TYPE."""
    workers, host = settings.api_workers, settings.host
    if not host:  # every address of both families: with several workers "::" serves both, with one only "" does
        host = "127.0.0.1" if settings.embedded else "::" if workers > 1 else ""
    # -g TERM stops gracefully on SIGTERM, -t ends the grace; -q leaves the logging to core/logging_setup.py
    consumer = [
        "huey_consumer",
        "-q",
        "-g",
        "TERM",
        "-t",
        f"{settings.shutdown_grace_seconds:g}",
        "-w",
    ]
    # fmt: off
    return {
        "api": [
            "uvicorn", "roadmap_app:app", "--host", host, "--port", str(settings.port), "--workers", str(workers),
            "--no-proxy-headers", "--no-access-log", "--log-level", "warning", "--log-config", "core/uvicorn_logging.json",
            "--timeout-graceful-shutdown", "5", "--no-server-header", "--ws", "none", "--http", "web.protocol:BoundedProtocol",
        ],
        "huey_logs": [*consumer, str(settings.logs_workers), "tasks.queues.logs_queue"],
        "huey_content": [*consumer, str(settings.content_workers), "tasks.queues.content_queue"],
    }
    # fmt: on


def _serve(command: list[str]) -> NoReturn:
    sys.argv = command
    if "--workers" in command and command[command.index("--workers") + 1] != "1":
        os.execvp(command[0], command)  # the process above several workers stays small
    setproctitle(" ".join(command))
    if command[0] == "uvicorn":
        import uvicorn.main

        uvicorn.main.main()
    else:
        from huey.bin.huey_consumer import consumer_main

        consumer_main()
    sys.exit()


def _fork(commands: Iterable[list[str]], grace: float, before: Handlers) -> NoReturn:
    from core.logging_setup import JsonFormatter, formatter_of_environment, say

    for name in PRELOADED:
        importlib.import_module(name)
    for queue in sys.modules["tasks.queues"].QUEUES:
        queue.storage.close()  # no two processes may have one connection
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who is told to ignore it hears of no end
    signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
    children: list[int] = []
    try:
        run = _forked([_announce, *(partial(_serve, command) for command in commands)], children)
        if run is None:
            is_json = isinstance(formatter_of_environment(), JsonFormatter)
            told = [f"{grace:g}", "json" if is_json else "text", *map(str, children)]
            os.execv(sys.executable, [sys.executable, "-I", "-S", str(SUPERVISOR), *told])
    except OSError as error:  # no room for another process: none of them stays
        for pid in children:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        say(f"error: the services cannot be started: {error.strerror}", logging.ERROR)
        sys.exit(1)
    _restore(before)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
    run()


def _forked(runs: Iterable[Run], children: list[int]) -> Run | None:
    """In a child of its own what that is to run, and in this process None, with their ids in `children`. Raises OSError.

    Each has a process group of its own, so that Ctrl-C reaches the supervisor alone and the end is orderly.
    """
    for run in runs:
        pid = os.fork()
        with suppress(PermissionError, ProcessLookupError):  # it was quicker
            os.setpgid(
                pid, pid
            )  # by both of them: it must be so before anything is told to the group
        if not pid:
            children.clear()  # the others are not its own
            return run
        children.append(pid)
    return None


def _announce() -> NoReturn:
    setproctitle("core.announce")
    sys.exit(sys.modules["core.announce"].main())


def _restore(handlers: Handlers) -> None:
    for each, handler in handlers.items():
        signal.signal(each, handler)


def _end(number: int, _: FrameType | None) -> NoReturn:
    """While it still loads or waits for a server. What a shell says of a command that a signal has ended.

    At once: an exception would be ignored in the callbacks that the import system runs. What a migration has begun, the
    database takes back, as it does after SIGKILL.
    """
    os._exit(128 + number)


if __name__ == "__main__":
    main()
