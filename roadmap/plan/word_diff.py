"""Comparison of texts, by line and within a line by word. Pure, and bounded in time."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal

from pydantic import Field

from core.json_types import LazyModel

How = Literal["same", "added", "removed"]
MOST = 1000  # lines, or words of a line, that are compared; with more, all of them differ
MOST_LINES = 20_000  # of one text; the rest is one line
MOST_CHARACTERS = 20_000  # of one page that are compared word by word
# Scripts without spaces, of which each character is a word.
UNSPACED = r"\u2e80-\u9fff\uf900-\ufaff\u0e00-\u0e7f\U00020000-\U0003ffff"
WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+|\s+|.", re.DOTALL)  # or the space between two


class Line(LazyModel):
    """A line of a diff."""

    how: How = Field(description="In both, only in the later, or only in the earlier one.")
    text: str = Field(description="The line.")


class Piece(LazyModel):
    """A run of words that is in both texts or in one of them."""

    how: How
    text: str


def lines(before: str, after: str) -> list[Line]:
    """Return the lines of both texts in order, removed ones before added ones."""
    return list(merged(_split(before), _split(after)))


def _split(text: str) -> list[str]:
    found = text.splitlines()
    return (
        [*found[:MOST_LINES], "\n".join(found[MOST_LINES:])] if len(found) > MOST_LINES else found
    )


def merged(before: Sequence[str], after: Sequence[str]) -> Iterator[Line]:
    """Return the texts of both lists in order."""
    return (Line(how=how, text=text) for how, text in _merged(before, after))


def pieces(before: str, after: str) -> list[Piece]:
    """Return the words of both texts: without added ones the first, without removed the second."""
    found: list[Piece] = []
    # The words of the current change, and the equal space behind it.
    removed, added, between = "", "", ""
    for how, text in _merged(WORD.findall(before), WORD.findall(after)):
        if how == "removed":
            removed, added, between = removed + between + text, added + between, ""
        elif how == "added":
            removed, added, between = removed + between, added + between + text, ""
        elif (removed or added) and text.isspace():
            between += text
        else:
            found += _changed(removed, added)
            _join(found, between + text)
            removed, added, between = "", "", ""
    found += _changed(removed, added)
    _join(found, between)
    return found


def _changed(removed: str, added: str) -> list[Piece]:
    """Return changed neighbours as one piece each, so that phrases stay together."""
    pair: list[tuple[How, str]] = [("removed", removed), ("added", added)]
    return [Piece(how=how, text=text) for how, text in pair if text]


def _join(found: list[Piece], same: str) -> None:
    if same and found and found[-1].how == "same":
        found[-1].text += same
    elif same:
        found.append(Piece(how="same", text=same))


def share_in_common(of: Sequence[Piece]) -> float:
    """Return the share of the words that two texts have in common, from 0 to 1."""
    same = 2 * sum(len(piece.text) for piece in of if piece.how == "same")
    both = same + sum(len(piece.text) for piece in of if piece.how != "same")
    return same / both if both else 1.0


class WordByWord:
    """Comparison of the texts of a page, up to a number of characters.

    The default takes half a second. Texts beyond it are not compared: they differ as a whole.
    """

    def __init__(self, most: int = MOST_CHARACTERS) -> None:
        self._left = most

    def pieces(self, before: str, after: str) -> list[Piece]:
        self._left -= len(before) + len(after)
        return pieces(before, after) if self._left >= 0 else _changed(before, after)


def _merged(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[How, str]]:
    # So many are equal at the beginning, and so many of the rest at the end.
    most = min(len(before), len(after))
    begin = next((at for at in range(most) if before[at] != after[at]), most)
    most -= begin
    end = next((at for at in range(most) if before[-1 - at] != after[-1 - at]), most)
    old, new = before[begin : len(before) - end], after[begin : len(after) - end]
    yield from (("same", text) for text in before[:begin])
    operations: Sequence[tuple[str, int, int, int, int]] = [("replace", 0, len(old), 0, len(new))]
    if max(len(old), len(new)) <= MOST:
        # Its autojunk ignores frequent texts of long lists, which bounds the time.
        operations = SequenceMatcher(None, old, new).get_opcodes()
    for tag, i, j, k, m in operations:
        if tag == "equal":
            yield from (("same", text) for text in old[i:j])
        else:
            yield from (("removed", text) for text in old[i:j])
            yield from (("added", text) for text in new[k:m])
    yield from (("same", text) for text in before[len(before) - end :])
