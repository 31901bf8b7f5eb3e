"""The files that somebody gets who clones the repository."""

import subprocess
from pathlib import Path

from testing.stack import ROOT


def checkout(folder: Path) -> Path:
    """Of what the repository holds by now, committed or not."""
    listed = [
        "git",
        "-C",
        str(ROOT),
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]
    files = subprocess.run(listed, capture_output=True, check=True).stdout
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    there = 'for name; do [ ! -e "$name" ] || printf "%s\\0" "$name"; done'
    copy = f"cd \"{ROOT}\" && xargs -0 sh -c '{there}' - | tar --null -cT -"
    subprocess.run(["sh", "-c", f'{copy} | tar -xC "{folder}"'], input=files, check=True)
    return folder
