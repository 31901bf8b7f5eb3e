"""The size of what is installed: what the lock installs, and the stack that the service replaces.

Each in a new environment without pip. The size is that of all files on the disk, in whole blocks,
with the bytecode that pip makes, as `du` tells it.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.effort import Effort
from benchmarks.figures import Sample
from benchmarks.ground import BenchmarkFailed, Ground, python, say
from benchmarks.load import ROOT
from benchmarks.targets import FASTAPI, INSTALLED, OURS, PACKAGES, SIZE

LARGE = 5.0  # MB, from which on a package is named
LONGEST = 600  # seconds
OF_PACKAGES = """
import json
from importlib.metadata import distributions
def size(distribution):
    paths = {distribution.locate_file(file) for file in distribution.files or ()}
    return sum(path.stat().st_blocks * 512 for path in paths if path.exists())
print(json.dumps({each.name: size(each) / 1e6 for each in distributions()}))
"""


def measure(ground: Ground, effort: Effort) -> Iterator[Sample]:
    if effort.is_short:  # it downloads
        return
    wanted = {
        OURS: ("--require-hashes", "-r", "requirements/service.lock"),
        FASTAPI: ("-r", "benchmarks/peers/fastapi_celery/requirements.txt"),
    }
    for name, requirements in wanted.items():
        say(f"size: {name}")
        packages = _installed(ground.folder("size"), *requirements)
        yield Sample(SIZE, INSTALLED, name, 0, sum(packages.values()))
        yield Sample(SIZE, PACKAGES, name, 0, len(packages))
        for package, megabytes in sorted(packages.items(), key=lambda each: -each[1]):
            if megabytes >= LARGE:
                yield Sample(SIZE, INSTALLED, f"{name}: {package}", 0, megabytes)


def _installed(folder: Path, *requirements: str) -> dict[str, float]:
    """Megabytes by package. Raises BenchmarkFailed."""
    home = folder / "environment"
    _run(*python("-m", "venv", "--without-pip", str(home)))
    there = str(home / "bin" / "python")
    _run(
        *python(
            "-m",
            "pip",
            "--python",
            there,
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *requirements,
        )
    )
    packages: dict[str, float] = json.loads(_run(there, "-c", OF_PACKAGES))
    return packages


def _run(*command: str) -> str:
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=LONGEST, cwd=ROOT, check=False
    )
    if ended.returncode:
        raise BenchmarkFailed(f"{' '.join(command)} failed:\n{ended.stderr[-2000:]}")
    return ended.stdout
