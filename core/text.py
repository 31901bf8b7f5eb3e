"""Text that every database takes, and that shows as what it is."""

import re
import unicodedata

ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


# They turn the direction of what follows round.
BIDI = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def plain(text: str) -> str:
    """Without control characters, but for the ends of lines and tabs, and without what turns the direction of writing."""
    kept = (c for c in text.translate(BIDI) if c in "\n\t" or unicodedata.category(c) != "Cc")
    return "".join(kept)


def clean(text: str) -> str:
    """The text, if it can stand in a line of a page, a log or a terminal as it is. Raises ValueError."""
    if any(unicodedata.category(c) == "Cc" for c in text) or text.translate(BIDI) != text:
        raise ValueError("must not contain control characters, nor what turns the direction of writing")
    return text


def one_line(text: str) -> str:
    """The same in one line, without space around it."""
    return " ".join(plain(text).split())


def storable(text: str) -> str:
    """Without NUL, which PostgreSQL refuses, and without half a surrogate pair, which no encoding has."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def storable_json(text: str) -> str:
    """The same for the text of a JSON document, in which NUL is an escape."""
    return storable(ESCAPED_NUL.sub(r"\1", text))
