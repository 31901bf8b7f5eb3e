"""How seldom a process looks for garbage: cycles of objects, which nobody holds any more and which hold each other."""

import gc
import threading
from functools import cache

SMALL = 20_000  # objects between two small collections; Python's 700 come with every few requests
SOON = 1.0  # seconds: who has just started is waited for


@cache
def settle_soon() -> None:
    """Once, when everything has started."""
    timer = threading.Timer(SOON, settle)
    timer.daemon = True
    timer.start()


def settle() -> None:
    """What is there stays for good, and no collection looks through it again."""
    gc.collect()  # what loading has left
    gc.freeze()
    gc.set_threshold(SMALL)
    gc.enable()  # `core.launch` has begun without
