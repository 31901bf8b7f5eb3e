"""Commands of `make texts`, for tests that run them in another folder."""

import shlex
from pathlib import Path

from testing.stack import ROOT


def text_commands(scratch: Path) -> list[list[str]]:
    """Return the arguments for Python of each command; what they collect goes to `scratch`."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    recipe = makefile.partition("\ntexts:")[2].partition("\n\n")[0].splitlines()[1:]
    commands = [shlex.split(line.replace("$(VENV)", str(scratch))) for line in recipe]
    return [["-m", "babel.messages.frontend", *command[1:]] for command in commands]
