"""Filters of operators with the place in the list."""

from uuid import UUID

from roadmap.operations.search_filters import LogFilter, RoadmapSearch
from web.http.pagination import CURSOR, Limit


class SearchQuery(RoadmapSearch):
    cursor: UUID | None = CURSOR
    limit: Limit = 20


class LogSearchQuery(LogFilter):
    cursor: UUID | None = CURSOR
    limit: Limit = 50
