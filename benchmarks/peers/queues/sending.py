"""The process that enqueues: all at once, or one after the other on an idle queue.

    python -m benchmarks.peers.queues.sending MODULE FIRST COUNT [seconds]

Writes how many seconds it took. With `seconds` each message waits for a random part of them before,
so that it meets every phase of a consumer that polls.
"""

import random
import sys
from importlib import import_module
from time import perf_counter, sleep


def main(module: str, first: int, count: int, pause: float = 0.0) -> None:
    send = import_module(module).send
    chance = random.Random(9)
    began = perf_counter()
    for number in range(first, first + count):
        if pause:
            sleep(chance.uniform(0, pause))
        send(number, perf_counter())
    print(perf_counter() - began)


if __name__ == "__main__":
    name, first, count, *rest = sys.argv[1:]
    main(name, int(first), int(count), *map(float, rest))
