"""Pagination of lists by Link headers (RFC 8288)."""

from typing import Annotated, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, Field
from starlette.requests import Request

from core.json_types import LazyModel
from web.http.responses import Reply
from web.http.urls import quoted_path

Page = TypeVar("Page", bound=BaseModel)
Limit = Annotated[int, Field(ge=1, le=100, description="Maximum number of items.")]
CURSOR = Field(None, description="`next_cursor` of the previous page.")


class PageQuery(LazyModel, extra="forbid"):
    """Query of a list in pages."""

    cursor: UUID | None = CURSOR
    limit: Limit = 50


def paged(request: Request, query: BaseModel, page: Page) -> Reply[Page]:
    """Return the page, with a Link to the next one if it has a `next_cursor`."""
    cursor: str | None = page.next_cursor  # type: ignore[attr-defined]
    if cursor is None:
        return Reply(page)
    given = query.model_dump(mode="json", exclude_unset=True)
    address = (
        f"{quoted_path(request.scope['path'])}?{urlencode({**given, 'cursor': cursor}, doseq=True)}"
    )
    return Reply(page, headers={"Link": f'<{address}>; rel="next"'})
