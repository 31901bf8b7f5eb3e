"""The cost of each feature when a goal is accepted.

The API under load is looked at a thousand times a second by py-spy while it holds Python's lock;
each look counts for the feature whose code was at work, and all together are the CPU time of the
process.

    make bench-costs   or, in the environment of `make bench`:
    python -m benchmarks.costs [--seconds 10]

Needs the right to look into processes of this user (root, or kernel.yama.ptrace_scope=0).
"""

import argparse
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contenders import Service
from benchmarks.ground import BenchmarkFailed, Ground, compiled, say, tool
from benchmarks.idle import cpu_seconds
from benchmarks.load import Plan, load

RATE = 1000  # looks a second
FRAME = re.compile(r"\((.+?)(?::\d+)?\)$")  # of a line of py-spy: function (file:line)
# By the file that is nearest to what runs; libraries count for who has called them, unless they
# stand here.
FEATURES = {
    "HTTP server and event loop": (
        "uvicorn/",
        "web/http/http_limits.py",
        "core/startup/run_service.py",
    ),
    "framework": ("starlette/",),
    "Idempotency-Key": (
        "web/idempotency.py",
        "roadmap/accounts/idempotency_store.py",
    ),
    "authentication and revocation": (
        "web/authentication.py",
        "web/tokens.py",
        "web/revocation_cache.py",
        "web/http/host_and_csrf.py",
    ),
    "limits and backlog": (
        "web/http/limits.py",
        "web/http/rate_limiter.py",
        "core/background_refresh.py",
    ),
    "reading and validating": (
        "web/http/request_body.py",
        "roadmap/plan/schemas.py",
        "core/sanitize.py",
        "web/http/prefer_header.py",
        "roadmap/generation/catalogue/generator.py",
    ),
    "security headers, request ID, trace, metrics": (
        "web/http/middleware.py",
        "core/tracing.py",
        "core/metric_counters.py",
    ),
    "routing and the endpoint": ("web/endpoint.py",),
    "answer": ("web/http/responses.py", "web/api/", "roadmap/lifecycle/queries.py"),
    "commit: roadmap and event": (
        "roadmap/lifecycle/create.py",
        "roadmap/lifecycle/events.py",
        "models/",
        "core/",
        "web/create_writer.py",
    ),
    "log record": ("roadmap/operations/execution_log.py", "tasks/logs.py"),
    "message to the queue": ("tasks/", "reliable_queue/"),
}
IN_PASSING = ("asyncio/", "core/ids.py", "core/clock.py")  # count for their caller
OTHER = "other"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10, help="of load, with and without a key")
    options = parser.parse_args()
    try:
        compiled()
        with Ground() as ground:
            found = {
                named: costs(ground, named=named, seconds=options.seconds)
                for named in (True, False)
            }
    except BenchmarkFailed as error:
        say(f"error: {error}")
        return 1
    for line in table(found[True], found[False]):
        print(line)
    return 0


def costs(ground: Ground, *, named: bool, seconds: float) -> dict[str, float]:
    """Microseconds of CPU time for each request, by feature. Raises BenchmarkFailed."""
    service, file = Service(), ground.folder("looks") / "stacks.txt"
    with service.serving(ground):
        pid = service.stack.api.pid
        warm_up = load(Plan(service.port, service.posts(named=named), 202, 1))
        service.check(warm_up.answered)  # or records of it would come later
        service.empty()
        say(f"a goal {'with' if named else 'without'} an Idempotency-Key, {seconds:g} s")
        command = tool(
            "py-spy",
            "record",
            "--pid",
            str(pid),
            "--duration",
            str(round(seconds)),
            "--rate",
            str(RATE),
            "--gil",
        )
        before = cpu_seconds(pid)
        with subprocess.Popen(
            [*command, "--format", "raw", "--output", str(file)], stdout=-3, stderr=subprocess.PIPE
        ) as spy:
            done = load(Plan(service.port, service.posts(named=named), 202, seconds))
            spent = cpu_seconds(pid) - before
            _, errors = spy.communicate(timeout=60)
        if spy.returncode:
            raise BenchmarkFailed(
                f"py-spy cannot look: {errors.decode(errors='replace').strip().splitlines()[-1]}"
            )
        service.check(done.answered)
    shares = shares_of(file.read_text().splitlines())
    return {feature: share * spent / done.answered * 1e6 for feature, share in shares.items()}


def shares_of(stacks: list[str]) -> dict[str, float]:
    """By feature, in all 1.

    A line has the frames of a stack from the outermost, separated by semicolons, and how often.
    """
    looks: Counter[str] = Counter()
    for line in stacks:
        frames, _, count = line.rpartition(" ")
        looks[feature_of(frames.split(";"))] += int(count)
    if not looks:
        raise BenchmarkFailed("nothing was seen at work")
    return {feature: count / looks.total() for feature, count in looks.items()}


def feature_of(frames: list[str]) -> str:
    for path in _files(reversed(frames)):
        if path.startswith(IN_PASSING):
            continue
        for feature, files in FEATURES.items():
            if path.startswith(files):
                return feature
    return "HTTP server and event loop" if any("uvicorn/" in frame for frame in frames) else OTHER


def _files(frames: Iterator[str]) -> Iterator[str]:
    for frame in frames:
        if match := FRAME.search(frame):
            yield match[1]


def table(named: dict[str, float], plain: dict[str, float]) -> Iterator[str]:
    """As Markdown, the dearest first."""
    total, without = sum(named.values()), sum(plain.values())
    yield "| | µs of CPU a request | | without a key, µs |"
    yield "|---|---|---|---|"
    for feature, cost in sorted(named.items(), key=lambda each: -each[1]):
        keyless = plain.get(feature, 0)
        yield f"| {feature} | {cost:.0f} | {100 * cost / total:.0f} % | {keyless:.0f} |"
    yield f"| all | {total:.0f} | 100 % | {without:.0f} |"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    sys.exit(main())
