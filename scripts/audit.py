"""Audit of every locked package, also of those of the extras and for other platforms.

`python -m scripts.audit` ends with pip-audit's own code. When no vulnerability service can be
reached it prints that and ends with 0; with `--strict` that is an error too. pip-audit lives in a
scratch folder, and nothing stays.
"""

import os
import re
import subprocess
import sys
import tempfile
import venv
from itertools import chain
from pathlib import Path

from scripts.lock_file import EXTRAS, extra_packages, locked

TOOL = "pip-audit~=2.10"  # Apache-2.0
SERVICES = ("pypi", "osv")
LIMIT = 20  # seconds for one service; where the network swallows packets, --timeout ends it sooner
NOT_REACHED = "no vulnerability service can be reached: not audited"
AWAY = re.compile(  # or the service, such as a mirror without PyPI's data, does not know a package
    r"ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|ServiceError|"
    r"Could not connect|could not be audited"
)


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--strict"]):
        print("usage: python -m scripts.audit [--strict]", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="roadmap-audit-") as folder:
        venv.create(Path(folder, "venv"), with_pip=True)
        python = str(Path(folder, "venv", "Scripts" if os.name == "nt" else "bin", "python"))
        quiet = ["--quiet", "--disable-pip-version-check", "--no-cache-dir"]
        subprocess.run([python, "-m", "pip", "install", *quiet, TOOL], check=True)
        packages = Path(folder, "packages.txt")
        every = (*locked(), *chain.from_iterable(map(extra_packages, EXTRAS)))
        packages.write_text("".join(f"{package.name}=={package.version}\n" for package in every))
        options = ["--cache-dir", str(Path(folder, "cache")), "--requirement", str(packages)]
        return audit([python, "-m", "pip_audit", *options], strict=bool(arguments))


def audit(tool: list[str], *, strict: bool) -> int:
    """Ask one service after the other until one knows every package; print what it says."""
    fixed = "--strict --aliases on --no-deps --disable-pip --progress-spinner off --timeout 5"
    for service in SERVICES:
        command = [*tool, *fixed.split(), "--vulnerability-service", service]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=LIMIT, check=False
            )
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0 or not AWAY.search(done.stderr):
            print(f"{done.stdout}{done.stderr}", end="")
            return done.returncode
    print(NOT_REACHED, file=sys.stderr if strict else sys.stdout)
    return int(strict)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
