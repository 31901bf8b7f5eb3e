"""docs/QUALITY.md names the floors of quality/floor.py, and only options that there are."""

import re
import subprocess
from functools import cache

from quality.__main__ import main
from quality.evaluation.__main__ import main as evaluate
from quality.floor import FLOORS, TRACK_FLOORS
from scripts.quality_table import MARKED, table
from testing.stack import ROOT, clean_environment

PAGE = MARKED.page.read_text("utf-8")
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


def test_the_table_of_floors_is_that_of_the_code() -> None:
    assert MARKED.within(PAGE) == PAGE, "run: python -m scripts.quality_table --write"


def test_the_table_has_a_row_for_each_floor_with_its_bounds_and_its_unit() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table().splitlines()[2:]]
    assert [row[0] for row in rows] == [floor.name for floor in (*FLOORS, *TRACK_FLOORS)]
    for (_, least, most, unit), floor in zip(rows, (*FLOORS, *TRACK_FLOORS), strict=True):
        found = [float(bound.replace(",", "")) if bound else None for bound in (least, most)]
        assert found == [floor.least, floor.most], floor.name
        assert unit == floor.unit.strip()


def test_the_page_names_every_option_and_no_other() -> None:
    outside = PAGE.replace(MARKED.begin, "").replace("--write", "")
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", outside)) == OPTIONS - {"--help"}


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
