"""Subjects: tests that `make test` leaves out because they take long.

    python -m tests.subjects [NAME ...]      the long form, all tests; what passes is noted
    python -m tests.subjects --changed       the short form of those that changed since they passed
    python -m tests.subjects --list          when each passed, and which files changed since

A subject depends on the files that it exercises: those of its patterns, and whatever its tests
import of tests/ and testing/. The notes are in tests/subjects.json and belong into the commit.
"""

import argparse
import ast
import hashlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from time import monotonic

ROOT = Path(__file__).resolve().parent.parent
NOTES = Path(__file__).with_suffix(".json")
ALWAYS = ("requirements/service.lock", "requirements/dev.txt")  # belong to each subject
SUPPORT = ("tests", "testing")  # packages whose imports are followed
QUEUES = ("reliable_queue/**", "tasks/**", "core/queue_factory.py")
STORED = ("models/**", "migrations/**", "core/db.py", "core/backends.py", "core/postgres.py")
STARTED = ("core/startup/**", "core/setting*.py", "entrypoint.sh", "roadmap_app.py")
BUILT = ("roadmap/lifecycle/**", "roadmap/operations/**", "roadmap/budget/**")
MODELS = ("roadmap/generation/*.py", "roadmap/generation/llm/**")
ANSWERED = (
    "web/*.py",
    "web/api/**",
    "web/auth/**",
    "web/endpoints/**",
    "web/http/**",
    "web/operations/**",
    "web/roadmaps/**",
    "web/openapi.json",
)

SHORT = "pytest -n 3 --dist loadfile -rs"  # tests of a file share what they have started
PASSED, INCOMPLETE, FAILED = "passed", "passed but for what was skipped; not noted", "FAILED"


@dataclass(frozen=True)
class Subject:
    """Tests with the patterns of git (`**`: any folders) of the files that they exercise.

    A command is what stands behind `python -m`, or one of make. The short form is such commands
    of make, and folders of tests: those of all subjects are run at once.
    """

    name: str
    files: tuple[str, ...]
    long: tuple[str, ...]
    short: tuple[str, ...]


# fmt: off
SUBJECTS = (
    Subject("chaos", (*QUEUES, *STORED, *STARTED, *BUILT, *MODELS, "web/roadmaps/create_writer.py",
            "web/roadmaps/sse.py", "tests/chaos/**"),
        long=("pytest -n 3 --dist loadgroup tests/chaos --long", "tests.chaos.soak --seconds 60"),
        short=("tests/chaos",)),
    Subject("fuzz", (*ANSWERED, "models/**", "roadmap/**/*.py", "core/errors.py",
            "core/sanitize.py", "tests/fuzz/**"),
        long=("pytest -n 3 --dist loadgroup tests/fuzz --long",),
        short=("tests/fuzz",)),
    Subject("benchmarks", ("benchmarks/**", *QUEUES, "core/backends.py",
            "core/setting*.py", "roadmap/generation/retry_policy.py",
            "roadmap/generation/llm/rate_control.py", "docs/SCALING.md", "tests/benchmarks/**"),
        long=("pytest -n 3 --dist loadfile tests/benchmarks --long",),
        short=("tests/benchmarks",)),
    Subject("platforms", ("deploy/**", ".railway/**", "Dockerfile.railway", "entrypoint.sh",
            "cli/run_services.py", "core/startup/supervisor.py",
            "core/startup/preflight.py", "docs/*RAILWAY*", "docs/DEPLOYMENT.md",
            "tests/platforms/**", "tests/railway/**", ".github/**", "scripts/lint_workflows.sh"),
        long=("pytest -n 3 --dist loadfile -rs tests/platforms --long",),
        short=("tests/platforms",)),
    Subject("generators", ("web/openapi.json", "web/roadmaps/sse.py", "docs/API.md",
            "scripts/lint_openapi.sh", "tests/generators/**"),
        long=("pytest -n 3 --dist loadfile -rs tests/generators --long",),
        short=("tests/generators",)),
    Subject("packages", ("deploy/wheel/**", "pyproject.toml", "requirements.txt",
            "requirements/**", "*.py", "entrypoint.sh", "bin/**", "core/paths.py",
            "core/version.py", "cli/local_service.py", "roadmap/exchange/formats/anki*.py",
            "cli/backup*.py", "cli/restore.py", "roadmap/operations/backup.py",
            "core/backup_format.py", "tests/packages/**"),
        long=("pytest -rs tests/packages --long",),
        short=("tests/packages",)),
    Subject("startup", (*STARTED, "core/migrate.py", "migrations/**", "tasks/**", "cli/doctor.py",
            "bin/**", "deploy/pgbouncer.ini", "tests/startup/**"),
        long=("pytest -n 3 --dist loadfile -rs tests/startup --long",),
        short=("tests/startup",)),
    Subject("commands", ("cli/**", "roadmap_cli.py", "roadmap_client/**", "mcp_server/**",
            "core/startup/diagnostics.py", *ANSWERED, "tests/commands/**"),
        long=("pytest -n 3 --dist loadfile -rs tests/commands --long",),
        short=("tests/commands",)),
    Subject("generation", (*MODELS, *BUILT, *QUEUES, "roadmap/learning/**", "roadmap/plan/**",
            "core/net/**", "web/roadmaps/sse.py", "tests/integration/generation/**"),
        long=("pytest -n 3 --dist loadfile tests/integration/generation --long",),
        short=("tests/integration/generation",)),
    Subject("operations", (*STORED, *QUEUES, "roadmap/operations/**", "roadmap/webhooks/**",
            "roadmap/lifecycle/timeline/**", "web/operations/prometheus.py", "docs/monitoring/**",
            "web/pages/admin/**", "cli/backup.py", "tests/integration/operations/**"),
        long=("pytest -n 3 --dist loadfile tests/integration/operations --long",),
        short=("tests/integration/operations",)),
    Subject("access", (*ANSWERED, "web/pages/**/*.py", "roadmap/**/queries.py", "tests/access/**"),
        long=("pytest -n 3 --dist load tests/access --long",),
        short=("tests/access",)),
    Subject("attacks", (*ANSWERED, *QUEUES, *MODELS, "core/sanitize.py", "core/net/**",
            "web/pages/**/*.py", "web/auth/tokens.py", "roadmap/plan/**", "tests/attacks/**"),
        long=("pytest -n 3 --dist loadfile -rs tests/attacks --long",),
        short=("tests/attacks",)),
    Subject("documents", ("docs/**", "*.md", ".railway/*.md", ".github/*.md",
            "requirements/docs.txt", "scripts/docs*", *ANSWERED, "cli/**", "roadmap_client/**",
            "examples/**", "tests/documents/**"),
        long=("pytest -n 3 --dist loadfile -rs tests/documents --long",),
        short=("tests/documents",)),
    # Without a short form: the daily suite and `make test-browser` have that of the next two. The
    # first: properties for which hypothesis draws more, attacks.
    Subject("long", ("web/http/**", "web/auth/tokens.py", "web/pages/markdown*.py",
            "roadmap/plan/**", "roadmap/exchange/**", "roadmap/learning/**", "roadmap/budget/**",
            "reliable_queue/**", "tests/security/**", "tests/unit/**", "tests/integration/web/**",
            "tests/integration/roadmap/**"),
        long=("pytest -n 3 --dist loadfile tests/unit --long",
              "pytest -n 3 --dist loadfile tests/security tests/integration/web "
              "tests/integration/roadmap --long -m long"),
        short=()),
    Subject("pages", ("web/pages/**", "web/static/**", "web/templates/**", "core/locales/**",
            "tests/browser/**"),
        long=("pytest -n 3 --dist loadfile tests/browser --long",),
        short=()),
    # Minutes, and more beside other work: the model has two threads.
    Subject("model", (*MODELS, "roadmap/lifecycle/making/*_job.py", "roadmap/budget/**",
            "scripts/bring_model.sh", "tests/model/**"),
        long=("pytest -rs tests/model",),
        short=()),
    Subject("catalogue", ("roadmap/generation/catalogue/**", "quality/**", "tests/catalogue/**"),
        long=("pytest -n 3 --dist loadfile -rs tests/catalogue --long",),
        short=("tests/catalogue",)),
    Subject("faults", ("tests/**",),
        long=("tests.faults --unchanged", "tests.faults"), short=()),
    # The usual ratios are those of a quiet machine with two cores.
    Subject("rates", ("benchmarks/**", *QUEUES, *STORED, *STARTED, *ANSWERED,
            "roadmap/lifecycle/making/create.py", "roadmap/lifecycle/reading/queries.py",
            "roadmap/operations/execution_log.py", "roadmap/generation/catalogue/*.py"),
        long=("make bench-smoke",), short=("make bench-smoke ONLY=accept",)),
)
# fmt: on


def files_of(subject: Subject) -> list[str]:
    """Return the names of its files in the working tree, those that git would not ignore."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]
    listing += [f":(glob){each}" for each in (*ALWAYS, *subject.files)]
    done = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True)
    names = {name for name in done.stdout.split("\0") if (ROOT / name).is_file()}
    return sorted(names | imported(names))


def imported(names: Iterable[str]) -> set[str]:
    """Return the files of tests/ and testing/ that Python files of these import, in turn.

    A conftest.py is imported by all that is below it.
    """
    found: set[str] = set()
    left = [name for name in names if name.endswith(".py")]
    while left:
        name = left.pop()
        modules = [f"{'.'.join(folder.parts)}.conftest" for folder in PurePath(name).parents]
        for node in ast.walk(ast.parse((ROOT / name).read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                modules += [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
            elif isinstance(node, ast.Import):
                modules += [each.name for each in node.names]
        for module in modules:
            file = f"{module.replace('.', '/')}.py"
            if module.startswith(SUPPORT) and file not in found and (ROOT / file).is_file():
                found.add(file)
                left.append(file)
    return found


def hash_of(subject: Subject) -> str:
    """Return a hash of the names and the bytes of its files."""
    found = hashlib.sha256()
    for name in files_of(subject):
        found.update(f"{name}\0".encode() + hashlib.sha256((ROOT / name).read_bytes()).digest())
    return found.hexdigest()


def notes() -> dict[str, dict[str, str]]:
    """Return for each subject that has passed: `hash`, `commit` and `date`."""
    noted: dict[str, dict[str, str]] = json.loads(NOTES.read_text("utf-8"))
    return noted


def git(*arguments: str) -> list[str]:
    """Return the lines that git prints, none when it fails."""
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return [] if done.returncode else done.stdout.splitlines()


def note(subject: Subject, before: str) -> None:
    """Note the subject as passed, unless its files have changed meanwhile."""
    if hash_of(subject) != before:
        print(f"{subject.name}: its files have changed while the tests ran; not noted", flush=True)
        return
    [commit] = git("rev-parse", "--short=8", "HEAD")
    passed = {"hash": before, "commit": commit, "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    noted = {**notes(), subject.name: passed}
    NOTES.write_text(json.dumps(noted, indent=2, sort_keys=True) + "\n", "utf-8")


def state(subject: Subject) -> tuple[bool, str]:
    """Return whether it passed as it is, and a sentence about that."""
    noted = notes().get(subject.name)
    if noted is None:
        return False, f"{subject.name}: no run is noted"
    ran = f"passed on {noted['date']}, at {noted['commit']}"
    if noted["hash"] == hash_of(subject):
        return True, f"{subject.name}: {ran}, unchanged since"
    changed = git("diff", "--name-only", noted["commit"], "--", *files_of(subject))
    names = ", ".join(changed[:3]) or "files of which git knows nothing"
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return False, f"{subject.name}: {ran}; changed since: {names}{more}"


def run(commands: Sequence[str], title: str) -> str:
    """Run them, show their output and return PASSED, INCOMPLETE or FAILED."""
    start, outcome = monotonic(), PASSED
    for command in commands:
        print(f"== {title}: {command}", flush=True)
        words = shlex.split(command)
        arguments = words if words[0] == "make" else [sys.executable, "-m", *words]
        with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                if re.search(r"\b\d+ skipped\b.* in [\d.]+s", line):  # pytest lacked something
                    outcome = INCOMPLETE
        if process.returncode:
            outcome = FAILED
            break
    print(f"== {title}: {outcome} after {monotonic() - start:.0f} s", flush=True)
    return outcome


def main() -> int:
    names = [each.name for each in SUBJECTS]
    parser = argparse.ArgumentParser(prog="python -m tests.subjects", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--changed", action="store_true", help="the short form of what changed")
    how.add_argument("--list", action="store_true", help="run nothing")
    parser.add_argument("--without", action="append", default=[], help="leave this one out")
    given = parser.parse_args()
    if unknown := {*given.names, *given.without} - {*names}:
        parser.error(f"no such subject: {', '.join(sorted(unknown))}; use {', '.join(names)}")
    failed, short = list[str](), list[str]()
    for subject in SUBJECTS:
        if subject.name in given.without or (given.names and subject.name not in given.names):
            continue
        before = hash_of(subject)
        as_it_was, sentence = state(subject)
        if given.list or given.changed:
            print(sentence, flush=True)
            short += [] if as_it_was else subject.short
            continue
        outcome = run(subject.long, subject.name)
        if outcome == FAILED:
            failed.append(subject.name)
        elif outcome == PASSED:
            note(subject, before)
    if short and not given.list:
        made = [each for each in short if each.startswith("make ")]
        folders = [each for each in short if each not in made]
        commands = [f"{SHORT} {' '.join(folders)}"] if folders else []
        failed += ["short forms"] if run([*commands, *made], "short forms") == FAILED else []
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
