"""The growth of cost, in curves:

    python -m benchmarks.growth [--only CURVE ...] [--quick] [--write]
                                [--json FILE]

Earlier measurements of other curves stay in the JSON and in the section. The command fails when a
statement of a page, of the API or of upkeep reads a large table as a whole.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.__main__ import interrupt
from benchmarks.ground import (
    BenchmarkFailed,
    Ground,
    compiled,
    machine,
    say,
    settings_of_servers,
    versions,
)
from benchmarks.growth.curves import CURVES
from benchmarks.growth.effort import FULL, QUICK, Effort
from benchmarks.growth.plans import Statement, complaints
from benchmarks.growth.points import Curve, Found, Point
from benchmarks.growth.report import BEGIN, markdown, noteworthy, read, written
from benchmarks.load import LoadFailed
from benchmarks.report import PAGE, write_section


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    everything = read(options.json) if options.json else {}
    new: dict[str, Found] = {}
    failed = False
    compiled()
    for name in [] if options.again else options.only or list(CURVES):
        try:
            new[name] = run(CURVES[name], QUICK if options.quick else FULL)
        except (BenchmarkFailed, LoadFailed, AssertionError) as error:
            say(f"error: {name}: {error}")
            failed = True
            continue
        except KeyboardInterrupt:
            say("interrupted; everything that was started has ended")
            return 130
        everything |= {name: new[name]}
        if options.json:
            options.json.write_text(written(everything))
    reported = everything if options.again else new
    print(markdown(reported, CURVES))
    if options.write:
        write_section(PAGE, BEGIN, markdown(everything, CURVES))
    return judged(reported.values()) or int(failed)


def judged(found: Iterable[Found]) -> int:
    """1 when a statement may not stay as it is."""
    wrong = [complaint for each in found for complaint in complaints(noteworthy(each.statements))]
    for complaint in wrong:
        say(f"error: {complaint}")
    return int(bool(wrong))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(CURVES), metavar="CURVE", help=", ".join(CURVES)
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer points and shorter turns, to look at something"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="keep every figure there, with those of other curves",
    )
    parser.add_argument(
        "--again", action="store_true", help="measure nothing: report what is in the JSON"
    )
    parser.add_argument("--write", action="store_true", help=f"write the JSON here and {PAGE}")
    options = parser.parse_args()
    if options.write:
        options.json = Path("benchmarks/growth.json")
    return options


def run(curve: Curve, effort: Effort) -> Found:
    load_before, began = os.getloadavg()[0], time.monotonic()
    points: list[Point] = []
    statements: list[Statement] = []
    with Ground() as ground:
        for each in curve.measure(ground, effort):
            if isinstance(each, Point):
                points.append(each)
            else:
                statements.append(each)
        settings = settings_of_servers(ground)
    return Found(
        date=datetime.now(UTC).date().isoformat(),
        form=effort.form,
        machine=machine()
        | {"load before": f"{load_before:.1f}", "load after": f"{os.getloadavg()[0]:.1f}"},
        versions=versions(),
        settings=settings,
        seconds=round(time.monotonic() - began),
        points=points,
        statements=[each for each in statements if each.is_noteworthy],
        explained=len({each.text for each in statements}),
    )


if __name__ == "__main__":
    sys.exit(main())
