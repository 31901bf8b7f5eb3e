"""Version of the service and its commit. The build of the wheel runs this file by itself."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HASH = re.compile("[0-9a-f]{7,64}")
COMMIT_VARIABLES = ("RAILWAY_GIT_COMMIT_SHA", "GIT_COMMIT")  # set by Railway and by the image
UNKNOWN = "unknown"
NUMBER = "0.2.0"
MCP_AGENT = "roadmap-mcp/"  # begins the User-Agent of the MCP server, of any version


def _commit_of_code() -> str:
    """Return the commit of a clone or a wheel. Git may be missing or distrust the owner."""
    try:
        built = ROOT / "commit.txt"  # deploy/wheel/build_hook.py
        if built.is_file():
            return built.read_text().strip()
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


COMMIT = next(
    filter(
        HASH.fullmatch,
        (*(os.environ.get(name, "").strip() for name in COMMIT_VARIABLES), _commit_of_code()),
    ),
    UNKNOWN,
)
VERSION = f"{NUMBER}+{COMMIT[:7]}"
