"""Resources of a month of running: `make bench-usage`, or in the environment that it makes

    python -m benchmarks.usage [--only STACK ...] [--quick] [--json FILE]

Each stack runs for itself, with the settings of a newcomer: idle, while roadmaps are made and
followed, and while trees are read at a rate that leaves it at rest between them.
`cli/costs/measured.py` says what each figure is.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.__main__ import interrupt
from benchmarks.figures import number
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
from benchmarks.usage.measuring import measured
from benchmarks.usage.stacks import STACKS
from cli.costs.measured import Effort, MeasuredUsage, RoadmapSize, StackUsage

FULL = Effort(idle_seconds=60, roadmaps=60, requests=400, call_seconds=4)
QUICK = Effort(idle_seconds=10, roadmaps=10, requests=100, call_seconds=1)


def main() -> int:
    options = arguments()
    effort = QUICK if options.quick else FULL
    given = {name: getattr(options, name) for name in Effort.model_fields if getattr(options, name)}
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        document = run(
            options.only or list(STACKS), effort.model_copy(update=given), command_for(options)
        )
    except (BenchmarkFailed, LoadFailed, AssertionError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; everything that was started has ended")
        return 130
    print("\n".join(table(document)))
    if options.json:
        options.json.write_text(document.model_dump_json(indent=1, exclude_defaults=True) + "\n")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.usage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(STACKS),
        metavar="STACK",
        help=", ".join(f"'{name}'" for name in STACKS),
    )
    parser.add_argument("--quick", action="store_true", help="shorter, to look at something")
    for name, each in Effort.model_fields.items():
        option, kind = f"--{name.replace('_', '-')}", float if each.annotation is float else int
        parser.add_argument(
            option, type=kind, metavar="N", help="instead of those of the form that is run"
        )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    return parser.parse_args()


def command_for(options: argparse.Namespace) -> str:
    """The command that measures the same again."""
    return " ".join(
        [
            "make bench-usage",
            *(["QUICK=1"] if options.quick else []),
            *(["WRITE=1"] if options.json else []),
        ]
    )


def run(stacks: Sequence[str], effort: Effort, command: str) -> MeasuredUsage:
    """Raises BenchmarkFailed, LoadFailed, AssertionError."""
    load_before, began = os.getloadavg()[0], time.monotonic()
    found: dict[str, StackUsage] = {}
    sizes: dict[str, RoadmapSize] = {}
    compiled()
    for name in stacks:
        with Ground() as ground, STACKS[name](ground, name) as subject:
            found[name], sizes[name] = measured(ground, subject, effort)
            settings = settings_of_servers(ground)
    if len(set(sizes.values())) > 1:
        raise BenchmarkFailed(f"the roadmaps of the stacks are not as large: {sizes}")
    load = {"load before": f"{load_before:.1f}", "load after": f"{os.getloadavg()[0]:.1f}"}
    return MeasuredUsage(
        date=datetime.now(UTC).date().isoformat(),
        command=command,
        seconds=round(time.monotonic() - began),
        machine=machine() | load,
        versions=versions(),
        settings=settings,
        effort=effort,
        roadmap=sizes[stacks[0]],
        stacks=found,
    )


def table(document: MeasuredUsage) -> Iterator[str]:
    """As Markdown."""
    for name, stack in document.stacks.items():
        yield f"### {name}\n"
        yield "| | MB | MB, busy | cores, idle | CPU s a roadmap | CPU ms a GET of a tree |"
        yield "|---|---|---|---|---|---|"
        for part, usage in stack.parts.items():
            of_server = stack.servers_cpu_per_request.get(part)
            per_request = of_server if usage.cpu_per_request is None else usage.cpu_per_request
            read = "" if per_request is None else number(per_request * 1000)
            figures = (usage.memory, usage.memory_busy, usage.cpu_idle, usage.cpu_per_roadmap)
            yield f"| {part} | {' | '.join(map(number, figures))} | {read} |"
        sums = (
            sum(getattr(usage, field) for usage in stack.parts.values())
            for field in ("memory", "memory_busy", "cpu_idle", "cpu_per_roadmap")
        )
        yield f"| together | {' | '.join(map(number, sums))} | |"
        idle, made, inside, read = (number(each) for each in commands_of(stack))
        stored, sent = (
            number(each / 1000) for each in (stack.stored_per_roadmap, stack.sent_per_roadmap)
        )
        yield f"\nCommands of Redis: {idle} a second with nothing to do, {made} more for a roadmap"
        yield f"(and {inside} inside of scripts), {read} for a GET of its tree."
        yield f"A roadmap is {stored} kB of the database; who follows it and reads it"
        yield f"is sent {sent} kB."
        if stack.note:
            yield f"\n{stack.note}"
        yield ""


def commands_of(stack: StackUsage) -> tuple[float, ...]:
    return (
        stack.commands_idle,
        stack.commands_per_roadmap,
        stack.commands_inside_scripts_per_roadmap,
        stack.commands_per_request,
    )


if __name__ == "__main__":
    sys.exit(main())
