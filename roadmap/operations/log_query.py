"""Search syntax of the log: words, "a phrase", -not this, one or the other.

PostgreSQL finds words by an index (`execution_log_words` of migration 0008), SQLite compares text.
A character of Chinese or Japanese is a word to both, and a name like gpt-5-mini is the phrase of
its parts.
"""

import re
import string
from dataclasses import dataclass

PIECE = re.compile(r'(?P<not>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
APART = re.compile(  # as in migration 0008
    r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
SPACES = str.maketrans(string.punctuation, " " * len(string.punctuation))


@dataclass(frozen=True, slots=True)
class Term:
    """Word or phrase that a record must have, or, if it is `unwanted`, must not have."""

    text: str
    unwanted: bool

    @property
    def words(self) -> str:
        """The words, with a space between each two."""
        return " ".join(APART.sub(r" \1 ", self.text.translate(SPACES)).split())


Wanted = list[list[Term]]  # alternatives, of which one must have all of its terms


def parsed(text: str) -> Wanted:
    """Return the terms of a search; empty when it has no word."""
    alternatives: Wanted = [[]]
    for found in PIECE.finditer(text):
        word = found["word"]
        if word is not None and word.lower() == "or" and not found["not"]:
            alternatives.append([])
            continue
        term = Term(found["phrase"] if word is None else word, bool(found["not"]))
        if term.words:
            alternatives[-1].append(term)
    return [terms for terms in alternatives if terms]


def as_websearch(wanted: Wanted) -> str:
    """Return a query for `websearch_to_tsquery`, without signs of its syntax."""
    return " or ".join(
        " ".join(f'{"-" * term.unwanted}"{term.words}"' for term in terms) for terms in wanted
    )
