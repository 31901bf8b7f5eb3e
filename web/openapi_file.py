"""OpenAPI description of the API, as it is served."""

from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("openapi.json")
EXAMPLES = Path(__file__).with_name("examples.json")  # real answers: scripts/examples.py


@cache
def description() -> bytes:
    return FILE.read_bytes()
