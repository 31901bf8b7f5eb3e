"""The commands of docs/DEPLOYMENT_COMPARISON.md work as they stand, and show what the page shows."""

import gzip
from pathlib import Path

from testing.commands import command
from testing.stack import ROOT, embedded_stack, running
from tests.pages import Names, difference, outputs_of, steps_of


def test_the_commands_of_the_comparison_work_as_they_stand(tmp_path: Path) -> None:
    steps = steps_of(ROOT / "docs" / "DEPLOYMENT_COMPARISON.md")
    assert len(steps) >= 3
    here = tmp_path / "here"
    here.mkdir()
    with running(embedded_stack(tmp_path)) as stack:
        environment = command(
            {**stack.environment, "PATH": f"{ROOT / 'bin'}:{stack.environment['PATH']}"}
        )
        result = outputs_of(steps, environment, here)
    assert [
        found for step in steps if (found := difference(step.shown, result[step], Names()))
    ] == []
    with gzip.open(here / "everything.gz") as backup:
        assert backup.read(1)
