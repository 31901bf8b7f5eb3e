"""Decide which code blocks of a tutorial the browser can run: Python by Pyodide, SQL by SQLite.

Nothing is executed. A block that uses what no block above it makes, or what the browser has not,
cannot run; `no-run` after the language says so of others.
"""

import ast
import builtins
import re
import sys
from collections.abc import Iterable

from markdown_it.token import Token

from roadmap.generation.tutorial_lint import LONGEST_CODE, PYTHON_BLOCK

LANGUAGES = {"python": "python", "py": "python", "python3": "python", "sql": "sql", "sqlite": "sql"}
NO_RUN = "no-run"
# Modules that Pyodide has not, or that need threads, processes or a network.
ABSENT = """
    concurrent curses dbm ensurepip fcntl ftplib grp http.client http.server idlelib imaplib msvcrt
    multiprocessing nntplib nt poplib pwd readline resource smtplib socket socketserver ssl
    subprocess syslog termios threading tkinter turtle turtledemo urllib.request venv winreg
    winsound xmlrpc
"""
MODULES = sys.stdlib_module_names - {*ABSENT.split()}
NAMES = {*dir(builtins), "__name__"} - {"breakpoint", "exit", "help", "input", "quit"}
TEXTS = re.compile(r"'(?:[^']|'')*'|--[^\n]*")
TABLE = r"(?:if\s+not\s+exists\s+|if\s+exists\s+)?([\w.]+)"
CREATED = re.compile(rf"\bcreate\s+(?:temp\s+)?(?:table|view)\s+{TABLE}")
NAMED = re.compile(r"\b(\w+)\s*(?:\([\w\s,]*\))?\s+as\s*\(")  # common table expressions
USED = re.compile(
    r"\b(?:from|join|into|update|references|(?:alter|drop)\s+table|index\s+\w+\s+on)\s+" + TABLE
)
# What other servers understand and SQLite does not.
STRANGE = re.compile(
    r"::|(?:^|;)\s*(?:comment|do|explain\s*\(|grant|lock|reset|revoke|set|vacuum\s*\()"
    r"|\b(?:array\s*\[|(?:all|any|char_length|extract|generate_series|now)\s*\(|interval\s+'')"
    r"|\b(?:create|drop|alter)\s+(?:or\s+replace\s+)?(?:extension|function|policy|role|schema)\b"
    r"|\b(?:alter\s+column|add\s+constraint|as\s+identity|at\s+time\s+zone|lateral|timestamptz"
    r"|for\s+(?:share|update)|partition\s+(?:by\s+(?:hash|list|range)|of)"
    r"|using\s+(?:btree|gin|gist|hash))\b"
)


def mark(tokens: Iterable[Token]) -> None:
    """Write into `meta` of each block that can run the language that runs it."""
    made: dict[str, set[str]] = {"python": set(), "sql": set()}
    for token in tokens:
        language, *rest = token.info.lower().split() or [""]
        runner = LANGUAGES.get(language)
        if token.type != "fence" or runner is None or NO_RUN in rest:
            continue
        if len(token.content) <= LONGEST_CODE:
            names = (_python if runner == "python" else _sql)(token.content, made[runner])
            if names is not None:
                made[runner] |= names
                token.meta["run"] = runner


def _python(code: str, known: set[str]) -> set[str] | None:
    """Return the names that code makes, or None if it needs others or a module that is absent."""
    try:
        tree = ast.parse(code, PYTHON_BLOCK)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    used, made, modules = set(), set(), set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name):
                made.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                made.add(name)
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                made.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                made.add(name)
            case ast.alias(name=name, asname=asname):
                made.add(asname or name.partition(".")[0])
        match node:
            case ast.Import(names=names):
                modules.update(alias.name for alias in names)
            case ast.ImportFrom(module=module, level=level):
                modules.add("" if level else module)
    is_there = all(
        name.partition(".")[0] in MODULES and name not in ABSENT.split() for name in modules
    )
    return made if is_there and used <= NAMES | known | made else None


def _sql(code: str, known: set[str]) -> set[str] | None:
    """Return the tables that code makes, or None if it needs others or another server."""
    text = TEXTS.sub("''", code.lower())
    made = {*CREATED.findall(text)}
    used = {*USED.findall(text)}
    is_there = used <= known | made | {*NAMED.findall(text)}
    return made if is_there and not STRANGE.search(text) else None
