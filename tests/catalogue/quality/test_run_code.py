"""Blocks of a tutorial, run in the real sandbox: their limits, comparison and output."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from quality import run_code
from quality.run_code import read, run, run_tracks
from quality.subjects import NotMeasurable

Blocks = Callable[..., list[tuple[str, str]]]


def lesson(folder: Path, *blocks: tuple[str, str]) -> Path:
    path = folder / "lesson.md"
    fences = "\n\nSome words.\n\n".join(f"```{info}\n{code}\n```" for info, code in blocks)
    path.write_text(f'+++\ntitle = "T"\n+++\nIt begins.\n\n{fences}\n', "utf-8")
    return path


@pytest.fixture
def outcomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blocks:
    """Outcomes of blocks, run with the Python and the packages of the tests."""
    path = f"{Path(sys.prefix, 'bin')}:{os.environ['PATH']}"
    monkeypatch.setitem(run_code.VARIABLES, "PATH", path)
    try:
        run_code.sandbox(str(tmp_path))
    except NotMeasurable as error:
        pytest.skip(f"NOT RUN: {error}")

    def of(*blocks: tuple[str, str]) -> list[tuple[str, str]]:
        return [(what, text) for _, what, text in run(lesson(tmp_path, *blocks))]

    return of


def test_what_is_printed_is_compared_with_the_text_after_it(outcomes: Blocks) -> None:
    found = outcomes(
        ("python", "print(1)\nprint('b ')"),
        ("text", "1\nb"),
        ("bash", "echo x; false"),
        ("text", "x"),
        ("python", "print(1)"),
        ("text", "2"),
        ("python", "import time; print(time.time())"),
        ("text varies", "17.5"),
        ("bash", "exit 3"),
        ("python", "1 / 0"),
        ("text", "ZeroDivisionError: division by zero"),
        ("yaml", "a: 1"),
        ("bash needs a cluster", "kubectl get pods"),
        ("text", "pod-1"),
        ("bash", "no-such-tool --version"),
        ("bash", "yes | head -c 300000"),
        ("text", "y"),
        ("python", "print(1)\nraise SystemExit(0)"),
        ("text", "1"),
        ("python", "raise SystemExit('bad settings')"),
        ("text", "bad settings"),
        ("python", "raise SystemExit(2)"),
    )
    assert [what for what, _ in found] == [
        *("outputs equal", "outputs equal", "outputs differ", "others ran", "failed"),
        *("outputs equal", "need a cluster", "NOT RUN: no-such-tool is missing", "outputs differ"),
        *("outputs equal", "outputs equal", "failed"),
    ]
    assert found[2][1] == "- 2\n+ 1\n(status 0)"
    assert found[4][1] == "(status 3)"


def test_blocks_share_a_folder_and_python_its_names(outcomes: Blocks) -> None:
    found = outcomes(
        ("python", "# shop.py\nprice = 3\nif __name__ == '__main__':\n    raise SystemExit(1)"),
        ("bash", "#!/usr/bin/env bash\n# bin/twice.sh\necho $(($1 * 2))"),
        ("bash", "bash bin/twice.sh 4; ls"),
        ("text", "8\nbin\nshop.py"),
        ("ini", "# /etc/ssh/sshd_config\nPort 22"),
        ("ini", "# shop.py/is/no/folder.ini\nPort 22"),
        ("python", "import shop\nprint(price + shop.price, __name__)"),
        ("text", "6 __main__"),
        ("bash", "python3 -m http.server 8017 > /dev/null 2>&1 &\nsleep 0.1"),
        ("python", "import urllib.request as web\nprint('json' in globals())"),
        ("text", "False"),
        (
            "python",
            "while True:\n    try:\n"
            "        print(web.urlopen('http://127.0.0.1:8017/shop.py').status)\n        break\n"
            "    except OSError:\n        pass",
        ),
        ("text", "200"),
    )
    assert {what for what, _ in found} == {"outputs equal", "others ran"}, found


def test_sql_is_that_of_one_session_and_an_error_is_a_fault(outcomes: Blocks) -> None:
    found = outcomes(
        ("sql", "CREATE TEMP TABLE tool (id INTEGER, name TEXT);"),
        (
            "sql",
            "INSERT INTO tool VALUES (1, 'saw');\n"
            "SELECT * FROM tool; SELECT count(*) AS n FROM tool",
        ),
        ("text", "id  name\n--  ----\n1   saw\n\nn\n-\n1"),
        ("sql", "SELECT * FROM loan;"),
    )
    assert [what for what, _ in found] == ["others ran", "outputs equal", "failed"], found


def test_javascript_is_a_module_and_its_files_can_be_imported(outcomes: Blocks) -> None:
    found = outcomes(
        ("javascript", "// prices.mjs\nexport const full = 900;\ndocument.title = 'never run';"),
        (
            "js",
            'import { readFileSync } from "node:fs";\n'
            'console.log(readFileSync("prices.mjs").length > 9);',
        ),
        ("text", "true"),
    )
    if found[0][0].startswith("NOT RUN"):
        pytest.skip(found[0][0])
    assert [what for what, _ in found] == ["outputs equal"], found


def test_nothing_leaves_the_sandbox(outcomes: Blocks, tmp_path: Path) -> None:
    outside = Path(__file__).parent / "written.txt"
    files = (
        ("bash", f"touch {outside}"),
        ("bash", "ps -e -o comm= | grep -c pytest; ls /run"),  # there are sockets of servers
        ("text", "0"),
    )
    of_bubblewrap = "bwrap" in run_code.sandbox(str(tmp_path))  # it hides files and processes
    found = outcomes(
        ("python", "import socket\nsocket.create_connection(('1.1.1.1', 53), 2)"),
        *(files if of_bubblewrap else ()),
        ("python", "held = bytearray(5 << 30)"),
        ("python", "import os\nos._exit(0)"),
        ("python", "print('never')"),
    )
    whats = [what for what, _ in found]
    kept = ["failed", "outputs equal"] if of_bubblewrap else []
    assert whats == ["failed", *kept, "failed", "failed", "failed"], found
    assert "MemoryError" in found[-3][1]
    assert "the sandbox ended" in found[-1][1]
    assert not outside.exists()


def test_a_block_without_end_is_ended(outcomes: Blocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_code, "PYTHON", (*run_code.PYTHON[:-1], "1"))
    found = outcomes(
        ("python", "while True: pass"),
        ("bash", "sleep 500 &\nsleep 500"),
        ("sql", "SELECT 'open"),
        ("python", "print('goes on')"),
        ("text", "goes on"),
    )
    whats = [what for what, _ in found]
    assert whats == ["failed", "failed", "failed", "outputs equal"], found
    assert all("KeyboardInterrupt" in text for _, text in found[:3])


@pytest.mark.parametrize(
    ("blocks", "kinds"),
    [
        ([("sql", "SELECT 1;")], ["sqlite"]),
        ([("sql", "SELECT 1;"), ("sql", "SELECT 1::text;")], ["psql", "psql"]),
        ([("sql postgres", "SELECT 1;"), ("sql sqlite", "SELECT 2;")], ["psql", "sqlite"]),
        ([("sql", "SELECT * FROM pg_stat_activity;")], ["psql"]),
        ([("sql needs a replica", "SELECT 1;"), ("json", "{}")], ["", ""]),
    ],
)
def test_sql_of_a_tutorial_is_postgresql_where_sqlite_lacks_something(
    tmp_path: Path, blocks: list[tuple[str, str]], kinds: list[str]
) -> None:
    assert [each["kind"] for each in read(lesson(tmp_path, *blocks))] == kinds


def test_a_block_knows_its_line_in_the_file(tmp_path: Path) -> None:
    path = lesson(tmp_path, ("python", "a = 1"), ("python", "b = 2"))
    found = [path.read_text("utf-8").splitlines()[each["line"] - 1] for each in read(path)]
    assert found == ["```python"] * 2


def test_an_unknown_track_is_no_success() -> None:
    with pytest.raises(NotMeasurable, match="There is no track 'cooking'"):
        run_tracks("cooking", Console(quiet=True))


def test_without_a_sandbox_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "timeout").symlink_to(shutil.which("timeout") or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotMeasurable, match="install bubblewrap"):
        run(lesson(tmp_path, ("bash", "echo")))


def test_without_bubblewrap_there_is_still_no_network(
    outcomes: Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_code, "BWRAP", ("false",))
    try:
        run_code.sandbox(str(tmp_path))
    except NotMeasurable as error:
        pytest.skip(f"NOT RUN: {error}")
    found = outcomes(
        ("bash", "echo $((2 + 3)) > five; id -u"),
        ("text", "1000"),
        (
            "python",
            "print(open('five').read())\n"
            "import socket\nsocket.create_connection(('1.1.1.1', 53), 2)",
        ),
    )
    assert [what for what, _ in found] == ["outputs equal", "failed"], found
    assert found[1][1].startswith("5\n\nOSError: [Errno 101] Network is unreachable"), found
