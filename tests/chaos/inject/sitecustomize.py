"""Lets a service die by SIGKILL at a kill point.

Python imports this at its start when this folder is on PYTHONPATH. ROADMAP_KILL_AT=<name>[:<nth
call>] names the point (tests/chaos/kill_points.py), ROADMAP_KILL_MARK a file that is written in
death: while it exists nothing is installed, so that the process may be started again with the same
environment. ROADMAP_KILL_SINCE, if given, names a file: calls count once it is there.
"""

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SERVICES = {
    ("uvicorn", "roadmap_app:app"): "api",
    ("huey_consumer", "tasks.queues.content_queue"): "content",
    ("huey_consumer", "tasks.queues.logs_queue"): "logs",
}


def service() -> str:
    """Return the service of this process; empty for others, and before its checks are over."""
    words = {Path(word).name for word in sys.argv[:1]} | set(sys.argv[1:])
    return next((name for signs, name in SERVICES.items() if words.issuperset(signs)), "")


def install(at: str, mark: Path, since: Path | None) -> None:
    """Make the targets of this point deadly in its service, also when that is forked later."""
    sys.path.insert(0, str(ROOT))
    from tests.chaos.kill_points import POINTS, Call, KillPoint, resolve

    name, _, nth = at.partition(":")
    point: KillPoint = POINTS[name]
    left, lock = [int(nth or 1)], threading.Lock()

    def reached(call: Call) -> None:
        if (
            point.service != service()
            or (since is not None and not since.exists())
            or not point.counts(call)
        ):
            return
        with lock:
            left[0] -= 1
            if left[0] == 0:
                mark.write_text(at)
                os.kill(os.getpid(), signal.SIGKILL)

    def deadly(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            if point.when == "before":
                reached(Call(args))
            result = function(*args, **options)
            if point.when == "after":
                reached(Call(args, result))
            return result

        return call

    for holder, attribute in map(resolve, point.targets):
        setattr(holder, attribute, deadly(getattr(holder, attribute)))


if (
    "cli.run_services" in sys.orig_argv
    and "ROADMAP_KILL_AT" in os.environ
    and not (written := Path(os.environ["ROADMAP_KILL_MARK"])).exists()
):
    start = os.environ.get("ROADMAP_KILL_SINCE")
    install(os.environ["ROADMAP_KILL_AT"], written, Path(start) if start else None)
