"""Integers as in JSON Schema: 8.0 is an integer, too, as many languages write it."""

from typing import Any

from pydantic import BeforeValidator


def whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(whole)  # the last annotation of an integer, which is applied first
