"""Identifiers: no two are the same, whatever process or thread makes them."""

import os
from concurrent.futures import ThreadPoolExecutor

from core.ids import new_hex, new_id

MANY = 3_000


def test_ids_of_threads_differ_and_sort_by_time() -> None:
    with ThreadPoolExecutor(4) as threads:
        found = [each for many in threads.map(lambda _: _ids(), range(4)) for each in many]
    assert len(set(found)) == 4 * MANY
    made = [each[:16] for each in _ids()]  # the time
    assert made == sorted(made)
    assert {new_id().version, new_id().variant} == {7, "specified in RFC 4122"}


def test_a_fork_does_not_repeat_the_numbers_of_its_parent() -> None:
    new_id()
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, new_id().bytes)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    os.close(write)
    theirs = os.read(read, 16)[8:]  # without the time
    os.close(read)
    assert theirs not in {new_id().bytes[8:] for _ in range(MANY)}


def _ids() -> list[str]:
    return [new_hex() for _ in range(MANY)]
