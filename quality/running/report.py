"""Run the code of tracks and report it, for each track and language."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from cli.new import COLUMNS
from quality.running.blocks import PYTHON, Result, run
from quality.subjects import NotMeasurable
from roadmap.generation.catalogue.loader import ENGLISH, TRACKS, tracks

AT_ONCE = 2


def run_code(only: str | None, console: Console) -> int:
    """Print a report of all tracks or one, and return the exit code. Raises NotMeasurable."""
    if only is not None and only not in tracks():
        raise NotMeasurable(f"There is no track {only!r}; there is: {', '.join(tracks())}.")
    if not PYTHON.exists():
        raise NotMeasurable(f"There is no {PYTHON}; `make quality RUN=1` makes it.")
    start = time.monotonic()
    courses = {
        f"{track.id} ({language})": sorted(
            (TRACKS / track.id / ("" if language == ENGLISH else language)).glob("concepts/*.md")
        )
        for track in tracks().values()
        for language in (track.languages if only in (None, track.id) else ())
    }
    paths = [path for files in courses.values() for path in files]
    found: dict[Path, list[Result]] = {}
    with (
        Progress(*COLUMNS, console=console, transient=True) as progress,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        bar = progress.add_task("Running code", total=len(paths))
        for path, results in zip(paths, pool.map(run, paths), strict=True):
            found[path] = results
            progress.advance(bar)
    failed = skipped = 0
    for name, files in courses.items():
        for path in files:
            for each in found[path]:
                if each.fault:
                    place = f"{path.relative_to(TRACKS)}:{each.block.line}"
                    line = f"{place}: {each.fault}\n"
                    console.print(line, markup=False, soft_wrap=True, highlight=False)
        results = [each for path in files for each in found[path]]
        console.print(f"{name}: {_summary(results)}", markup=False, soft_wrap=True, highlight=False)
        failed += sum(1 for each in results if each.fault)
        skipped += sum(1 for each in results if each.missing)
    seconds = time.monotonic() - start
    console.print(f"{failed} failures, {skipped} skipped in {seconds:.1f}s", highlight=False)
    return 1 if failed else 0


def _summary(results: list[Result]) -> str:
    run_ = [each for each in results if each.block.kind and not each.missing]
    shown = [each for each in run_ if each.block.expected is not None]
    equal = sum(1 for each in shown if not each.fault)
    facts = [f"{len(run_)} blocks run", f"{equal} of {len(shown)} outputs equal"]
    needs = Counter(each.block.needs for each in results if each.block.needs)
    facts += [f"{count} need {what}" for what, count in needs.most_common()]
    missing = Counter(each.missing for each in results if each.missing)
    facts += [f"{count} NOT RUN: {tool} is missing" for tool, count in missing.items()]
    return f"{', '.join(facts)}; {sum(1 for each in results if each.fault)} failures"
