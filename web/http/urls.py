"""Paths and queries of requests as they are written in headers and links: percent-encoded ASCII, in one line."""

from urllib.parse import quote

from starlette.requests import Request

IN_PATHS = (
    "/:@!$&'()*+,;=~"  # beside letters, digits and "-._": what stands in a path as it is (RFC 3986)
)
IN_URLS = IN_PATHS + "?#[]%"
MOST_PARAMETERS, LONGEST_QUERY = 100, 16 * 1024  # of a query; a goal of 1000 characters takes 9 KB
LONGEST_TOLD = 200  # characters of a path that an answer or a line of the log repeats


def quoted_path(path: str) -> str:
    """A path that was decoded, as the server's parser does."""
    return quote(path, safe=IN_PATHS, errors="replace")


def quoted_url(url: str) -> str:
    """A path with its query and fragment. What is percent-encoded already stays as it is."""
    return quote(url, safe=IN_URLS, errors="replace")


def is_too_long(request: Request) -> bool:
    """Whether the query is longer than any that is meant: it is not decoded then."""
    query: bytes = request.scope["query_string"]
    return len(query) > LONGEST_QUERY or query.count(b"&") >= MOST_PARAMETERS


def path_and_query(request: Request) -> str:
    """The path with the query, unless that is longer than any that is meant."""
    query = (
        "" if is_too_long(request) else quote(request.scope["query_string"], safe=IN_PATHS + "?%")
    )
    return quoted_path(request.scope["path"]) + (f"?{query}" if query else "")


def shorten(path: str) -> str:
    return path if len(path) <= LONGEST_TOLD else f"{path[:LONGEST_TOLD]}..."
