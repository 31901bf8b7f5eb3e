"""JSON types: integers, pages of a list, merge patches, language tags."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator

LANGUAGE_TAG = r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$"  # BCP 47


def whole(value: Any) -> Any:
    """Return 8 for 8.0, which is an integer in JSON Schema, as many languages write it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(whole)  # the last annotation of an integer, which is applied first
Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """`next_cursor` is null on the last page."""

    items: list[Item]
    next_cursor: str | None


class MergePatch(BaseModel):
    """JSON merge patch (RFC 7396). One that changes nothing is `{}`: no body is none."""
