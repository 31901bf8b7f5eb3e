"""OpenAPI document and problem types."""

from functools import cache
from operator import attrgetter

from pydantic import Field
from starlette.responses import Response

from core.json_types import LazyModel
from web.endpoints.call import Call
from web.endpoints.endpoint import Endpoint
from web.http.problems import TYPES, ProblemType, problem_type
from web.http.responses import Document, conditional_response
from web.openapi_file import description


class ProblemMeaning(LazyModel):
    """A problem type with its meaning and remedy."""

    type: str = Field(
        description="`type` of such problem documents, and the path of this response."
    )
    title: str = Field(description="Short text for the type.")
    status: int = Field(description="HTTP status code.")
    meaning: str = Field(description="Meaning of the type.")
    remedy: str = Field(description="Remedy.")


class ProblemMeanings(LazyModel):
    """All problem types, by status."""

    items: list[ProblemMeaning]


def show_openapi(call: Call) -> Response:
    """OpenAPI 3.1, generated from the types of the handlers."""
    return conditional_response(call.request, _document(), "application/json", {})


def read_problem_type(call: Call) -> ProblemMeaning:
    """The `type` of each problem document is this path."""
    return meaning_of(problem_type(call.ids["slug"]))


def list_problem_types(call: Call) -> ProblemMeanings:
    """All problem types, each with its meaning and remedy."""
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


ENDPOINTS = (
    Endpoint("GET", "/openapi.json", show_openapi, "Read the OpenAPI document", public=True),
    Endpoint("GET", "/problems", list_problem_types, "List problem types", public=True),
    Endpoint("GET", "/problems/{slug}", read_problem_type, "Read a problem type", public=True),
)
