"""What this API is: its description, and what its problems mean."""

from functools import cache
from pathlib import Path

from pydantic import BaseModel
from starlette.responses import Response

from core.errors import NotFound
from web.answering import represented
from web.endpoint import Call
from web.problem_types import TYPES

FILE = Path(__file__).parent.parent / "openapi.json"


class ProblemMeaning(BaseModel):
    """A type of problem: what it means, and what to do about it."""

    type: str
    title: str
    status: int
    meaning: str
    remedy: str


def show_openapi(call: Call) -> Response:
    """OpenAPI 3.1, generated from the types of the handlers."""
    return represented(call.request, description(), "application/json", {"Cache-Control": "no-cache"})


def read_problem_type(call: Call) -> ProblemMeaning:
    """Every problem names its type by this address."""
    kind = TYPES.get(call.ids["slug"])
    if kind is None:
        raise NotFound("There is no such type of problem.")
    return ProblemMeaning(type=kind.uri, title=kind.title, status=kind.status, meaning=kind.meaning, remedy=kind.remedy)


@cache
def description() -> bytes:
    return FILE.read_bytes()
