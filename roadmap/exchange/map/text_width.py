"""Estimated width of text, without its font: from a table of a wide one."""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache


def _table(widths: str) -> tuple[float, ...]:
    return tuple(int(width) / 100 for width in widths.split())


# Hundredths of an em, from the space to the tilde, of DejaVu Sans: other fonts are narrower.
REGULAR = _table(
    "32 41 46 84 64 96 78 28 40 40 50 84 32 37 32 34 64 64 64 64 64 64 64 64 64 64 34 34 84 84 84 "
    "54 100 69 69 70 78 64 58 78 76 30 30 66 56 87 75 79 61 79 70 64 62 74 69 99 69 62 69 40 34 "
    "40 84 50 50 62 64 55 64 62 36 64 64 28 28 58 28 98 64 62 64 64 42 53 40 64 60 82 60 60 53 64 "
    "34 64 84"
)
BOLD = _table(
    "35 46 53 84 70 101 88 31 46 46 53 84 38 42 38 37 70 70 70 70 70 70 70 70 70 70 40 40 84 84 "
    "84 59 100 78 77 74 84 69 69 83 84 38 38 78 64 100 84 86 74 86 78 73 69 82 78 111 78 73 73 46 "
    "37 46 84 50 50 68 72 60 72 68 44 72 72 35 35 67 35 105 72 69 72 72 50 60 48 72 66 93 65 66 "
    "59 72 37 72 84"
)
WIDE_CYRILLIC = frozenset("жмфшщыюљњЖМФШЩЫЮЉЊ")
ELLIPSIS = "…"
JOINER = "\u200d"
WIDEST_CLUSTER = 6.0  # em: a family of four
CLOSING, OPENING = ("Pe", "Pf", "Po"), ("Ps", "Pi")


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width in the unit of `size`, to a millionth, whatever the order of adding."""
    return round(sum(_em(character, bold) for character in text) * size, 6)


@lru_cache(maxsize=2_000)  # titles, which stay when the state of a plan changes
def wrap(
    text: str, width: float, size: float, *, bold: bool = False, most: int = 3
) -> tuple[str, ...]:
    """Break a text into lines no wider than `width`, which is eight em or more.

    Text that does not fit into `most` lines ends with an ellipsis.
    """
    lines: list[str] = []
    line = ""
    for whole in _pieces(text):
        piece = whole
        if line and text_width(line + piece.rstrip(), size, bold=bold) > width:
            lines.append(line.rstrip())
            line = ""
        while not line and text_width(piece.rstrip(), size, bold=bold) > width:
            head = _head(piece, width, size, bold)
            lines.append(head)
            piece = piece[len(head) :]
        line += piece
        if len(lines) > most:
            break
    lines += [line.rstrip()] if line.strip() else []
    if len(lines) > most:
        last = lines[most - 1]
        room = width - text_width(ELLIPSIS, size, bold=bold)
        if text_width(last, size, bold=bold) > room:
            last = _head(last, room, size, bold)
        while len(last) > 1 and (last[-1] == " " or unicodedata.category(last[-1]) in ("Po", "Pd")):
            last = last[:-1]
        lines = [*lines[: most - 1], last + ELLIPSIS]
    return tuple(lines)


@lru_cache(maxsize=20_000)
def _em(character: str, bold: bool) -> float:
    code = ord(character)
    if 32 <= code < 127:
        return (BOLD if bold else REGULAR)[code - 32]
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf", "Cc"):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.4 if code >= 0x1F000 and category[0] == "S" else 1.0
    factor = 1.12 if bold else 1.0
    base = unicodedata.normalize("NFD", character)[0]
    if base != character:
        return factor * _em(base, bold)
    if "\u0370" <= character < "\u0530":  # Greek and Cyrillic
        narrow = 0.68 if character.islower() else 0.84
        return factor * (1.08 if character in WIDE_CYRILLIC else narrow)
    return factor * (1.0 if category != "Pi" else 0.6)


def _clusters(text: str) -> Iterator[str]:
    """Yield each character with its combining and joined characters, up to a width."""
    cluster, width = "", 0.0
    for character in text:
        em = _em(character, False)
        if cluster and em > 0 and (cluster[-1] != JOINER or width + em > WIDEST_CLUSTER):
            yield cluster
            cluster, width = "", 0.0
        cluster += character
        width += em
    if cluster:
        yield cluster


def _pieces(text: str) -> Iterator[str]:
    """Yield the parts between which a line may break, each with the space behind it."""
    piece = ""
    for cluster in _clusters(text):
        last, first = piece[-1:], cluster[0]
        sticks = (
            not piece
            or first == " "
            or unicodedata.category(first) in CLOSING
            or unicodedata.category(last) in OPENING
        )
        if not sticks and (
            last == " "
            or (last in "-/" and len(piece) > 2)
            or any(unicodedata.east_asian_width(each) in "WF" for each in (last, first))
        ):
            yield piece
            piece = ""
        piece += cluster
    if piece:
        yield piece


def _head(text: str, width: float, size: float, bold: bool) -> str:
    """Return as much of the text as fits, and one character at least."""
    head, used = "", 0.0
    for cluster in _clusters(text):
        used += text_width(cluster, size, bold=bold)
        if head and used > width:
            break
        head += cluster
    return head
