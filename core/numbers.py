"""Integers as JSON has them: 8.0 is one as well as 8. JSON Schema says so, and in many languages the two are one number."""

from typing import Any

from pydantic import BeforeValidator


def whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(whole)  # the last annotation of an integer: it is asked first
