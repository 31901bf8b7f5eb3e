"""The memory of processes of this machine, and their connections to PostgreSQL."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2

BY_NAME = """SELECT application_name, count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND datname = current_database()
    AND pid <> pg_backend_pid() GROUP BY 1"""
LOOKS = 0.05  # seconds between two looks at the connections


def pss(roots: Iterable[int]) -> float:
    """Megabytes (10^6 bytes) of these processes and their children; shared ones count in part."""
    kilobytes = 0
    for pid in trees(roots):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes * 1024 / 1e6


def has_mapped(pid: int, words: str) -> bool:
    """Whether a process has loaded a file whose path has these words."""
    return words in Path(f"/proc/{pid}/maps").read_text()


@contextmanager
def looking(look: Callable[[], None], every: float) -> Iterator[None]:
    """Call it again and again during the block, in a thread of its own; once at least.

    Raises what it raised, when the block has ended.
    """
    ended = threading.Event()

    def again_and_again() -> None:
        look()
        while not ended.wait(every):
            look()

    with ThreadPoolExecutor(1, "looking") as executor:
        looks = executor.submit(again_and_again)
        try:
            yield
        finally:
            ended.set()
        looks.result()


@contextmanager
def most_connections(url: str) -> Iterator[Counter[str]]:
    """By application, at the moment of the block at which all together were most."""
    most: Counter[str] = Counter()

    def look() -> None:
        with connection.cursor() as cursor:
            cursor.execute(BY_NAME)
            now = Counter(dict(cursor.fetchall()))
        if now.total() > most.total():
            most.clear()
            most.update(now)

    with closing(psycopg2.connect(url, application_name="looking")) as connection:
        connection.autocommit = True
        with looking(look, LOOKS):
            yield most


def trees(roots: Iterable[int]) -> set[int]:
    """These processes and all that they have started."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found
