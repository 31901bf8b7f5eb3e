"""The service against what it replaces, in one run on this machine.

It is `make bench`, or in the environment that this makes

    python -m benchmarks [--only SUBJECT ...] [--rounds N] [--quick | --smoke]
                         [--json FILE] [--write]

Contenders take turns, round by round, on the same servers. Figures are medians over rounds, with
the least and the most; a ratio is the median of the ratios within a round. With --smoke the command
fails when a ratio is more than a quarter worse than the usual one (`targets.py`) at each of three
looks. Missed targets are printed and fail nothing.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from benchmarks.effort import FULL, QUICK, SMOKE, Effort
from benchmarks.figures import Sample, number
from benchmarks.ground import (
    BenchmarkFailed,
    Ground,
    compiled,
    machine,
    say,
    settings_of_servers,
    versions,
)
from benchmarks.load import LoadFailed
from benchmarks.report import (
    BEGIN,
    PAGE,
    Results,
    markdown,
    results_of,
    table_of_targets,
    worse,
    write_section,
)
from benchmarks.subjects import SUBJECTS
from benchmarks.targets import Target

LOOKS = 3  # a machine that is busy for a moment fails nothing
LONGER = 3  # times as many rounds, at each look but the first


def main() -> int:
    options = arguments()
    effort = SMOKE if options.smoke else QUICK if options.quick else FULL
    if options.rounds:
        effort = replace(effort, rounds=options.rounds, starts=min(effort.starts, options.rounds))
    if options.roadmaps is not None:
        effort = replace(effort, roadmaps=options.roadmaps)
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        results = (
            results_of(json.loads(options.again.read_text()))
            if options.again
            else run(options.only or list(SUBJECTS), effort)
        )
        failures = list[str]()
        if options.smoke:
            longer = replace(effort, rounds=effort.rounds * LONGER)
            results, failures = looked(results, lambda subjects: run(subjects, longer))
    except (BenchmarkFailed, LoadFailed) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; everything that was started has ended")
        return 130
    print(table_of_targets(results.samples) if options.smoke else markdown(results))
    if options.json:
        options.json.write_text(json.dumps(asdict(results), indent=1) + "\n")
    if options.write:
        write_section(PAGE, BEGIN, markdown(results))
    for failure in failures:
        say(f"error: {failure}")
    return 1 if failures else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(SUBJECTS), metavar="SUBJECT", help=", ".join(SUBJECTS)
    )
    parser.add_argument("--rounds", type=int, help="instead of those of the form that is run")
    parser.add_argument(
        "--roadmaps", type=int, help="that are made before memory is measured again"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--quick", action="store_true", help="fewer and shorter rounds, to look at something"
    )
    form.add_argument(
        "--smoke",
        action="store_true",
        help="the shortest; fails when a ratio is worse than the usual one",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--write", action="store_true", help=f"write the section of {PAGE}")
    parser.add_argument(
        "--again",
        type=Path,
        metavar="FILE",
        help="measure nothing: of figures that --json has written",
    )
    return parser.parse_args()


def run(subjects: list[str], effort: Effort) -> Results:
    load_before, samples = os.getloadavg()[0], list[Sample]()
    if load_before > len(os.sched_getaffinity(0)) / 2:
        say(
            f"warning: the machine does other work (a load of {load_before:.1f}), "
            "which spoils ratios, too"
        )
    compiled()
    with Ground() as ground:
        for subject in subjects:
            samples += SUBJECTS[subject](ground, effort)
            ground.clear()
        settings = settings_of_servers(ground)
    load = {"load before": f"{load_before:.1f}", "load after": f"{os.getloadavg()[0]:.1f}"}
    return Results(
        datetime.now(UTC).date().isoformat(),
        machine() | load,
        versions(),
        settings,
        asdict(effort),
        samples,
    )


def looked(results: Results, look: Callable[[list[str]], Results]) -> tuple[Results, list[str]]:
    """The latest figures, and a sentence for each ratio that was worse at every look.

    Only what was worse is measured again.
    """
    failing = worse(results.samples)
    for _ in range(LOOKS - 1):
        if not failing:
            break
        subjects = sorted({target.subject for target in failing})
        say(f"measured once more, longer: {', '.join(subjects)}")
        seen = look(subjects)
        results = closer(results, seen)
        failing = [target for target in worse(seen.samples) if target in failing]
    return results, [_sentence(target, results.samples) for target in failing]


def _sentence(target: Target, samples: Sequence[Sample]) -> str:
    found = target.found(samples)
    assert found is not None
    ratios = f"{number(found.median)}, usual is {target.usual:g}"
    worse = f"worse by more than a quarter at {LOOKS} looks"
    return f"{target.title}, against {target.peer}: {ratios}; {worse}"


def closer(results: Results, seen: Results) -> Results:
    """With what was seen at a second look instead of what was found at the first."""
    subjects = {sample.subject for sample in seen.samples}
    return replace(
        seen,
        samples=[
            *(each for each in results.samples if each.subject not in subjects),
            *seen.samples,
        ],
    )


def interrupt(_: int, __: FrameType | None) -> None:
    """Once: what follows must not disturb the end."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
