"""Decide which code blocks of a tutorial the browser can run: Python by Pyodide, SQL by SQLite.

Nothing is executed. A block that uses what no block above it makes, or what the browser has not,
cannot run; `no-run` or `needs ...` after the language says so of others. `test` after it marks a
block that checks a learner's attempt: it is written after the worked solution.
"""

import ast
import builtins
import re
import sys
from collections.abc import Iterable

from markdown_it.token import Token

from roadmap.generation.tutorial_lint import LONGEST_CODE, parse_python

LANGUAGES = {"python": "python", "py": "python", "python3": "python", "sql": "sql", "sqlite": "sql"}
NO_RUN = {"no-run", "needs"}  # `needs` says what the machine has not
# Modules that Pyodide has not, or that need threads, processes or a network.
LACKING = """
    concurrent curses dbm ensurepip fcntl ftplib grp http.client http.server idlelib imaplib msvcrt
    multiprocessing nntplib nt poplib pwd readline resource smtplib socket socketserver ssl
    subprocess syslog termios threading tkinter turtle turtledemo urllib.request venv winreg
    winsound xmlrpc
"""
ABSENT = frozenset(LACKING.split())
MODULES = sys.stdlib_module_names - ABSENT
NAMES = {*dir(builtins), "__name__"} - {"breakpoint", "exit", "help", "input", "quit"}
# SQL is read in lower case, without texts and comments, and with single spaces.
TEXTS = re.compile(r"'(?:[^']|'')*'|--[^\n]*")
TABLE = r" (?:if (?:not )?exists )?([\w.]+)"
CREATED = re.compile(r"\bcreate (?:temp )?(?:table|view)" + TABLE)
NAMED = re.compile(r"\b(\w+) ?(?:\([\w ,]*\) )?as (?:(?:not )?materialized )?\(")  # by WITH
USED = re.compile(
    r"\b(?:from|join|into|update|references|(?:alter|drop) table|index \w+ on)" + TABLE
)
# What other servers understand and SQLite does not.
STRANGE = re.compile(
    r"::|(?:^|;) ?(?:comment|do|explain \(|grant|lock|reset|revoke|set|vacuum \()"
    r"|\b(?:array ?\[|(?:all|any|char_length|extract|generate_series|now) ?\(|interval '')"
    r"|\b(?:jsonb|(?:to_)?ts(?:query|vector))"
    r"|\b(?:create|drop|alter) (?:or replace )?(?:extension|function|policy|role|schema)\b"
    r"|\b(?:alter column|add constraint|as identity|at time zone|for share|for update|lateral"
    r"|partition by (?:hash|list|range)|partition of|timestamptz|using (?:btree|gin|gist|hash))\b"
)


def mark(tokens: Iterable[Token]) -> None:
    """Write into `meta` of each block that can `run` or `check` the language that runs it."""
    made: dict[str, set[str]] = {"python": set(), "sql": set()}
    for token in tokens:
        language, *rest = token.info.lower().split() or [""]
        runner = LANGUAGES.get(language)
        if runner and not NO_RUN & {*rest} and len(token.content) <= LONGEST_CODE:
            names = (_python if runner == "python" else _sql)(token.content, made[runner])
            if names is not None and "test" in rest:
                token.meta["check"] = runner
            elif names is not None:
                made[runner] |= names
                token.meta["run"] = runner


def _python(code: str, known: set[str]) -> set[str] | None:
    """Return the names that code makes, or None if it needs others or a module that is absent."""
    try:
        tree = parse_python(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    used, made, modules = set[str](), set[str](), set[str]()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Import(names=names):
                modules.update(alias.name for alias in names)
            case ast.ImportFrom(module=module, level=level):
                modules.add("" if level else str(module))
            case ast.alias(name=name, asname=asname):
                made.add(asname or name.partition(".")[0])
            case (
                ast.Name(id=name)
                | ast.arg(arg=name)
                | ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                made.add(name)
    is_there = all(name not in ABSENT and name.partition(".")[0] in MODULES for name in modules)
    return made if is_there and not used - NAMES - known - made else None


def _sql(code: str, known: set[str]) -> set[str] | None:
    """Return the tables that code makes, or None if it needs others or another server."""
    text = " ".join(TEXTS.sub("''", code.lower()).split())
    made = {*CREATED.findall(text)}
    is_there = not {*USED.findall(text)} - known - made - {*NAMED.findall(text)}
    return made if is_there and not STRANGE.search(text) else None
