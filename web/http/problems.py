"""Problem documents (RFC 9457)."""

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from core.errors import FieldError, RoadmapError
from web.http.problem_types import PROBLEMS, ProblemType

MEDIA_TYPE = "application/problem+json"


class Wrong(BaseModel):
    """One field of the body, by a JSON pointer (RFC 6901) as a fragment, or one parameter of the query, the path or a header."""

    pointer: str | None = Field(None, description="Of a field of the body.", examples=["#/goal"])
    parameter: str | None = Field(
        None, description="The name of a parameter of the query, the path or a header."
    )
    detail: str = Field(
        description="The rule that it breaks.", examples=["should have at least 2 characters"]
    )


class Problem(BaseModel):
    """Problem details (RFC 9457). Programs decide by `type`, which can also be read about at its address."""

    type: str = Field(description="What kind of problem it is.", examples=["/problems/invalid"])
    title: str = Field(description="The same in words.", examples=["Some input does not fit"])
    status: int = Field(description="That of the answer.", examples=[422])
    detail: str = Field(
        description="What has happened this time.", examples=["Some fields do not fit."]
    )
    errors: list[Wrong] | None = Field(None, description="Each field that is wrong.")
    request_id: str | None = Field(
        None, description="Finds the request in the log.", examples=["9f86d081884c7d65"]
    )


def problem(
    request: Request,
    kind: ProblemType,
    detail: str,
    fields: tuple[FieldError, ...] = (),
    **headers: str,
) -> Response:
    request_id = request.scope.get("state", {}).get("request_id")
    document = Problem(
        type=kind.uri,
        title=kind.title,
        status=kind.status,
        detail=detail,
        errors=[field_problems(field) for field in fields] or None,
        request_id=request_id,
    )
    content = document.model_dump_json(exclude_none=True)
    response = Response(content, kind.status, headers, media_type=MEDIA_TYPE)
    if (
        request_id
    ):  # the answer to an unexpected error passes by the middleware that sets it otherwise
        response.headers["X-Request-ID"] = request_id
    return response


def status_of(error: RoadmapError) -> int:
    return problem_kind(error).status


def problem_kind(error: RoadmapError) -> ProblemType:
    """Of its class, or of the nearest above: programs need not tell all of them apart."""
    return next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)


def field_problems(field: FieldError) -> Wrong:
    if field.pointer.startswith("?"):
        return Wrong(parameter=field.pointer[1:], detail=field.detail)
    return Wrong(pointer="#" + field.pointer, detail=field.detail)
