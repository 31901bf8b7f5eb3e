"""Entry point of `entrypoint.sh`: preflight checks, then the service itself.

SERVICE_TYPE names the service. Both run in one process, since they load the same modules. The three
services of SERVICE_TYPE=all are forked from one process that has loaded everything, and share its
memory until they write to it. That process becomes their supervisor (`core/startup/supervisor.py`).
"""

import ctypes
import gc
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
BLOCKED = {*ENDS, signal.SIGCHLD}  # from the first fork until the supervisor waits for them
PR_SET_PDEATHSIG = 1  # prctl(2)
SUPERVISOR = Path(__file__).parents[1] / "core" / "startup" / "supervisor.py"

Run = Callable[[], NoReturn]
Handlers = dict[
    signal.Signals, signal.Handlers | Callable[[int, FrameType | None], object] | int | None
]


def main() -> None:
    gc.disable()  # until `core.startup.gc_tuning` enables it after the start
    # The first process of a container ends by no signal without a handler. An ignored signal stays
    # ignored; for the supervisor of several services that is so with SIGHUP alone.
    before: Handlers = {
        each: signal.signal(each, _end)
        for each in ENDS
        if signal.getsignal(each) is not signal.SIG_IGN
    }
    from core.settings import ALL, from_environment
    from core.startup import preflight  # after the handlers: loading takes a moment

    if preflight.main():
        sys.exit(1)
    settings = from_environment(os.environ)
    commands = commands_of(settings)
    if settings.service_type == ALL:
        _fork(commands.values(), settings, before)
    _restore(before)
    _run_service(commands[settings.service_type])


def commands_of(settings: "Settings") -> dict[str, list[str]]:
    """Return the command line of each service, by its SERVICE_TYPE."""
    from core.settings import API, CONSUMERS

    workers, host = settings.api_workers, settings.host
    if not host:  # both families: "::" serves them with several workers, "" with one
        host = "127.0.0.1" if settings.embedded else "::" if workers > 1 else ""
    # -g TERM stops gracefully on SIGTERM, -t limits the grace; -q leaves logging to our set-up
    # fmt: off
    grace = f"{settings.shutdown_grace_seconds:g}"
    consumer = ["huey_consumer", "-q", "-g", "TERM", "-t", grace, "-w"]
    return {
        API: [
            "uvicorn", "roadmap_app:app", "--host", host, "--port", str(settings.port),
            "--workers", str(workers), "--no-proxy-headers", "--no-access-log",
            "--log-level", "warning", "--log-config", "core/uvicorn_logging.json",
            "--timeout-graceful-shutdown", "5", "--no-server-header", "--ws", "none",
            "--http", "web.http.http_limits:BoundedProtocol",
        ],
    } | {
        each.service: [*consumer, str(each.threads(settings)), each.instance] for each in CONSUMERS
    }
    # fmt: on


def preload(settings: "Settings") -> None:
    """Load what the services share, and build validators that every instance uses.

    Built once instead of in each process, they save 7 of 120 MB (PSS after a first roadmap).
    """
    import huey.bin.huey_consumer  # noqa: F401
    import uvicorn.loops.auto
    import uvicorn.main  # noqa: F401

    import core.startup.banner  # noqa: F401
    import roadmap_app  # noqa: F401
    import web.http.http_limits  # noqa: F401
    from roadmap.accounts import schemas as accounts_
    from roadmap.generation.catalogue import generator, loader
    from roadmap.lifecycle.making import content_job, plan_job  # noqa: F401
    from roadmap.operations import log_retention  # noqa: F401
    from roadmap.plan import outline, schemas, statuses, views
    from tasks.queues import QUEUES
    from web.api import accounts, health, roadmaps
    from web.endpoints.call import NoQuery

    for model in (
        *(loader.CatalogueConcept, loader.TrackCapstones),
        *(outline.Analysis, outline.Outline, outline.OutlineStage, outline.OutlineModule),
        *(outline.OutlineConcept, outline.Capstone),
        *(outline.Tutorial, outline.Resources, outline.Quiz),
        *(schemas.RoadmapRequest, statuses.Progress),
        *(views.StageProject, views.StageNode, views.ModuleNode, views.ConceptNode),
        *(views.Learned, views.RoadmapTree),
        *(accounts_.Credentials, accounts_.Registration, accounts_.User, accounts.Session),
        *(health.Alive, health.Ready, roadmaps.Accepted, roadmaps.LinkedTree, NoQuery),
    ):
        model.model_rebuild()
    if settings.openai_api_key is None:  # accepting and planning need its words and tracks
        generator.find_tracks("")
    else:
        import roadmap.generation.llm.generator  # noqa: F401
    for queue in QUEUES.values():
        queue.storage.close()  # no two processes may have one connection


def _run_service(command: list[str]) -> NoReturn:
    """Become the program of a service: uvicorn or a consumer of Huey."""
    sys.argv = command
    if "--workers" in command and command[command.index("--workers") + 1] != "1":
        # A new process: the one above several workers stays small without what is imported here
        os.execv(sys.executable, [sys.executable, "-m", *command])
    setproctitle(" ".join(command))
    if command[0] == "uvicorn":
        import uvicorn.main

        uvicorn.main.main()
    else:
        from huey.bin.huey_consumer import consumer_main

        consumer_main()
    sys.exit()


def _fork(commands: Iterable[list[str]], settings: "Settings", before: Handlers) -> NoReturn:
    from core.logging_setup import JsonFormatter, formatter_of_environment, say

    preload(settings)
    gc.freeze()  # without a collection: children would fill the holes, and copy their pages
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if ignored, no end would be reported
    signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
    children: list[int] = []
    try:
        run = _forked(
            [_print_banner, *(partial(_run_service, command) for command in commands)], children
        )
        if run is None:
            arguments = [
                f"{settings.shutdown_grace_seconds:g}",
                "json" if isinstance(formatter_of_environment(), JsonFormatter) else "text",
                *map(str, children),
            ]
            os.execv(sys.executable, [sys.executable, "-I", "-S", str(SUPERVISOR), *arguments])
    except OSError as error:  # no room for another process: end those that there are
        for pid in children:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        say(f"error: the services cannot be started: {error.strerror}", logging.ERROR)
        sys.exit(1)
    _restore(before)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
    run()


def _forked(runs: Iterable[Run], children: list[int]) -> Run | None:
    """Fork a child for each run; return its run in a child and None in the parent.

    The ids are added to `children`. Each child has a process group of its own, so that Ctrl-C
    reaches the supervisor alone and the end is orderly. Raises OSError.
    """
    parent = os.getpid()
    for run in runs:
        pid = os.fork()
        # Parent and child both set the group: it must exist before it gets a signal.
        with suppress(PermissionError, ProcessLookupError):  # the child was quicker
            os.setpgid(pid, pid)
        if not pid:
            children.clear()  # the others are siblings
            if sys.platform == "linux":  # a supervisor that is killed leaves none behind
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
                if os.getppid() != parent:
                    os._exit(1)
            return run
        children.append(pid)
    return None


def _print_banner() -> NoReturn:
    from core.startup import banner

    setproctitle("core.startup.banner")
    sys.exit(banner.main())


def _restore(handlers: Handlers) -> None:
    for each, handler in handlers.items():
        signal.signal(each, handler)


def _end(number: int, _: FrameType | None) -> NoReturn:
    """Exit at once during the start, with the exit code that shells give for a signal.

    An exception would be ignored in callbacks of the import system. The database rolls an
    unfinished migration back, as after SIGKILL.
    """
    os._exit(128 + number)


if __name__ == "__main__":
    main()
