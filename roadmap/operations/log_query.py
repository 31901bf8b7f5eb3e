"""What somebody looks for in the log, as they type it: words, "a phrase", -not this, one or the other.

PostgreSQL finds words by an index (`execution_log_words` of migration 0008), SQLite compares text. A character of Chinese or
Japanese is a word to both, and a name like gpt-5-mini is the phrase of its parts.
"""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

PIECE = re.compile(r'(?P<not>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
APART = re.compile(
    r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)  # as in migration 0008
SPACES = str.maketrans(string.punctuation, " " * len(string.punctuation))


@dataclass(frozen=True, slots=True)
class Term:
    """A word or a phrase that stands in a record, or, if it is `unwanted`, does not."""

    text: str
    unwanted: bool

    @property
    def words(self) -> str:
        """With a space between two words."""
        return " ".join(APART.sub(r" \1 ", self.text.translate(SPACES)).split())


Wanted = list[list[Term]]  # one of these lists, and of it each term


def parsed(text: str) -> Wanted:
    """Empty where there is no word in it."""
    alternatives: Wanted = [[]]
    for piece in _pieces(text):
        if piece is None:
            alternatives.append([])
        elif piece.words:
            alternatives[-1].append(piece)
    return [terms for terms in alternatives if terms]


def as_websearch(wanted: Wanted) -> str:
    """For `websearch_to_tsquery`, in which nothing is left that it could read otherwise."""
    return " or ".join(
        " ".join(f'{"-" * term.unwanted}"{term.words}"' for term in terms) for terms in wanted
    )


def _pieces(text: str) -> Iterator[Term | None]:
    """None: what follows is another possibility."""
    for found in PIECE.finditer(text):
        word = found["word"]
        if word is not None and word.lower() == "or" and not found["not"]:
            yield None
        else:
            yield Term(word if word is not None else found["phrase"], bool(found["not"]))
