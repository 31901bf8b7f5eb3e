"""Which version of the service this is, and of which commit. pyproject.toml has the number."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HASH = re.compile("[0-9a-f]{7,64}")
NAMED = ("RAILWAY_GIT_COMMIT_SHA", "GIT_COMMIT")  # by Railway, and by the build of the image
UNKNOWN = "unknown"


def _number() -> str:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    found: list[str] = re.findall('^version = "(.+)"$', text, re.MULTILINE)
    return found[0]


def _commit() -> str:
    named = [os.environ.get(name, "").strip() for name in NAMED]
    found = (text for text in (*named, _checked_out()) if HASH.fullmatch(text))
    return next(found, UNKNOWN)


def _checked_out() -> str:
    """Of a clone, found as git finds it, which may not be installed or may distrust the owner."""
    try:
        folder = ROOT / ".git"
        if folder.is_file():  # a second work tree
            folder = ROOT / folder.read_text().removeprefix("gitdir:").strip()
        head = (folder / "HEAD").read_text().strip()
        if not head.startswith("ref:"):
            return head
        name, shared = head.removeprefix("ref:").strip(), folder / "commondir"
        common = folder / shared.read_text().strip() if shared.is_file() else folder
        if (common / name).is_file():
            return (common / name).read_text().strip()
        packed = (common / "packed-refs").read_text().splitlines()
        return next(line.partition(" ")[0] for line in packed if line.endswith(f" {name}"))
    except (OSError, UnicodeDecodeError, StopIteration):
        return UNKNOWN


NUMBER = _number()
COMMIT = _commit()
VERSION = f"{NUMBER}+{COMMIT[:7]}"
