"""JSON types: base of models, integers, models from rows, pages of a list, merge patches, tags."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

LANGUAGE_TAG = r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$"  # BCP 47


def whole(value: Any) -> Any:
    """Return 8 for 8.0, which is an integer in JSON Schema, as many languages write it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class LazyModel(BaseModel):
    """Base of the models of requests, responses and files.

    Its validator is built at its first use: each process uses a few of all models.
    """

    model_config = ConfigDict(defer_build=True)


WHOLE = BeforeValidator(whole)  # the last annotation of an integer, which is applied first
Item = TypeVar("Item")
Model = TypeVar("Model", bound=BaseModel)


def from_row(model: type[Model], row: object, **others: Any) -> Model:
    """Return a model with the attributes of a row, and with `others` instead of some."""
    same = model.model_fields.keys() - others
    return model(**{name: getattr(row, name) for name in same}, **others)


class Page(LazyModel, Generic[Item]):
    """`next_cursor` is null on the last page."""

    items: list[Item]
    next_cursor: str | None


def page_of(items: list[Any], limit: int) -> Page[Any]:
    """Return a page of at most `limit` items; one more shows that there is a next page."""
    last = items[limit - 1].id if len(items) > limit else None
    return Page(items=items[:limit], next_cursor=last and str(last))


class MergePatch(LazyModel):
    """JSON merge patch (RFC 7396). One that changes nothing is `{}`: no body is none."""
