"""Syntax check of code in tutorials.

Code is read by the parser of its language, or by a grammar of tree-sitter.
"""

import configparser
import logging
import warnings
from collections.abc import Callable
from functools import cache, partial

import sqlglot
import tree_sitter_bash
import tree_sitter_css
import tree_sitter_dockerfile
import tree_sitter_hcl
import tree_sitter_html
import tree_sitter_javascript
import tree_sitter_typescript
import yaml
from tree_sitter import Language, Node, Parser

from roadmap.generation.tutorial_lint import PARSED, CodeBlock, fault_of

GRAMMARS: dict[str, Callable[[], object]] = {
    "bash": tree_sitter_bash.language,
    "sh": tree_sitter_bash.language,
    "css": tree_sitter_css.language,
    "dockerfile": tree_sitter_dockerfile.language,
    "hcl": tree_sitter_hcl.language,
    "terraform": tree_sitter_hcl.language,
    "html": tree_sitter_html.language,
    "javascript": tree_sitter_javascript.language,
    "js": tree_sitter_javascript.language,
    "jsx": tree_sitter_javascript.language,
    "typescript": tree_sitter_typescript.language_typescript,
    "ts": tree_sitter_typescript.language_typescript,
    "tsx": tree_sitter_typescript.language_tsx,
}
DIALECTS = ("postgres", "sqlite", "mysql")  # one of them must take it
logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of statements that it accepts
NO_CODE = ("", "text", "txt", "output", "console", "http", "log", "diff", "markdown", "md")


def fault(block: CodeBlock) -> str | None:
    """Return why code does not parse.

    The reason is empty when it does, and None for an unknown language.
    """
    language = block.language
    if language in PARSED:
        return fault_of(block)
    if language in GRAMMARS:
        return _by_grammar(language, block.code)
    if language == "sql":
        faults = [_raised(partial(sqlglot.parse, block.code, dialect=each)) for each in DIALECTS]
        return "" if "" in faults else faults[0]
    if language in ("yaml", "yml"):  # without values, since tags may be of other programs
        return _raised(lambda: list(yaml.compose_all(block.code, Loader=yaml.SafeLoader)))
    if language == "ini":
        parser = configparser.ConfigParser(strict=False, allow_no_value=True)
        head = "" if block.code.lstrip().startswith(("[", "#", ";")) else "[file]\n"
        return _raised(lambda: parser.read_string(head + block.code))
    return None


def is_code(block: CodeBlock) -> bool:
    """Whether it is code, and not output or a transcript."""
    return block.language not in NO_CODE


def _raised(parse: Callable[[], object]) -> str:
    try:
        parse()
    except Exception as error:  # an edge: these parsers raise many types for wrong code
        return next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
    return ""


def _by_grammar(language: str, code: str) -> str:
    root = _parser(language).parse(code.encode()).root_node
    if not root.has_error:
        return ""
    at = _first_error(root).start_point[0]
    if at >= code.count("\n"):
        return "it ends too early"
    return f"line {at + 1}: {code.splitlines()[at].strip()[:80]!r}"


def _first_error(node: Node) -> Node:
    """Return the first error, innermost."""
    for child in node.children:
        if child.is_error or child.is_missing or child.has_error:
            return _first_error(child)
    return node


@cache
def _parser(language: str) -> Parser:
    with warnings.catch_warnings():  # an older grammar passes its address as a number
        warnings.simplefilter("ignore", DeprecationWarning)
        return Parser(Language(GRAMMARS[language]()))
