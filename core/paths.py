"""Folders of a checkout or an installed wheel."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IS_INSTALLED = (ROOT / "__init__.py").is_file()  # from a wheel, where ROOT is `roadmap_service`
# Folders in settings are relative to the code, or to the current folder where it is installed:
# nothing is written beside installed code.
BASE = Path() if IS_INSTALLED else ROOT
SHARE = os.environ.get("XDG_DATA_HOME", "")
if not os.path.isabs(SHARE):  # not set, or invalid by its specification
    SHARE = os.path.expanduser("~/.local/share")
DATA = Path(SHARE) / "roadmap" if IS_INSTALLED else Path("data")
START = "roadmap serve" if IS_INSTALLED else "make run"  # the command for people


def resolved(folder: str | Path) -> Path:
    """Return the absolute path of a folder in settings."""
    return (BASE / folder).absolute()
