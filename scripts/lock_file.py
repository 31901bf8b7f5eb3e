"""Packages of requirements/service.lock, and those that the extras add."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements/service.lock"
EXTRAS = ("mcp", "s3")


@dataclass(frozen=True)
class Locked:
    """A package of the lock: `requirement` has its pin and its marker."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.requirement.name

    @property
    def version(self) -> str:
        return str(self.requirement.specifier).removeprefix("==")

    @property
    def is_for_this_machine(self) -> bool:
        return self.requirement.marker is None or self.requirement.marker.evaluate()


def locked(text: str | None = None) -> list[Locked]:
    """Return the packages in the order of the file, or of `text`."""
    logical = re.sub(r"\\\n", " ", LOCK.read_text("utf-8") if text is None else text).splitlines()
    found = []
    for line in filter(None, map(str.strip, logical)):
        if not line.startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line)
            found.append(Locked(Requirement(requirement), tuple(hashes)))
    return found


def extra_packages(extra: str) -> list[Locked]:
    """Return the packages that an extra adds to the base."""
    base = {package.name for package in locked()}
    text = (ROOT / f"requirements/{extra}.lock").read_text("utf-8")
    return [package for package in locked(text) if package.name not in base]
