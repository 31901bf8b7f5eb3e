"""E-mail addresses in the spelling in which they are stored and compared."""

import re
import unicodedata
from typing import Annotated

from pydantic import Field

from core.text import Rule, clean

LONGEST = 254  # characters (RFC 5321)
SHAPE = r"[^@\s]+@[^@\s]+\.[^@\s]+"


def in_one_spelling(text: str) -> str:
    """Normalise an e-mail address to NFKC and lower case. Raises ValueError.

    Invisible characters are refused: two addresses could look the same.
    """
    text = clean(unicodedata.normalize("NFKC", text).lower())
    if any(unicodedata.category(c) in ("Cf", "Mn", "Me", "Zs", "Zl", "Zp") for c in text):
        raise ValueError("must not contain characters that cannot be seen by themselves")
    if len(text) > LONGEST or not re.fullmatch(SHAPE, text):
        raise ValueError("is not an e-mail address")
    return text


Email = Annotated[
    str,
    Field(max_length=LONGEST, json_schema_extra={"format": "email"}),
    Rule(in_one_spelling, f"^{SHAPE}$"),
]
