"""Tuning of the garbage collector: freeze start-up objects, raise the threshold."""

import gc
import threading
from functools import cache

SMALL = 20_000  # objects between two small collections; Python's 700 come every few requests
SOON = 1.0  # seconds for the rest of the start


@cache
def freeze_startup_objects_soon() -> None:
    """Call `freeze_startup_objects` once, soon after the start."""
    timer = threading.Timer(SOON, freeze_startup_objects)
    timer.daemon = True
    timer.start()


def freeze_startup_objects() -> None:
    """Freeze all present objects and enable the collector, which skips them."""
    gc.collect()  # garbage of the imports
    gc.freeze()
    gc.set_threshold(SMALL)
    gc.enable()  # `cli.run_services` has disabled it
