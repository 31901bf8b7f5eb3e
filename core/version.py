"""Version of the service, from pyproject.toml, and its commit."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HASH = re.compile("[0-9a-f]{7,64}")
NAMED = ("RAILWAY_GIT_COMMIT_SHA", "GIT_COMMIT")  # set by Railway and by the image
UNKNOWN = "unknown"


def _checked_out() -> str:
    """Return the commit of a clone. Git may be missing or distrust the owner."""
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


NUMBER: str = re.findall(
    '^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE
)[0]
COMMIT = next(
    filter(
        HASH.fullmatch,
        (*(os.environ.get(name, "").strip() for name in NAMED), _checked_out()),
    ),
    UNKNOWN,
)
VERSION = f"{NUMBER}+{COMMIT[:7]}"
