"""Scratch folder of tests: in memory where there is room, which is faster than a disk.

Processes that are killed leave their files behind there as on a disk. TMPDIR, if it is set, names
another folder.
"""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3  # bytes that are free there; several times what the whole suite leaves
NO_PROGRAMS = getattr(os, "ST_NOEXEC", 0)  # servers from wheels are copied there and run


def has_room(folder: Path) -> bool:
    """Everybody may write and run programs there, and it is large enough."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    return not os.statvfs(folder).f_flag & NO_PROGRAMS and shutil.disk_usage(folder).free >= ROOM


def write_in_memory() -> None:
    """From now on, in this process and those that it starts."""
    if "TMPDIR" not in os.environ and has_room(MEMORY):
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # it is looked up again
