"""Link probe: does a page of another site exist?

A visit names its program, obeys robots.txt (RFC 9309) and follows few redirects, each of which
`safe_http.py` checks like the first URL. It reads the beginning of the page, to compare its title
(`soft_404.py`). Time, bytes and steps are limited.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from urllib.parse import quote, unquote, urldefrag, urljoin, urlparse, urlsplit

from core.net.ip_allowlist import Networks
from core.net.safe_http import Target, Unreachable, parse, request
from core.net.soft_404 import LARGEST_PAGE, Soft404, find_soft_404
from core.version import NUMBER

LIMIT = 20.0  # seconds for all steps of a visit
MOST_REDIRECTS = 5
LARGEST_ROBOTS = 64 * 1024  # bytes; the rest is not read
ROBOTS_KEPT = 24 * 3600.0  # seconds (RFC 9309)
MOST_HOSTS = 500  # in the cache of robots.txt
NAME = "RoadmapLinkCheck"
HEADERS = {"User-Agent": f"{NAME}/{NUMBER}", "Accept": "*/*"}
REDIRECTS = (301, 302, 303, 307, 308)
SAFE = "!#$%&'()*+,/:;=?@[]~-._"  # characters of a URL (RFC 3986)

GONE = (404, 410)  # the page certainly does not exist

NOT_WANTED = "the site does not allow programs (robots.txt)"
TOO_FAR = f"it redirects more than {MOST_REDIRECTS} times"


@dataclass(frozen=True, slots=True)
class Visit:
    """Result of a visit. The page exists when `wrong` is empty.

    `status` is None without an answer. `refused`: our rules forbid the visit; `unwelcome`: those
    of the site do. `soft`: the page is there, and is another one.
    """

    status: int | None
    wrong: str = ""
    refused: bool = False
    unwelcome: bool = False
    retry_after: float | None = None
    soft: Soft404 | None = None

    @property
    def is_gone(self) -> bool:
        """Return whether the page certainly does not exist."""
        return self.refused or self.status in GONE or self.soft is Soft404.missing


class Robots:
    """Cache of robots.txt by origin. Thread-safe."""

    def __init__(self) -> None:
        # The text: parsed, it takes twelve times as much memory.
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._lock = threading.Lock()

    def allow(self, target: Target, networks: Networks, deadline: float) -> bool:
        """Return whether the site allows the visit. Raises Unreachable."""
        origin = f"{target.scheme}://{target.host_header}"
        with self._lock:
            kept = self._known.get(origin)
        if kept is None or kept[0] < monotonic():
            place = Target(target.scheme, target.host, target.port, "/robots.txt")
            answer = request(
                "GET",
                place,
                HEADERS,
                networks=networks,
                deadline=deadline,
                most_body=LARGEST_ROBOTS,
            )
            # An error of the client allows all, one of the server nothing.
            text = (
                "User-agent: *\nDisallow: /" if answer.status >= 500 else "User-agent: *\nAllow: /"
            )
            if answer.status == 200:
                text = answer.body.decode("utf-8", "replace")
            kept = (monotonic() + ROBOTS_KEPT, text)
            with self._lock:
                self._known[origin] = kept
                while len(self._known) > MOST_HOSTS:
                    self._known.popitem(last=False)
        from urllib.robotparser import RobotFileParser  # 0.7 MB, and few roadmaps need it

        rules = RobotFileParser()
        rules.parse([line for line in kept[1].splitlines() if _is_readable(line)])
        # With the origin: a path alone could look like a host, as //[ does.
        return rules.can_fetch(NAME, origin + target.path)


def _is_readable(line: str) -> bool:
    """Return whether the parser takes the line. Delays are left out."""
    name, _, value = line.partition(":")
    try:
        urlparse(unquote(value.strip()))
    except ValueError:
        return False
    return name.strip().lower() not in ("crawl-delay", "request-rate")


robots = Robots()


def visit(
    url: str, *, networks: Networks = (), limit: float = LIMIT, promised: str | None = None
) -> Visit:
    """Visit a URL once, with its redirects. Never raises for what a server does.

    With the title that is `promised`, an empty one included, soft 404s are found.
    """
    deadline = monotonic() + limit
    asked, whose = url, "its address"
    try:
        for _ in range(MOST_REDIRECTS + 1):
            try:
                target = parse(spelled(url), networks, allow_http=True)
            except ValueError as error:
                return Visit(None, f"{whose} {error}", refused=True)
            if not robots.allow(target, networks, deadline):
                return Visit(None, NOT_WANTED, unwelcome=True)
            answer = request(  # not by HEAD, which many servers answer badly
                "GET",
                target,
                HEADERS,
                networks=networks,
                deadline=deadline,
                most_body=LARGEST_PAGE,
                needs_body=False,
            )
            status, location = answer.status, answer.location
            if status not in REDIRECTS or not location:
                if not 200 <= status < 300:
                    return Visit(
                        status,
                        f"it answered with status {status}",
                        retry_after=answer.retry_after,
                    )
                soft = None
                if promised is not None:
                    soft = find_soft_404(promised, asked, url, answer.content_type, answer.body)
                return Visit(status, soft or "", soft=soft)
            whose = "the address to which it redirects"
            try:
                url = urljoin(url, location)
            except ValueError:
                url = location  # parse refuses it
    except Unreachable as error:
        return Visit(None, str(error))
    return Visit(None, TOO_FAR)


def spelled(url: str) -> str:
    """Return the URL as it is sent: in ASCII, without a fragment. Raises ValueError."""
    try:
        bare = urldefrag(url)[0]
        if bare.isascii():
            return quote(bare, safe=SAFE)
        parts = urlsplit(bare)
        host = parts.hostname.encode("idna").decode() if parts.hostname else ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:  # also a UnicodeError
        raise ValueError("is not a valid URL") from None
    return quote(parts._replace(netloc=host + port).geturl(), safe=SAFE)
