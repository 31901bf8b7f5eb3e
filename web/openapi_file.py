"""OpenAPI description of the API, as it is served."""

from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("openapi.json")


@cache
def description() -> bytes:
    return FILE.read_bytes()
