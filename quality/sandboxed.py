"""The part of `run_code.py` that is within the sandbox: a script that runs one tutorial's blocks.

They come as JSON on standard input; output and exit status of each go into files beside the working
directory. It is run by `runpy`, so that the `__main__` of Python blocks has no names of this file.
"""

import json
import os
import re
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

LESSON = Path.cwd()
COMMANDS = {
    "shell": ("bash", "-c"),
    "node": ("env", "node", "--input-type=module", "--eval"),
    "psql": ("stdbuf", "--output=L", "psql", "--no-psqlrc", "--quiet"),
    "sqlite": ("stdbuf", "--output=L", "sqlite3", "-column", "-header"),
}
ECHO = {"psql": r"\echo", "sqlite": ".print"}  # these are started once
END = "end of the block\n"

blocks = json.load(sys.stdin)
space = vars(sys.modules["__main__"])
programs: dict[str, Any] = {
    kind: subprocess.Popen(
        COMMANDS[kind],
        bufsize=1,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for kind in ECHO
    if any(block["kind"] == kind for block in blocks)
}
signal.signal(signal.SIGALRM, signal.default_int_handler)
for number, block in enumerate(blocks):
    kind, code, path = block["kind"], block["code"], LESSON / (block["name"] or f"../{number}.code")
    with (LESSON.parent / f"{number}.out").open("wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    status: int | str = 0
    signal.alarm(int(sys.argv[1]))  # raises KeyboardInterrupt
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, "utf-8")
        if kind == "python":
            space["__name__"] = block["module"]
            exec(compile(code, path, "exec", dont_inherit=True), space)
        elif kind in programs:
            programs[kind].stdin.write(f"{code}\n;\n{ECHO[kind]} {END}")
            while (line := programs[kind].stdout.readline()) not in ("", END):
                print(line, end="")
                status = 1 if re.match("ERROR:|FATAL:|Parse error|Runtime error", line) else status
        elif kind:
            command = [*COMMANDS[kind], code]
            status = subprocess.call(command, cwd=LESSON, stdin=subprocess.DEVNULL)
    except SystemExit as error:
        status = 0 if error.code is None else error.code
        print(status if isinstance(status, str) else "")
    except BaseException as error:  # an edge: whatever a block raises, and the alarm
        print(traceback.format_exception_only(error)[-1])
        lines = (f"line {each.lineno}" for each in traceback.extract_tb(error.__traceback__)[1:])
        status = ", ".join(lines) or "1"
    (LESSON.parent / f"{number}.end").write_text(str(status))
os._exit(0)  # without waiting for threads
