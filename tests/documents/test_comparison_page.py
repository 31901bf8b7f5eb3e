"""The commands of docs/DEPLOYMENT_COMPARISON.md work, and show what the page shows."""

import gzip
from pathlib import Path

from testing.commands import command
from testing.stack import ROOT, Stack
from tests.pages import Names, difference, outputs_of, steps_of


def test_the_commands_of_the_comparison_work_as_they_stand(
    shared_embedded: Stack, tmp_path: Path
) -> None:
    steps = steps_of(ROOT / "docs" / "DEPLOYMENT_COMPARISON.md")
    assert len(steps) >= 3
    variables = shared_embedded.environment
    environment = command({**variables, "PATH": f"{ROOT / 'bin'}:{variables['PATH']}"})
    result = outputs_of(steps, environment, tmp_path)
    assert [
        found for step in steps if (found := difference(step.shown, result[step], Names()))
    ] == []
    with gzip.open(tmp_path / "everything.gz") as backup:
        assert backup.read(1)
