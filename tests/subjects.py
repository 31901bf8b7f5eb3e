"""What `make test` leaves out because it takes long: the subjects of `make test-all`, and the files that each covers.

    python -m tests.subjects [NAME ...]      all of their tests; of each that passes, the hash of its files is noted
    python -m tests.subjects --changed       the short form of those whose files are no longer what was noted
    python -m tests.subjects --list          which are noted as passed, and which have changed since

The notes are in tests/subjects.json and belong into the commit.
"""

import argparse
import hashlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).resolve().parent.parent
NOTES = Path(__file__).with_suffix(".json")
ALWAYS = (
    "requirements.lock",
    "requirements-dev.txt",
    "pyproject.toml",
    "tests/*.py",
    "testing/*.py",
)  # belong to each subject
SERVICE = (
    "core/**",
    "reliable_queue/**",
    "models/**",
    "migrations/**",
    "roadmap/**",
    "tasks/**",
    "web/**",
    "*.py",
    "entrypoint.sh",
)

PASSED, INCOMPLETE, FAILED = "passed", "passed but for what was skipped; not noted", "FAILED"


@dataclass(frozen=True)
class Subject:
    """Commands are for this Python: what stands behind `python -m`."""

    name: str
    files: tuple[str, ...]  # patterns of git, `**` for any folders
    long: tuple[str, ...]
    short: tuple[str, ...]


# fmt: off
SUBJECTS = (
    Subject("chaos", (*SERVICE, "cli/**", "compose.yaml", "tests/chaos/**"),
        long=("pytest -n 3 --dist loadgroup tests/chaos --long", "tests.chaos.soak --seconds 60"),
        short=("pytest -n 3 --dist loadgroup tests/chaos",)),
    Subject("fuzz", (*SERVICE, "tests/fuzz/**", "tests/chaos/*.py", "tests/security/test_secrets.py"),
        long=("pytest -n 3 --dist loadgroup tests/fuzz --long",),
        short=("pytest -n 3 --dist loadgroup tests/fuzz",)),
    Subject("benchmarks", ("benchmarks/**", "reliable_queue/**", "tasks/**", "cli/costs/**",
            "core/setting*.py", "core/backends.py", "roadmap/generation/retry_policy.py",
            "roadmap/generation/llm/rate_control.py", "Makefile", "docs/SCALING.md",
            "docs/PERFORMANCE.md", "tests/benchmarks/**"),
        long=("pytest -n 3 --dist loadfile tests/benchmarks --long",),
        short=("pytest -n 3 --dist loadfile tests/benchmarks",)),
    Subject("platforms", ("deploy/**", ".railway/**", "Dockerfile.railway", "entrypoint.sh",
            "core/startup/run_service.py", "core/startup/supervisor.py",
            "core/startup/preflight.py", "docs/*RAILWAY*", "docs/DEPLOYMENT.md",
            "tests/platforms/**", "tests/railway/**", "tests/chaos/checks.py", ".github/**",
            "scripts/lint_workflows.sh"),
        long=("pytest -n 3 --dist loadfile -rs tests/platforms --long",),
        short=("pytest -n 3 --dist loadfile -rs tests/platforms",)),
    Subject("generators", ("web/openapi.json", "web/sse.py", "docs/API.md", "scripts/lint_openapi.sh",
            "scripts/typescript_client.sh", "tests/generators/**"),
        long=("pytest -rs tests/generators",),
        short=("pytest -rs tests/generators",)),
    Subject("packages", (*SERVICE, "cli/**", "locales/**", "mcp_server/**", "roadmap_client/**",
            "deploy/wheel/**", "requirements*.txt", "requirements*.lock", "tests/packages/**"),
        long=("pytest -rs tests/packages",),
        short=("pytest -rs tests/packages",)),
    Subject("documents", ("docs/**", "*.md", ".railway/*.md", "mkdocs.yml", "requirements-docs.txt",
            "scripts/docs*", "web/static/icon.svg", "Makefile", "tests/documents/**"),
        long=("pytest -rs tests/documents",),
        short=("pytest -rs tests/documents",)),
    # Without a short form: the daily suite and `make test-browser` have that of the next two; the last looks at the tests.
    Subject("long", (*SERVICE, "cli/**", "tests/security/**", "tests/integration/**", "tests/unit/**"),
        long=("pytest -n 3 --dist loadfile tests/unit --long",  # where hypothesis draws more
              "pytest -n 3 --dist loadfile tests/security tests/integration --long -m long"),
        short=()),
    Subject("pages", ("web/pages/**", "web/static/**", "web/templates/**", "locales/**", "tests/browser/**"),
        long=("pytest -n 3 --dist loadfile tests/browser --long",),
        short=()),
    # Minutes, and more beside other work: the model has two threads.
    Subject("model", (*SERVICE, "scripts/bring_model.sh", "tests/model/**"),
        long=("pytest -rs tests/model",),
        short=()),
    Subject("catalogue", ("roadmap/generation/catalogue/tracks/*/**", "quality/run_code.py",
            "quality/sandboxed.py", "quality/catalogue.txt", "tests/catalogue/**"),
        long=("pytest -rs tests/catalogue",),
        short=("pytest -rs tests/catalogue",)),
    Subject("faults", ("tests/faults/**",), long=("tests.faults --unchanged", "tests.faults"), short=()),
)
# fmt: on


def hash_of(subject: Subject) -> str:
    """Of the names and the bytes of its files as they are in the working tree, those that git would not ignore."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]
    listing += [f":(glob){each}" for each in (*ALWAYS, *subject.files)]
    names = subprocess.run(
        listing, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    found = hashlib.sha256()
    for name in sorted({*names} - {""}):
        if (ROOT / name).is_file():  # it is deleted otherwise
            found.update(f"{name}\0".encode() + hashlib.sha256((ROOT / name).read_bytes()).digest())
    return found.hexdigest()


def passed() -> dict[str, str]:
    noted: dict[str, str] = json.loads(NOTES.read_text("utf-8")) if NOTES.exists() else {}
    return noted


def note(subject: Subject, before: str) -> None:
    """Note the subject as tested, unless its files have changed meanwhile."""
    if hash_of(subject) != before:
        print(f"{subject.name}: its files have changed while the tests ran; not noted", flush=True)
        return
    known = {each.name for each in SUBJECTS}
    noted = {
        name: value for name, value in {**passed(), subject.name: before}.items() if name in known
    }
    NOTES.write_text(json.dumps(noted, indent=2, sort_keys=True) + "\n", "utf-8")


def run(commands: Sequence[str], title: str) -> str:
    """What became of them, as it is printed: PASSED, INCOMPLETE or FAILED."""
    start, outcome = monotonic(), PASSED
    for command in commands:
        print(f"== {title}: {command}", flush=True)
        arguments = [sys.executable, "-m", *shlex.split(command)]
        with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                if re.search(
                    r"\b\d+ skipped\b.* in [\d.]+s", line
                ):  # as pytest ends: something that is not here was needed
                    outcome = INCOMPLETE
        if process.returncode:
            outcome = FAILED
            break
    print(f"== {title}: {outcome} after {monotonic() - start:.0f} s", flush=True)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.subjects", description="Run what `make test` leaves out."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=", ".join(each.name for each in SUBJECTS)
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--changed",
        action="store_true",
        help="the short form of those whose files have changed since they passed",
    )
    how.add_argument("--list", action="store_true", help="run nothing")
    given = parser.parse_args()
    if unknown := {*given.names} - {each.name for each in SUBJECTS}:
        parser.error(
            f"no such subject: {', '.join(sorted(unknown))}; there are {', '.join(s.name for s in SUBJECTS)}"
        )
    failed = []
    for subject in SUBJECTS:
        if given.names and subject.name not in given.names:
            continue
        before = hash_of(subject)
        as_noted = passed().get(subject.name) == before
        if given.list or (given.changed and as_noted):
            print(
                f"{subject.name}: {'passed as it is' if as_noted else 'changed since it passed'}",
                flush=True,
            )
        elif given.changed and not subject.short:
            print(
                f"{subject.name}: changed since it passed; `make test-all ONLY={subject.name}` runs it",
                flush=True,
            )
        else:
            outcome = run(subject.short if given.changed else subject.long, subject.name)
            if outcome == FAILED:
                failed.append(subject.name)
            elif outcome == PASSED and not given.changed:
                note(subject, before)
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
