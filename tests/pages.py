"""Pages of documents whose commands are run as they stand, and compared with what they show.

A block begins with ```console, and a command in it with `$ `; what stands below is what it says.
After `console` a word may say in which mode it is run.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# A heading, or a block with the mode in which it is run (none: in both). What looks like a heading
# in a block is none.
PARTS = re.compile(
    r"^## ([^\n]+)$|^```(\w*) ?(embedded|server)?\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
END = "-- end of a command --"

# What is different in each run. What has the name `same` means the same thing wherever the page
# shows it.
VARIES = re.compile(
    r"(?P<same>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
    r"|\b[0-9a-f]{24}\b|\b[0-9a-f]{16}\b|\brmk_[\w-]{8,})"
    r"|(?P<time>\b\d{4}-\d\d-\d\dT[\d:]+(?:\.\d+)?Z)"
    r'|(?P<limit>"requests";(?:q=\d+;w=60|r=\d+;t=\d+))'
    r"|(?P<reason>\bUnprocessable (?:Entity|Content)\b)"  # the latter since Python 3.13
    r"|(?P<any>\.\.\.)"
)
PATTERNS = {
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    "limit": r'"requests";(?:q=\d+;w=60|r=\d+;t=\d+)',
    "reason": "Unprocessable (?:Entity|Content)",
    "any": r"[^\n]*?",
}


@dataclass(frozen=True, eq=False)  # the same command twice is two steps
class Step:
    """A command, in which mode it is run (None: in both), and what the page shows below it."""

    mode: str | None
    command: str
    shown: str


@dataclass(frozen=True)
class Section:
    title: str
    steps: list[Step] = field(default_factory=list)


class Names:
    """Names of the page for the things of this run: one for one."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def fits(self, shown: str, real: str) -> bool:
        if shown not in self._real and real in self._real.values():
            return False
        return self._real.setdefault(shown, real) == real


def sections(page: str) -> list[Section]:
    found = [Section("Before the first heading")]
    for heading, language, mode, block in PARTS.findall(page):
        if heading:
            found.append(Section(heading))
        elif language == "console":
            found[-1].steps.extend(steps(mode or None, block))
    return found


def shell_blocks(page: str, title: str) -> list[str]:
    """The commands below a heading that are not in steps, as they are pasted."""
    text = re.split(r"\n##+ ", page.partition(f"# {title}\n")[2])[0]
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def steps(mode: str | None, block: str) -> Iterator[Step]:
    assert block.startswith("$ "), block
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        long = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\"))
        yield Step(mode, "\n".join(lines[:long]), "\n".join(lines[long:]))


def difference(shown: str, text: str, names: Names) -> str | None:
    """Compare output shown on a page with real output; `...` is any text or any lines."""
    pattern, same = "", []
    for line in shown.rstrip().splitlines():
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*?"
            continue
        end = 0
        for found in VARIES.finditer(line):
            kind = found.lastgroup or ""
            pattern += re.escape(line[end : found.start()])
            if kind == "same":
                same.append(found[0])
                pattern += f"({_like(found[0])})"
            else:
                pattern += PATTERNS[kind]
            end = found.end()
        pattern += re.escape(line[end:].rstrip()) + r"[ ]*\n"
    match = re.fullmatch(pattern, text.replace("\r", "").rstrip() + "\n" if text.strip() else "")
    if match is None:
        return f"the page shows\n{shown}\nand it was\n{text}"
    wrong = [
        f"{a} is {b}" for a, b in zip(same, match.groups(), strict=True) if not names.fits(a, b)
    ]
    return f"another one than elsewhere on the page: {', '.join(wrong)}\n{text}" if wrong else None


def _like(shown: str) -> str:
    """The form of this: a UUID, a hash of so many digits, a key."""
    if shown.startswith("rmk_"):
        return r"rmk_[\w-]{8,}"
    return "".join("-" if character == "-" else "[0-9a-f]" for character in shown)


def steps_of(page: Path) -> list[Step]:
    return [step for section in sections(page.read_text("utf-8")) for step in section.steps]


def outputs_of(
    run: Sequence[Step], environment: Mapping[str, str], folder: Path
) -> dict[Step, str]:
    """The output of each step, one after the other in one bash in this folder.

    Fails when a command does not end with 0.
    """
    script = "".join(f"{step.command}\necho; echo '{END}' $?\n" for step in run)
    with tempfile.TemporaryFile() as output:  # not in the folder, which is the reader's
        command, nothing = ["bash", "-c", script], subprocess.DEVNULL
        subprocess.run(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=nothing,
            stdout=output,
            stderr=output,
            check=False,
        )
        output.seek(0)
        parts = re.split(rf"\n{END} (\d+)\n", output.read().decode())
    assert len(parts) == 2 * len(run) + 1, parts[-1]
    failed = [
        (step.command, code, out)
        for step, code, out in zip(run, parts[1::2], parts[::2], strict=False)
        if code != "0"
    ]
    assert failed == []
    return dict(zip(run, parts[::2], strict=False))
