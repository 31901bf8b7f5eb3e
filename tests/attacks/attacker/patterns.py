"""Regular expressions of the code that are slow with some text."""

import ast
import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from tests.attacks.attacker.target import Finding, Target, attack, judged

CODE = Path(__file__).resolve().parents[3]
FOLDERS = ("core", "reliable_queue", "roadmap", "tasks", "web")
LONGER = 0.002  # of the patience, in 4,000 characters: what grows by the square takes more
USES = ("match", "fullmatch", "search", "sub", "split", "findall", "finditer")


@dataclass(frozen=True)
class Found:
    where: str
    pattern: str
    flags: int
    uses: frozenset[str]


def patterns(folders: Iterable[Path]) -> list[Found]:
    """Every pattern that stands in the code for `re`, with how it is used."""
    files = {
        path: path.read_text("utf-8") for folder in folders for path in sorted(folder.rglob("*.py"))
    }
    used: dict[str, set[str]] = {}  # how each name is
    for name, use in re.findall(rf"\b(\w+)\.({'|'.join(USES)})\(", "\n".join(files.values())):
        used.setdefault(name, set()).add(use)
    found = []
    for path, text in files.items():
        for node in ast.walk(ast.parse(text)) if "re." in text else ():
            if not (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
            ):
                continue
            constant = node.args[0] if node.args else None
            if node.func.value.id != "re" or not (
                isinstance(constant, ast.Constant) and isinstance(constant.value, str)
            ):
                continue
            flags = 0
            for name in re.findall(r"re\.([A-Z]+)", ast.unparse(node)):
                flags |= getattr(re, name)
            uses = frozenset([node.func.attr]) & frozenset(USES)
            if not uses:
                line = (
                    text.splitlines()[node.lineno - 1]
                    if "=" in text.splitlines()[node.lineno - 1]
                    else text.splitlines()[node.lineno - 2]
                )
                name = line.partition("=")[0].strip()
                uses = frozenset(used.get(name, {"search"}))
            found.append(Found(f"{path.name}:{node.lineno}", constant.value, flags, uses))
    return found


def evil(found: Found) -> Iterator[Callable[[int], str]]:
    """Texts of a length that are made of what the pattern knows, and do not end as it wants."""
    letters = list(dict.fromkeys("a 0" + re.sub(r"[\\^$?*+(){}|,]", "", found.pattern)))[:14]
    before = ("",) if found.uses <= {"match", "fullmatch"} else ("", "x")
    pieces = [
        *letters,
        "\n",
        "\\",
        *(a + b for a in letters[:9] for b in letters[:9] if a != b),
        "(",
        "[",
        "\\[",
        "\n    ",
        "<think>",
    ]
    for piece, first in itertools.product(dict.fromkeys(pieces), before):
        yield partial(repeated, piece, first)


def repeated(piece: str, first: str, length: int) -> str:
    return first + (piece * length)[:length] + "\x00"


def seconds_of(found: Found, text: str) -> float:
    """Of work: what others do on the machine meanwhile does not count."""
    compiled = re.compile(found.pattern, found.flags)
    began = time.thread_time()
    for use in found.uses:
        made = compiled.sub("", text) if use == "sub" else getattr(compiled, use)(text)
        if use == "finditer":
            any(False for _ in made)
    return time.thread_time() - began


def slow(found: Found, largest: int = 16_000, patience: float = 0.25) -> str:
    """The text with which it takes more than in proportion to the length, and long."""
    lengths = (
        *range(12, 64, 4),
        *(length for length in (250, 1000, 4000, 16_000, 64_000) if length <= largest),
    )
    for make in evil(found):
        before, shorter = 0.0, 0
        for length in lengths:
            if length > 4000 and before < LONGER * patience:
                break  # what grows faster than the text has taken longer by then
            spent = seconds_of(found, make(length))
            grown = before and spent / before > 2 * length / shorter
            if spent > patience / 4 and (length < 64 or grown):
                return (
                    f"{found.where} {found.pattern!r} with {make(6)!r}: {spent:.2f} s for {length}"
                )
            if spent > patience:
                break
            before, shorter = spent, length
    return ""


@cache
def patterns_of_the_code() -> list[Found]:
    return patterns(CODE / folder for folder in FOLDERS)


@attack
def slow_patterns(target: Target) -> Finding:
    """Work without end, by a text of a person or a model with which a pattern is slow."""
    found = patterns_of_the_code()
    return judged([slow(each) for each in found], f"{len(found)} patterns in the code")
