"""Read the code blocks of a tutorial, run them in a sandbox and compare what they print."""

import difflib
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from quality.running import sandboxed
from roadmap.generation.tutorial_lint import PARSER
from web.pages.runnable import STRANGE

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-catalogue/bin/python"
SCRIPT = Path(sandboxed.__file__)
KINDS = {
    "python": "python",
    "py": "python",
    "bash": "shell",
    "sh": "shell",
    "javascript": "node",
    "js": "node",
    "sql": "sqlite",
}
TOOLS = {"node": "node", "sqlite": "sqlite3"}  # others are in the environment, or everywhere
NAMED = re.compile(
    r"(?:#!.*\n)?(?:#|--|//|/\*|<!--) ?((?:[\w-][\w.-]*/)*[\w.-]*\w\.\w+|\w*file)(?: ?\*/| ?-->)?\n"
)
SQL_FAULT = re.compile(r"^(?:ERROR: |FATAL: |Parse error|Runtime error|Error)", re.MULTILINE)
MISSING = re.compile(r"line \d+: ([\w.-]+): command not found")
FEW = 14  # lines of a difference
BWRAP = (
    *("bwrap", "--unshare-all", "--uid", "1000", "--gid", "1000", "--die-with-parent"),
    *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),
    *("--ro-bind", str(ROOT), str(ROOT)),
)
# Without a file system of its own; not as root, since PostgreSQL refuses it.
UNSHARE = (
    *("unshare", "-rn", "--pid", "--fork", "--kill-child", "sh", "-c"),
    'ip link set lo up; exec unshare --user --map-user=1000 --map-group=1000 "$@"',
    "sh",
)


class NoSandbox(Exception):
    """This machine has no way to run code without network."""


@dataclass(frozen=True, slots=True)
class Block:
    """`kind` is what runs it, empty if it is not run, for the reason of `needs` if there is one.

    `expected` is the output that the tutorial shows, None if it shows none or another each time.
    """

    kind: str
    code: str
    line: int
    name: str  # of the file that it is saved as
    module: str  # `__name__` of Python
    needs: str
    expected: str | None
    varies: bool


@dataclass(frozen=True, slots=True)
class Result:
    block: Block
    fault: str = ""
    missing: str = ""  # a tool


def read(path: Path) -> list[Block]:
    """Return the blocks of a tutorial that are run or saved, or say why not."""
    text = path.read_text("utf-8")
    head, _, tutorial = text.removeprefix("+++\n").partition("+++\n")
    first = head.count("\n") + 3
    fences = [token for token in PARSER.parse(tutorial) if token.type == "fence"]
    infos = [token.info.split() or [""] for token in fences]
    is_postgres = any(
        words[0] == "sql" and ("postgres" in words or STRANGE.search(_plain(fence.content)))
        for words, fence in zip(infos, fences, strict=True)
    )
    blocks = []
    for at, (fence, words) in enumerate(zip(fences, infos, strict=True)):
        shown = infos[at + 1][0] == "text" if at + 1 < len(fences) else False
        varies = shown and len(infos[at + 1]) > 1
        kind, named = KINDS.get(words[0], ""), NAMED.match(fence.content)
        needs = " ".join(words[words.index("needs") + 1 :]) or "?" if "needs" in words else ""
        if kind == "sqlite" and is_postgres and "sqlite" not in words:
            kind = "postgres"
        if needs or (named and not shown and kind in ("shell", "node")):
            kind = ""  # a file for the blocks below
        if not (kind or needs or named):
            continue
        name = named[1] if named else ""
        module = Path(name).stem if name and not shown else "__main__"
        expected = fences[at + 1].content if shown and not varies else None
        line = first + (fence.map or [0])[0]
        blocks.append(Block(kind, fence.content, line, name, module, needs, expected, varies))
    return blocks


def _plain(sql: str) -> str:
    return " ".join(sql.lower().split())


def run(path: Path) -> list[Result]:
    """Run the blocks of a tutorial. Raises NoSandbox."""
    blocks = read(path)
    absent = {kind for kind, tool in TOOLS.items() if not shutil.which(tool)}
    given = [asdict(each) | ({"kind": ""} if each.kind in absent else {}) for each in blocks]
    return [
        Result(block, missing=TOOLS[block.kind])
        if block.kind in absent
        else _judged(block, *outcome)
        for block, outcome in zip(blocks, _outcomes(given), strict=True)
    ]


def _outcomes(given: list[dict[str, object]]) -> list[tuple[str, str]]:
    environment = {
        "PATH": f"{PYTHON.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
    }
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch, "lesson")
        folder.mkdir()
        done = subprocess.run(
            [*sandbox(Path(scratch)), str(PYTHON), str(SCRIPT)],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            env=environment,
            cwd=folder,
            timeout=sandboxed.SECONDS * (len(given) + 1),
            start_new_session=True,
            check=False,
        )
    if done.returncode:
        return [("", f"the sandbox failed: {done.stderr[-500:]}")] * len(given)
    outcomes: list[tuple[str, str]] = json.loads(done.stdout)
    return outcomes


def _judged(block: Block, printed: str, fault: str) -> Result:
    is_sql = block.kind in ("postgres", "sqlite")
    came = _lines(printed, is_sql)
    wanted = None if block.expected is None else _lines(block.expected, is_sql)
    if not block.kind or came == wanted:
        return Result(block)
    if block.kind == "shell" and (missing := MISSING.search(printed)):
        return Result(block, missing=missing[1])
    if wanted is None:
        if is_sql and not block.varies and SQL_FAULT.search(printed):
            fault = fault or "an error"
        return Result(block, fault and "\n".join([fault, *came[-FEW:]]))
    lines = [each for each in difflib.ndiff(wanted, came) if each[0] != "?"]
    changed = [at for at, each in enumerate(lines) if each[0] != " "]
    near = lines[max(0, changed[0] - 1) : changed[0] + FEW]
    return Result(block, "\n".join([fault or "prints something else", *near]))


def _lines(text: str, is_sql: bool) -> list[str]:
    """Without spaces at ends; with SQL, without the empty lines between results, too."""
    lines = [line.rstrip() for line in text.rstrip().splitlines()]
    return [line for line in lines if line or not is_sql]


def sandbox(scratch: Path) -> list[str]:
    """Return the command that runs another in a sandbox. Raises NoSandbox."""
    bound = ["--bind", str(scratch), "/tmp/run", "--chdir", "/tmp/run/lesson"]
    for command in ([*BWRAP, *bound], list(UNSHARE)):
        if (
            shutil.which(command[0])
            and not subprocess.run(
                [*command, "true"], check=False, capture_output=True, cwd=scratch / "lesson"
            ).returncode
        ):
            return command
    raise NoSandbox(
        "Code is run without a network and apart from other files only: install bubblewrap, or "
        "allow user namespaces (unshare -rn)."
    )
