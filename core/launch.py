"""What `entrypoint.sh` runs: the check before a start, and then the service, in one process: what the one has loaded, the other
needs too.

    python -m core.launch uvicorn roadmap_app:app --port 8000
    python -m core.launch huey_consumer tasks.queues.logs_queue
"""

import gc
import signal
import sys
from types import FrameType
from typing import NoReturn

ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def main() -> None:
    gc.disable()  # `core.garbage` begins with it when everything has started
    # The first process of a container ends by no signal that it does not handle. Who is told to ignore one goes on to.
    before = {each: signal.signal(each, _end) for each in ENDS if signal.getsignal(each) is not signal.SIG_IGN}
    from core import preflight  # after that: it takes a moment to load

    if preflight.main():
        sys.exit(1)
    for each, handler in before.items():
        signal.signal(each, handler)
    del sys.argv[0]
    if sys.argv[0] == "uvicorn":
        import uvicorn.main

        uvicorn.main.main()
    else:
        from huey.bin.huey_consumer import consumer_main

        consumer_main()


def _end(number: int, _: FrameType | None) -> NoReturn:
    """While it still waits for a server. What a shell says of a command that a signal has ended."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
