"""Description of this API and the meaning of its problems."""

from functools import cache
from operator import attrgetter

from pydantic import BaseModel, Field
from starlette.responses import Response

from web.call import Call
from web.http.problems import TYPES, ProblemType, problem_type
from web.http.responses import Document, conditional_response
from web.openapi_file import description


class ProblemMeaning(BaseModel):
    """A type of problem: what it means, and what to do about it."""

    type: str = Field(
        description="What `type` says in a problem of this type, and the address of this answer."
    )
    title: str = Field(description="What has happened, in a few words.")
    status: int = Field(description="The status of answers with it.")
    meaning: str = Field(description="What has happened.")
    remedy: str = Field(description="What to do about it.")


class ProblemMeanings(BaseModel):
    """Every type of problem, by its status."""

    items: list[ProblemMeaning]


def show_openapi(call: Call) -> Response:
    """OpenAPI 3.1, generated from the types of the handlers."""
    return conditional_response(call.request, _document(), "application/json", {})


def read_problem_type(call: Call) -> ProblemMeaning:
    """Every problem names its type by this address."""
    return meaning_of(problem_type(call.ids["slug"]))


def list_problem_types(call: Call) -> ProblemMeanings:
    """Types of problems, and what to do about each."""
    return ProblemMeanings(
        items=[meaning_of(kind) for kind in sorted(TYPES.values(), key=attrgetter("status"))]
    )


def meaning_of(kind: ProblemType) -> ProblemMeaning:
    return ProblemMeaning(
        type=kind.uri,
        title=kind.title,
        status=kind.status,
        meaning=kind.meaning,
        remedy=kind.remedy,
    )


@cache
def _document() -> Document:
    return Document(description())
