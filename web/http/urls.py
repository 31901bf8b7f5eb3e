"""Paths and queries of requests as percent-encoded ASCII, for headers and links."""

from urllib.parse import quote

from starlette.requests import Request

# Characters of a path that are not encoded, beside letters, digits and "-._" (RFC 3986)
IN_PATHS = "/:@!$&'()*+,;=~"
IN_URLS = IN_PATHS + "?#[]%"
MOST_PARAMETERS, LONGEST_QUERY = 100, 16 * 1024  # of a query; a goal of 1000 characters takes 9 KB
LONGEST_SHOWN = 200  # characters of a path that a response or a log line repeats


def quoted_path(path: str) -> str:
    """Encode a path that the server has decoded."""
    return quote(path, safe=IN_PATHS, errors="replace")


def quoted_url(url: str) -> str:
    """Encode a path with its query and fragment, except for what is encoded already."""
    return quote(url, safe=IN_URLS, errors="replace")


def is_too_long(request: Request) -> bool:
    """Whether the query is longer than any valid one, so that it is not decoded."""
    query: bytes = request.scope["query_string"]
    return len(query) > LONGEST_QUERY or query.count(b"&") >= MOST_PARAMETERS


def path_and_query(request: Request) -> str:
    """Return the path with the query, unless that is longer than any valid one."""
    query = (
        "" if is_too_long(request) else quote(request.scope["query_string"], safe=IN_PATHS + "?%")
    )
    return quoted_path(request.scope["path"]) + (f"?{query}" if query else "")


def shorten(path: str) -> str:
    return path if len(path) <= LONGEST_SHOWN else f"{path[:LONGEST_SHOWN]}..."
