"""Text that every database takes, and that shows as what it is."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic_core import CoreSchema

ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


# They turn the direction of what follows round.
BIDI = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


@dataclass(frozen=True, slots=True)
class Rule(AfterValidator):
    """What a function checks, with what a schema can say of it: whoever reads the description of the API knows it as well."""

    pattern: str

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern}


def plain(text: str) -> str:
    """Without control characters, but for the ends of lines and tabs, and without what turns the direction of writing."""
    if text.isprintable():  # as most are
        return text
    kept = (c for c in text.translate(BIDI) if c in "\n\t" or unicodedata.category(c) != "Cc")
    return "".join(kept)


def clean(text: str) -> str:
    """The text, if it can stand in a line of a page, a log or a terminal as it is. Raises ValueError."""
    if any(unicodedata.category(c) == "Cc" for c in text) or text.translate(BIDI) != text:
        raise ValueError(
            "must not contain control characters, nor what turns the direction of writing"
        )
    return text


CLEAN = Rule(clean, r"^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]*$")


def one_line(text: str) -> str:
    """The same in one line, without space around it."""
    return " ".join(plain(text).split())


def storable(text: str) -> str:
    """Without NUL, which PostgreSQL refuses, and without half a surrogate pair, which no encoding has."""
    if text.isascii():
        return text.replace("\x00", "")
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def storable_json(text: str) -> str:
    """The same for the text of a JSON document, in which NUL is an escape."""
    return storable(ESCAPED_NUL.sub(r"\1", text))


def size_said(size: int) -> str:
    """A number of bytes as people read it, such as 256 KiB and 16 MiB; whole ones only."""
    return f"{size // 1024**2} MiB" if size >= 1024**2 else f"{size // 1024} KiB"
