"""The memory, CPU time and connections to PostgreSQL of processes of this machine."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg2

from benchmarks.idle import cpu_seconds

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


def alone(roots: Iterable[int]) -> float:
    """Megabytes (10^6 bytes) of these processes and their children, as in a container of their own.

    Memory that they share among themselves counts once; memory shared with others counts in full.
    """
    kilobytes = 0
    files: dict[
        tuple[str, str], int
    ] = {}  # by path and offset: the most that any of them has of it
    for pid in trees(roots):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            own = sum(
                int(line.split()[1])
                for line in rollup
                if line.startswith(("Pss_Anon:", "Pss_Shmem:"))
            )
            for mapped, size in _files(Path(f"/proc/{pid}/smaps").read_text()):
                files[mapped] = max(files.get(mapped, 0), size)
            kilobytes += own
    return (kilobytes + sum(files.values())) * 1024 / 1e6


def _files(smaps: str) -> Iterator[tuple[tuple[str, str], int]]:
    """Each mapping of a file but shared memory, with the kilobytes of the file that are there.

    Not counted is what was written over.
    """
    mapped, resident = ("", ""), 0
    for line in smaps.splitlines():
        name, _, value = line.partition(":")
        if name == "Rss":
            resident = int(value.split()[0])
        elif name == "Anonymous":
            if mapped[0].startswith("/") and not mapped[0].startswith(
                ("/dev/", "/SYSV", "/memfd:")
            ):
                yield mapped, resident - int(value.split()[0])
        elif (
            "-" in name and " " in name
        ):  # the head of a mapping: range, modes, offset, device, inode, path
            parts = line.split(maxsplit=5)
            mapped = (parts[5] if len(parts) > 5 else "", parts[2])


def cpu(roots: Iterable[int]) -> float:
    """CPU seconds of these processes and their children, ended ones included.

    A process that waited for a child has the child's time, so each counts once. PostgreSQL starts
    and ends a child for each connection.
    """
    seconds = 0.0
    for pid in trees(roots):
        with suppress(
            FileNotFoundError, ProcessLookupError
        ):  # it has just ended: its parent tells the next time
            seconds += cpu_seconds(pid)
    return seconds


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
