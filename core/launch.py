"""What `entrypoint.sh` runs: the check before a start, and then the service that SERVICE_TYPE names, in one process: what the
one has loaded, the other needs too.

The three services of SERVICE_TYPE=all are forked from one process that has loaded everything: they share its memory as long
as none of them writes to it. It becomes their supervisor (`core/supervisor.py`).
"""

import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from setproctitle import setproctitle

ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
BLOCKED = {*ENDS, signal.SIGCHLD}  # from the first fork on, until the supervisor waits for them
PRELOADED = (
    *("roadmap_app", "web.protocol", "uvicorn.main", "uvicorn.loops.auto"),
    *("tasks", "huey.bin.huey_consumer", "core.announce"),
)
SUPERVISOR = Path(__file__).with_name("supervisor.py")

Handlers = dict[signal.Signals, signal.Handlers | Callable[[int, FrameType | None], object] | int | None]


def main() -> None:
    gc.disable()  # `core.garbage` begins with it when everything has started
    # The first process of a container ends by no signal that it does not handle. Who is told to ignore one goes on to.
    before: Handlers = {each: signal.signal(each, _end) for each in ENDS if signal.getsignal(each) is not signal.SIG_IGN}
    from core import preflight  # after that: it takes a moment to load
    from core.settings import ServiceType, from_environment

    if preflight.main():
        sys.exit(1)
    settings = from_environment(os.environ)
    grace = settings.shutdown_grace_seconds
    host = settings.host
    if not host:  # every address of both families: with several workers "::" serves both, with one only "" does
        host = "127.0.0.1" if settings.embedded else "::" if settings.api_workers > 1 else ""
    # fmt: off
    api = [
        "uvicorn", "roadmap_app:app", "--host", host, "--port", str(settings.port), "--workers", str(settings.api_workers),
        "--no-proxy-headers", "--no-access-log", "--log-level", "warning", "--log-config", "core/uvicorn_logging.json",
        "--timeout-graceful-shutdown", "5", "--no-server-header", "--ws", "none", "--http", "web.protocol:BoundedProtocol",
    ]
    # -g TERM stops gracefully on SIGTERM, -t ends the grace; -q leaves the logging to core/logging_setup.py
    consumer = ["huey_consumer", "-q", "-g", "TERM", "-t", f"{grace:g}", "-w"]
    # fmt: on
    logs = [*consumer, str(settings.logs_workers), "tasks.queues.logs_queue"]
    content = [*consumer, str(settings.content_workers), "tasks.queues.content_queue"]
    if settings.service_type is ServiceType.all:
        _fork((api, logs, content), grace, before)
    _restore(before)
    _serve({ServiceType.api: api, ServiceType.huey_logs: logs, ServiceType.huey_content: content}[settings.service_type])


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


def _fork(commands: Sequence[list[str]], grace: float, before: Handlers) -> NoReturn:
    for name in PRELOADED:
        importlib.import_module(name)
    queues = sys.modules["tasks.queues"]
    for queue in (queues.logs_queue, queues.content_queue):
        queue.storage.close()  # no two processes may have one connection
    gc.collect()
    gc.freeze()
    signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
    services = [_forked(partial(_serve, command), before) for command in commands]
    announcer = _forked(_announce, before)
    told = [f"{grace:g}", str(announcer), *map(str, services)]
    os.execv(sys.executable, [sys.executable, "-I", "-S", str(SUPERVISOR), *told])


def _announce() -> NoReturn:
    setproctitle("core.announce")
    sys.exit(sys.modules["core.announce"].main())


def _forked(run: Callable[[], NoReturn], before: Handlers) -> int:
    """In a process group of its own, so that Ctrl-C reaches the supervisor alone and the end is orderly."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    os.setpgid(0, 0)
    _restore(before)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
    run()


def _restore(handlers: Handlers) -> None:
    for each, handler in handlers.items():
        signal.signal(each, handler)


def _end(number: int, _: FrameType | None) -> NoReturn:
    """While it still waits for a server. What a shell says of a command that a signal has ended."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
