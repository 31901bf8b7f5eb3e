"""The code of the whole catalogue prints what its tutorials say, in every language."""

import subprocess

import pytest

from testing.stack import ROOT, clean_environment


@pytest.mark.timeout(3600)  # of which pip may take a part
@pytest.mark.parametrize("track", ["data-analysis", pytest.param("", marks=pytest.mark.long)])
def test_the_code_of_the_catalogue_prints_what_the_text_says(track: str) -> None:
    """Of one track, or of all."""
    done = subprocess.run(
        ["make", "quality", "RUN=1", f"TRACK={track}"],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    if "NOT RUN" in done.stdout:
        pytest.skip("; ".join(line for line in done.stdout.splitlines() if "NOT RUN" in line))
