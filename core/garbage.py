"""How seldom a process looks for garbage: cycles of objects, which nobody holds any more and which hold each other."""

import gc
from functools import cache

SMALL = 20_000  # objects between two small collections; Python's 700 come with every few requests


@cache
def settle() -> None:
    """Once, when everything has started: what is there stays for good, and no collection looks through it again."""
    gc.freeze()
    gc.set_threshold(SMALL)
