"""Text that every database takes."""

import re

ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def storable(text: str) -> str:
    """Without NUL, which PostgreSQL refuses, and without half a surrogate pair, which no encoding has."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def storable_json(text: str) -> str:
    """The same for the text of a JSON document, in which NUL is an escape."""
    return storable(ESCAPED_NUL.sub(r"\1", text))
