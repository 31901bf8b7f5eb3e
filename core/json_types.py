"""JSON types: integers, also written as 8.0 (JSON Schema), and pages of items."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator


def whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(whole)  # the last annotation of an integer, which is applied first
Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """`next_cursor` is null on the last page."""

    items: list[Item]
    next_cursor: str | None
