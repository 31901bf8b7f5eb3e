"""Predict what a load needs: `make capacity ROADMAPS=1000 LATENCY=8`, or

    python -m benchmarks.capacity [--roadmaps N ...] [--check [--quick]] [--write]

`--check` compares the real service with the prediction, and exits with 1 when they differ by more
than check.py allows. `--write` puts the results into docs/SCALING.md.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import NoReturn

from benchmarks.capacity import report
from benchmarks.capacity.check import BOUND, SHORT, SHORT_BOUND, TRIALS, Compared, check, table
from benchmarks.capacity.needs import THREADS_OF_CONSUMER, as_kept, needs, speed_of
from benchmarks.capacity.real import Trial
from benchmarks.capacity.workload import DAY, HOUR, Latency, Workload
from benchmarks.ground import BenchmarkFailed, Ground, compiled, machine, say
from benchmarks.report import filled

CONSUMER = 32  # threads of one, by default


@dataclass(frozen=True, slots=True)
class Number:
    """Value of an option, for argparse: from `least` to `most`.

    `is_above` and `is_below` exclude the bounds themselves; `is_none_allowed` allows 0, too.
    """

    least: float
    most: float
    is_whole: bool = False
    is_above: bool = False
    is_below: bool = False
    is_none_allowed: bool = False

    def __call__(self, text: str) -> float:
        """Raises ArgumentTypeError, which says what is allowed."""
        try:
            value = int(text) if self.is_whole else float(text)
        except ValueError:
            value = math.nan
        is_within = self.least <= value <= self.most
        is_at_end = (self.is_above and value == self.least) or (
            self.is_below and value == self.most
        )
        if (is_within and not is_at_end) or (self.is_none_allowed and value == 0):
            return value
        raise argparse.ArgumentTypeError(f"{text[:40]!r} was given, allowed is {self}")

    def __str__(self) -> str:
        kind = "a whole number" if self.is_whole else "a number"
        lower, upper = (
            "above" if self.is_above else "from",
            "and below" if self.is_below else "up to",
        )
        bounds = f"{lower} {self.least:,.15g} {upper} {self.most:,.15g}"
        return f"{'0 or ' if self.is_none_allowed else ''}{kind} {bounds}"


class Parser(argparse.ArgumentParser):
    """Parser whose errors are one sentence"""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


def main(words: Sequence[str] | None = None) -> int:
    options = arguments(words)
    if options.check:
        return run_check(SHORT if options.quick else TRIALS, write=options.write)
    began = time.monotonic()
    workloads = [workload_of(options, each) for each in options.roadmaps or report.LOADS]
    found = [needs(each, speed_of(each), options.threads) for each in workloads]
    print(filled(report.assumptions(workloads[0], options.threads)))
    print(f"\n{report.of_needs(found, options.price)}")
    say(f"capacity: {time.monotonic() - began:.1f} s of computing")
    if options.write:
        report.keep(loads=[as_kept(each) for each in found])
        report.section().run(["--write"])
    return 0


def workload_of(options: argparse.Namespace, a_day: float) -> Workload:
    return Workload(
        a_day,
        busiest=options.busiest,
        contents=options.contents,
        outline_calls=options.outline_calls,
        outline=Latency(options.outline_latency, options.outline_spread),
        content=Latency(options.latency, options.spread),
        requests=options.requests,
        tokens=options.tokens,
        at_once=options.at_once,
        within=options.within,
        share=options.share,
    )


def run_check(trials: Sequence[Trial], *, write: bool) -> int:
    compiled()
    bound = BOUND if trials == TRIALS else SHORT_BOUND
    try:
        with Ground() as ground:
            found = check(ground, trials)
    except (BenchmarkFailed, AssertionError) as error:
        say(f"error: {error}")
        return 1
    about = machine()
    cores = f"{about['cores']} cores ({about['processor']}) with all servers on them"
    load = f"load {os.getloadavg()[0]:.1f} at the end"
    where = f"Measured on {datetime.now(UTC).date()}, {cores}, {load}."
    print(f"{where}\n\n{table(found, bound)}")
    if write:
        report.keep(where=where, check=[asdict(each) for each in found])
        report.checked_section().run(["--write"])
    return judged(found, bound)


def judged(found: list[Compared], bound: float) -> int:
    """1 when a prediction is not true."""
    wrong = [each for each in found if each.is_wrong(bound)]
    for each in wrong:
        ratio = f"{each.ratio:.2f} times what was predicted, allowed is up to {bound} times"
        say(f"error: {each.trial}: {each.name}: {ratio}")
    return int(bool(wrong))


def parser() -> Parser:
    usual = Workload(1)
    latency, spread, limit = (
        Number(0, HOUR, is_above=True),
        Number(0, 3),
        Number(1, 1e12, is_none_allowed=True),
    )
    threads = Number(1, THREADS_OF_CONSUMER, is_whole=True)
    made = Parser(
        prog="python -m benchmarks.capacity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add(
        "--roadmaps",
        type=Number(0.001, 1e7),
        nargs="+",
        metavar="N",
        help="a day; without: from 1 to 1,000,000",
    )
    add(
        "--latency",
        type=latency,
        default=usual.content.median,
        help="median seconds of a call for a content",
    )
    add(
        "--spread",
        type=spread,
        default=usual.content.spread,
        help="deviation of its logarithm; 0: constant",
    )
    add(
        "--outline-latency",
        type=latency,
        default=usual.outline.median,
        help="the same of a call for an outline",
    )
    add(
        "--outline-spread",
        type=spread,
        default=usual.outline.spread,
        help="the same of a call for an outline",
    )
    add(
        "--outline-calls",
        type=Number(1, 100),
        default=usual.outline_calls,
        help="calls for an outline, in the mean",
    )
    add(
        "--contents",
        type=Number(1, 10_000, is_whole=True),
        default=usual.contents,
        help="of a roadmap",
    )
    add(
        "--busiest",
        type=Number(1, DAY / HOUR),
        default=usual.busiest,
        help="times the mean in the busiest hour, 1 to 24",
    )
    add(
        "--requests",
        type=limit,
        default=usual.requests,
        help="a minute that the provider allows; 0: no limit",
    )
    add(
        "--tokens",
        type=limit,
        default=usual.tokens,
        help="a minute that the provider allows; 0: no limit",
    )
    add(
        "--at-once",
        type=Number(0, 1e9, is_whole=True),
        default=usual.at_once,
        help="calls at once that the provider allows; 0: no limit",
    )
    add("--threads", type=threads, default=CONSUMER, help="most threads of a consumer")
    add(
        "--within",
        type=Number(0, 365 * DAY, is_above=True),
        default=usual.within,
        help="seconds within which roadmaps should be ready",
    )
    add(
        "--share",
        type=Number(0, 1, is_above=True, is_below=True),
        default=usual.share,
        help="of them that should, between 0 and 1",
    )
    add(
        "--price",
        type=Number(0, 1e6),
        default=report.PRICE,
        help="of a million tokens of the model, for its bill; 0: leave it out",
    )
    add("--check", action="store_true", help="run the real service beside the prediction")
    add("--quick", action="store_true", help="with --check: one short trial, judged generously")
    add("--write", action="store_true", help="put it into docs/SCALING.md")
    return made


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    found = parser()
    options = found.parse_args(words)
    if options.write and options.roadmaps:
        found.error("the page shows all loads: --write without --roadmaps")
    if options.write and options.quick:
        found.error("the page shows the whole check: --write without --quick")
    return options


if __name__ == "__main__":
    sys.exit(main())
