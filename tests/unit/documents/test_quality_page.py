"""docs/QUALITY.md names every option and variable of its command, and no other."""

import re
import subprocess
from functools import cache

from quality.__main__ import main
from quality.evaluation.__main__ import main as evaluate
from testing.stack import ROOT, clean_environment

PAGE = (ROOT / "docs/QUALITY.md").read_text("utf-8")
OPTIONS = {
    name
    for option in (*main.params, *evaluate.params)
    for name in (*option.opts, *option.secondary_opts)
}


@cache
def command(*variables: str) -> str:
    """Return the command that make would run."""
    asked = ["make", "--dry-run", "quality", *variables]
    dry = subprocess.run(
        asked, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True
    )
    (line,) = [line for line in dry.stdout.splitlines() if "-m quality" in line]
    return line


def test_the_page_names_every_option_and_no_other() -> None:
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", PAGE)) == OPTIONS - {"--help"}


def test_the_page_names_every_variable_of_make_and_no_other() -> None:
    named = set(re.findall(r"\b([A-Z]{3,})=", PAGE)) - {"SERVICE_TYPE"}
    assert named == {"GOAL", "FILE", "TRACK", "LINKS", "RUN"}


def test_make_hands_variables_on_as_their_options() -> None:
    options = {
        "TRACK=databases": '--track "databases"',
        "FILE=roadmap.json": '--file "roadmap.json"',
        "LINKS=0": "--no-links",
        "RUN=1": "--run",
        "GOAL=Learn to bake bread": '--goal "$GOAL"',
    }
    line, bare = command(*options), command()
    assert [each for each in options.values() if each not in line] == []
    assert [each for each in options.values() if each in bare] == []
