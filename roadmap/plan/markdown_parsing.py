"""Parse Markdown within a budget of tokens and of time."""

from collections.abc import MutableMapping
from time import thread_time
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from roadmap.plan.markdown_sanitizer import LINE_END, MOST_BRACKETS, MOST_TOKENS, UNESCAPED

MOST_SECONDS = 0.8  # of work; a tutorial of 100,000 characters needs 0.3
DEEPEST = 20  # nesting; a list in a list is two more
CONTAINERS = ("blockquote_open", "list_item_open")


class TooMuchWork(Exception):
    """No tutorial needs as many tokens, as deep nesting, or as much time."""


class _Tokens(list[Token]):
    """List to which a parser adds tokens, all of them within one budget.

    Parsers take the square of its length for some texts, and fill tables with empty cells.
    """

    def __init__(self, budget: "_Budget") -> None:
        super().__init__()
        self._budget = budget

    def append(self, token: Token) -> None:
        self._budget.charge()
        super().append(token)


class _Budget:
    def __init__(self) -> None:
        self._tokens = MOST_TOKENS
        self._until = thread_time() + MOST_SECONDS

    def charge(self) -> None:
        """Raises TooMuchWork."""
        self._tokens -= 1
        if self._tokens < 0 or thread_time() > self._until:
            raise TooMuchWork


def parsed(text: str, parser: MarkdownIt) -> list[Token]:
    """Return the tokens of a text. Raises TooMuchWork.

    A paragraph with more brackets than MOST_BRACKETS is one text.
    """
    budget = _Budget()
    env: MutableMapping[str, Any] = {}
    tokens = _Tokens(budget)
    lines = LINE_END.split(text.replace("\0", "\ufffd"))
    try:
        parser.block.parse("\n".join(lines), parser, env, tokens)
        if any(token.type in CONTAINERS and token.level + 1 >= DEEPEST for token in tokens):
            raise TooMuchWork  # the parser has left out what is in that container
        for token in tokens:
            if token.type == "inline":
                token.children = _Tokens(budget)
                if sum(1 for _ in UNESCAPED.finditer(token.content)) > MOST_BRACKETS:
                    token.children.append(Token("text", "", 0, content=token.content))
                else:
                    parser.inline.parse(token.content, parser, env, token.children)
    except RecursionError as error:
        raise TooMuchWork from error
    return tokens
