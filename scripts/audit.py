"""Audit of every locked package, also of those of the extras and for other platforms.

`python -m scripts.audit` ends with 1 when one has a known vulnerability. When no vulnerability
service can be reached it prints that and ends with 0; with `--strict` that is an error too.
pip-audit lives in a scratch folder, and nothing stays.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

from scripts.lock_file import EXTRAS, extra_packages, locked

TOOL = "pip-audit~=2.10"  # Apache-2.0
SERVICES = ("pypi", "osv")
LIMIT = 20  # seconds for one service; where the network swallows packets, --timeout ends it sooner
NOT_REACHED = "no vulnerability service can be reached: not audited"
UNREACHABLE = re.compile(
    r"ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|ServiceError|Could not connect"
)

Report = dict[str, Any]
Ask = Callable[[str], Report | None]


class AuditFailed(Exception):
    """pip-audit could not do its work, for another reason than the network."""


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--strict"]):
        print("usage: python -m scripts.audit [--strict]", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="roadmap-audit-") as folder:
        try:
            return audit(installed(Path(folder)), strict=bool(arguments))
        except (AuditFailed, subprocess.CalledProcessError) as error:
            print(f"error: the audit failed: {error}", file=sys.stderr)
            return 1


def audit(ask: Ask, *, strict: bool) -> int:
    """Ask one service after the other until one knows every package.

    One that knows none of them does not count: pip-audit calls that a success, and a mirror without
    PyPI's vulnerability data looks like it.
    """
    unknown: set[str] = set()
    for service in SERVICES:
        packages = (ask(service) or {}).get("dependencies", [])
        for package in packages:
            for each in package.get("vulns", []):
                names = ", ".join([each["id"], *each.get("aliases", [])])
                fixed = ", ".join(each.get("fix_versions", [])) or "no version"
                print(f"{package['name']} {package['version']}: {names}; fixed in {fixed}")
        if any(package.get("vulns") for package in packages):
            return 1
        skipped = {package["name"] for package in packages if "skip_reason" in package}
        if packages and not skipped:
            print(f"no known vulnerability in {len(packages)} packages ({service})")
            return 0
        if len(skipped) < len(packages):
            unknown |= skipped
    if unknown:
        print(
            f"error: no vulnerability service knows {', '.join(sorted(unknown))}", file=sys.stderr
        )
        return 1
    print(NOT_REACHED, file=sys.stderr if strict else sys.stdout)
    return int(strict)


def installed(folder: Path) -> Ask:
    """Install pip-audit in `folder`, and return a function that runs it."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    quiet = ["--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    subprocess.run([python, "-m", "pip", "install", *quiet, TOOL], check=True)
    packages = folder / "packages.txt"
    every = (*locked(), *chain.from_iterable(map(extra_packages, EXTRAS)))
    packages.write_text("".join(f"{package.name}=={package.version}\n" for package in every))
    return lambda service: report([str(python), "-m", "pip_audit"], service, packages, folder)


def report(tool: list[str], service: str, packages: Path, folder: Path) -> Report | None:
    """Return what a service knows of the packages, or None when it cannot be reached."""
    answer = folder / f"{service}.json"
    options = {
        "--progress-spinner": "off",
        "--timeout": "5",
        "--cache-dir": str(folder / "cache"),
        "--requirement": str(packages),
        "--vulnerability-service": service,
        "--format": "json",
        "--output": str(answer),
    }
    command = [*tool, "--no-deps", "--disable-pip", *chain.from_iterable(options.items())]
    try:
        errors = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT, check=False
        ).stderr
    except subprocess.TimeoutExpired:
        return None
    if answer.exists():
        return dict(json.loads(answer.read_text("utf-8")))
    if UNREACHABLE.search(errors):
        return None
    raise AuditFailed(errors.strip()[-2000:] or "pip-audit printed no error")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
