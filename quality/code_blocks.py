"""Does the code of a tutorial parse? By the parser of its language itself, or by a grammar of tree-sitter."""

import configparser
import logging
import warnings
from collections.abc import Callable
from functools import cache

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
logging.getLogger("sqlglot").setLevel(
    logging.ERROR
)  # it warns of statements that it takes as they stand
NO_CODE = ("", "text", "txt", "output", "console", "http", "log", "diff", "markdown", "md")


def fault(block: CodeBlock) -> str | None:
    """Why it does not parse; empty: it does; None: nothing here knows its language."""
    language = block.language
    if language in PARSED:
        return fault_of(block)
    if language in GRAMMARS:
        return _by_grammar(language, block.code)
    if language == "sql":
        return _sql(block.code)
    if language in ("yaml", "yml"):
        nodes = yaml.compose_all(
            block.code, Loader=yaml.SafeLoader
        )  # no values are made of them: tags may be of others
        return _raised(lambda: list(nodes))
    if language == "ini":
        parser = configparser.ConfigParser(strict=False, allow_no_value=True)
        with_head = (
            block.code
            if block.code.lstrip().startswith(("[", "#", ";"))
            else f"[file]\n{block.code}"
        )
        return _raised(lambda: parser.read_string(with_head))
    return None


def is_code(block: CodeBlock) -> bool:
    """Not the output of something, nor a transcript."""
    return block.language not in NO_CODE


def _sql(code: str) -> str:
    faults = [
        _raised(lambda dialect=dialect: sqlglot.parse(code, dialect=dialect))  # type: ignore[misc]
        for dialect in DIALECTS
    ]
    return "" if "" in faults else faults[0]


def _raised(parse: Callable[[], object]) -> str:
    try:
        parse()
    except (
        Exception
    ) as error:  # an edge: these parsers raise much else for what is wrong, too deep or no date
        return next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
    return ""


def _by_grammar(language: str, code: str) -> str:
    root = _parser(language).parse(code.encode()).root_node
    wrong = _first_error(root) if root.has_error else None
    if wrong is None:
        return ""
    at = wrong.start_point[0]
    return (
        f"line {at + 1}: {code.splitlines()[at].strip()[:80]!r}"
        if at < code.count("\n")
        else "it ends too early"
    )


def _first_error(node: Node) -> Node:
    """The innermost first one."""
    for child in node.children:
        if child.is_error or child.is_missing or child.has_error:
            return _first_error(child)
    return node


@cache
def _parser(language: str) -> Parser:
    with (
        warnings.catch_warnings()
    ):  # an older grammar gives its address as a number, which is to go some day
        warnings.simplefilter("ignore", DeprecationWarning)
        return Parser(Language(GRAMMARS[language]()))
