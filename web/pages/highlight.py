"""Syntax highlighting by Pygments, as spans with the classes of web/static/code.css.

Lexers are long regular expressions, and the code may be hostile. So only lexers that were tested
with such text run, only on blocks and lines of a usual length, and for a limited time. Other code
stays as it is.
"""

import logging
from collections.abc import Iterator
from html import escape
from itertools import groupby
from operator import itemgetter
from time import thread_time

from pygments.lexers import get_all_lexers, get_lexer_by_name
from pygments.token import STANDARD_TYPES

logger = logging.getLogger(__name__)

LONGEST_BLOCK = 20_000  # characters
LONGEST_LINE = 400  # characters; some expressions take the third power of it
MOST_SECONDS = 0.5  # of work for all the blocks of a text
TRIED = """
    apacheconf bash batch c clojure cmake common-lisp console cpp csharp css cypher d dart delphi
    diff django docker elixir elm emacs-lisp erlang fish fortran fsharp gherkin glsl go graphql
    graphviz groovy haskell html http ini java javascript json jsx julia kotlin less lua make
    markdown mathematica mysql nginx nixos objective-c ocaml octave perl php plpgsql postgresql
    powershell properties protobuf pycon pytb python racket restructuredtext ruby rust scala scheme
    scss solidity sparql splus sql sqlite3 swift systemverilog tcl terraform tex toml tsx typescript
    vb.net verilog vhdl xml yaml zig
"""
# MATLAB is not among them: empty lines keep it busy for seconds, where nothing can stop it.
LANGUAGES = frozenset(TRIED.split())
NAMES = {
    name: names[0]
    for _, names, _, _ in get_all_lexers(plugins=False)
    for name in names
    if names[0] in LANGUAGES
}
# Nothing is added, and no other lexer is asked.
OPTIONS = {"stripnl": False, "ensurenl": False, "handlecodeblocks": False}
# The style sheet has few colours.
UNCOLOURED = frozenset({"", "err", "esc", "g", "l", "ld", "n", "nx", "o", "p", "pm", "w", "x"})
# Errors of faulty lexers.
FAILURES = (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class Highlighter:
    """Highlighter of the blocks of one text, with a budget of time."""

    def __init__(self) -> None:
        self._seconds = MOST_SECONDS

    def coloured(self, code: str, language: str) -> str | None:
        """Return code as HTML, or None if it must do without; `language` is one of LANGUAGES."""
        if (
            self._seconds <= 0
            or len(code) > LONGEST_BLOCK
            or any(len(line) > LONGEST_LINE for line in code.split("\n"))
        ):
            return None
        before = thread_time()
        try:
            pieces = list(_pieces(code, language, before + self._seconds))
        except TimeoutError:
            return None
        except FAILURES as error:
            logger.warning("The lexer for %s failed: %s", language, type(error).__name__)
            return None
        finally:
            self._seconds -= thread_time() - before
        if "".join(text for _, text in pieces) != code:
            return None
        spans = []
        for name, group in groupby(pieces, itemgetter(0)):
            text = escape("".join(text for _, text in group))
            spans.append(f'<span class="{name}">{text}</span>' if name else text)
        return "".join(spans)


def _pieces(code: str, language: str, until: float) -> Iterator[tuple[str, str]]:
    """Yield classes and texts. Raises TimeoutError after `until`, a time of this thread."""
    head, gap, body = code, "", ""
    if language == "http":  # it would ask any lexer for the body
        head, gap, body = code.partition("\n\n")
    for kind, text in get_lexer_by_name(language, **OPTIONS).get_tokens(head + gap):
        if thread_time() > until:
            raise TimeoutError
        # Lexers make kinds of their own: take the nearest one that has a class.
        known = next(each for each in reversed(kind.split()) if each in STANDARD_TYPES)
        name = STANDARD_TYPES[known]
        yield "" if name in UNCOLOURED else name, text
    yield "", body
