"""Sanitising of text: control characters, NUL, and e-mail addresses."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

# Redis and Valkey quote an unknown command so: it may be a login with its password.
ARGUMENTS = re.compile(", with args beginning with:.*")


def without_arguments(text: str) -> str:
    """Remove the arguments of a command that a broker quotes in an error."""
    return ARGUMENTS.sub("", text)


CODE = re.compile(r"`([^`\n]+)`")
ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
# Characters that change the direction of writing
BIDI = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


@dataclass(frozen=True, slots=True)
class Rule(AfterValidator):
    """Validator with the pattern that describes it in the API's schema."""

    pattern: str

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern}


def code_spans(text: str) -> list[str]:
    """Split a line at its backticks: every second piece is code."""
    return CODE.split(text)


def plain(text: str) -> str:
    """Remove control characters except line ends and tabs, and changes of direction."""
    if text.isprintable():  # as most are
        return text
    kept = (c for c in text.translate(BIDI) if c in "\n\t" or unicodedata.category(c) != "Cc")
    return "".join(kept)


def validate_printable(text: str) -> str:
    """Return a text that is safe in a line of a log or page, or raise ValueError."""
    if any(unicodedata.category(c) == "Cc" for c in text) or text.translate(BIDI) != text:
        raise ValueError(
            "must not contain control characters or characters that change the text direction"
        )
    return text


CLEAN = Rule(
    validate_printable,
    r"^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]*$",
)


def one_line(text: str) -> str:
    """Return the plain text in one line, without surrounding space."""
    return " ".join(plain(text).split())


def strip_nul(text: str) -> str:
    """Remove NUL, which PostgreSQL refuses, and replace lone surrogates."""
    if text.isascii():
        return text.replace("\x00", "")
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def strip_nul_json(text: str) -> str:
    """Do the same with a JSON document, in which NUL is an escape."""
    return strip_nul(ESCAPED_NUL.sub(r"\1", text))


def format_size(size: int) -> str:
    """Return a number of bytes in whole KiB or MiB, such as 256 KiB."""
    return f"{size // 1024**2} MiB" if size >= 1024**2 else f"{size // 1024} KiB"


LONGEST = 254  # characters (RFC 5321)
SHAPE = r"[^@\s]+@[^@\s]+\.[^@\s]+"


def normalize_email(text: str) -> str:
    """Normalise an e-mail address to NFKC and lower case. Raises ValueError.

    Invisible characters are refused: two addresses could look the same.
    """
    text = validate_printable(unicodedata.normalize("NFKC", text).lower())
    if any(unicodedata.category(c) in ("Cf", "Mn", "Me", "Zs", "Zl", "Zp") for c in text):
        raise ValueError("must not contain invisible characters")
    if len(text) > LONGEST or not re.fullmatch(SHAPE, text):
        raise ValueError("is not an e-mail address")
    return text


Email = Annotated[
    str,
    Field(max_length=LONGEST, json_schema_extra={"format": "email"}),
    Rule(normalize_email, f"^{SHAPE}$"),
]
