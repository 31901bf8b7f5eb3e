"""What a load takes, predicted: `make capacity`, `make capacity ROADMAPS=1000 LATENCY=8`, `make capacity CHECK=1`, or

    python -m benchmarks.capacity [--roadmaps N ...] [--latency SECONDS] [--check [--quick]] [--write]

`--check` runs the real service beside what is predicted for it, and ends with 1 when they are further apart than check.py
allows. `--write` puts what was found into docs/SCALING.md: of the loads of the page, as they are by default.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from benchmarks.capacity.check import BOUND, SHORT, SHORT_BOUND, TRIALS, Compared, check, table
from benchmarks.capacity.needs import Terms, needs
from benchmarks.capacity.real import Trial
from benchmarks.capacity.report import LOADS, PRICE, as_kept, checked_section, keep, of_needs, section, told_of
from benchmarks.capacity.unit_costs import unit_costs
from benchmarks.capacity.workload import Latency, Limits, Workload
from benchmarks.ground import BenchmarkFailed, Ground, compiled, machine, say

REQUESTS, TOKENS = 30_000, 180_000_000  # a minute: what a provider allows a large customer; ask yours


def main() -> int:
    options = arguments()
    return run_check(SHORT if options.quick else TRIALS, write=options.write) if options.check else predict(options)


def default_workload(a_day: float = 1.0) -> Workload:
    return Workload(a_day, limits=Limits(requests=REQUESTS, tokens=TOKENS))


def workload_of(options: argparse.Namespace, a_day: float) -> Workload:
    return Workload(
        a_day,
        busiest=options.busiest,
        contents=options.contents,
        outline_calls=options.outline_calls,
        outline=Latency(options.outline_latency, options.outline_spread),
        content=Latency(options.latency, options.spread),
        limits=Limits(requests=options.requests, tokens=options.tokens, at_once=options.at_once),
        within=options.within,
        share=options.share,
    )


def predict(options: argparse.Namespace) -> int:
    costs, terms = unit_costs(), Terms(each=options.threads)
    began = time.monotonic()
    try:
        workloads = [workload_of(options, each) for each in options.roadmaps or LOADS]
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = [needs(each, costs, terms) for each in workloads]
    print(f"{told_of(workloads[0], terms)}\n\n{of_needs(found, options.price)}")
    say(f"capacity: {time.monotonic() - began:.1f} s of computing")
    if options.write:
        keep(loads=as_kept(found))
        section(workloads[0], costs, terms, options.price).run(["--write"])
    return 0


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
    cores = f"{about['cores']} cores ({about['processor']}) with all servers on them, load {os.getloadavg()[0]:.1f} in the end"
    where = f"Measured on {datetime.now(UTC).date()}, {cores}."
    print(f"{where}\n\n{table(found, bound)}")
    if write:
        keep(where=where, check=[asdict(each) for each in found])
        checked_section().run(["--write"])
    return judged(found, bound)


def judged(found: list[Compared], bound: float) -> int:
    """1 when a prediction is not true."""
    wrong = [each for each in found if each.is_wrong(bound)]
    for each in wrong:
        say(f"error: {each.trial}: {each.name}: {each.ratio:.2f} times what was predicted, allowed is up to {bound} times")
    return int(bool(wrong))


def parser() -> argparse.ArgumentParser:
    usual = default_workload()
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.capacity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = made.add_argument
    add("--roadmaps", type=float, nargs="+", metavar="N", help="a day; without: from 1 to 1,000,000")
    add("--latency", type=float, default=usual.content.median, help="median seconds of a call for a content")
    add("--spread", type=float, default=usual.content.spread, help="deviation of its logarithm; 0: constant")
    add("--outline-latency", type=float, default=usual.outline.median, help="the same of a call for an outline")
    add("--outline-spread", type=float, default=usual.outline.spread, help="the same of a call for an outline")
    add("--outline-calls", type=float, default=usual.outline_calls, help="calls for an outline, in the mean")
    add("--contents", type=int, default=usual.contents, help="of a roadmap")
    add("--busiest", type=float, default=usual.busiest, help="times the mean in the busiest hour, 1 to 24")
    add("--requests", type=float, default=usual.limits.requests, help="a minute that the provider allows; 0: no limit")
    add("--tokens", type=float, default=usual.limits.tokens, help="a minute that the provider allows; 0: no limit")
    add("--at-once", type=int, default=usual.limits.at_once, help="calls at once that the provider allows; 0: no limit")
    add("--threads", type=int, default=Terms().each, help="most threads of a consumer")
    add("--within", type=float, default=usual.within, help="seconds within which roadmaps should be ready")
    add("--share", type=float, default=usual.share, help="of them that should, between 0 and 1")
    add("--price", type=float, default=PRICE, help="of a million tokens of the model, for its bill; 0: leave it out")
    add("--check", action="store_true", help="run the real service beside the prediction")
    add("--quick", action="store_true", help="with --check: one short trial, judged generously")
    add("--write", action="store_true", help="put it into docs/SCALING.md")
    return made


def arguments() -> argparse.Namespace:
    found = parser()
    options = found.parse_args()
    if options.write and options.roadmaps:
        found.error("the page shows all loads: --write without --roadmaps")
    if options.write and options.quick:
        found.error("the page shows the whole check: --write without --quick")
    return options


if __name__ == "__main__":
    sys.exit(main())
