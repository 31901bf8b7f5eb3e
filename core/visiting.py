"""Whether a page of others is there: asked as a polite visitor asks, by the rules of `outbound.py` at each step of the way.

A visitor says who it is, asks for the head alone where that is answered, keeps away from where a site wants no programs
(robots.txt, RFC 9309), and follows few redirects, each of which is checked like the first address. Everything has its limit:
seconds, bytes, steps.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from urllib.parse import quote, unquote, urldefrag, urljoin, urlparse, urlsplit
from urllib.robotparser import RobotFileParser

from core.outbound import Answered, Target, Unreachable, look, parse
from core.public_addresses import Networks
from core.version import NUMBER

LIMIT = 20.0  # seconds for all steps of a visit
MOST_REDIRECTS = 5
LARGEST_ROBOTS = 64 * 1024  # bytes; what is behind them is not read
ROBOTS_KEPT = 24 * 3600.0  # seconds, as RFC 9309 wants it
MOST_HOSTS = 500  # whose robots.txt is remembered
NAME = "RoadmapLinkCheck"
HEADERS = {"User-Agent": f"{NAME}/{NUMBER}", "Accept": "*/*"}
REDIRECTS = (301, 302, 303, 307, 308)
HEAD_IS_ENOUGH = (
    200,
    204,
    206,
    *REDIRECTS,
    429,
)  # others are asked again by GET: many servers answer HEAD badly
SAFE = "!#$%&'()*+,/:;=?@[]~-._"  # of a URL, as RFC 3986 has them

GONE = (404, 410)  # what tells for certain that a page is not there

NOT_WANTED = "the site asks programs to stay away (robots.txt)"
TOO_FAR = f"it leads on more than {MOST_REDIRECTS} times"


@dataclass(frozen=True, slots=True)
class Visit:
    """What was found. `status` is None when no answer came; `wrong` says why, and, without any, the page is there.

    `refused`: it is never asked, by our rules; `unwelcome`: by those of its site.
    """

    status: int | None
    wrong: str = ""
    refused: bool = False
    unwelcome: bool = False
    retry_after: float | None = None

    @property
    def is_gone(self) -> bool:
        """Surely: an error of a server or of the way to it may pass."""
        return self.refused or self.status in GONE


class Robots:
    """What sites want of programs, by their origin. For threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[float, str]] = (
            OrderedDict()
        )  # the text: parsed, it takes twelve times as much
        self._lock = threading.Lock()

    def allow(self, target: Target, networks: Networks, until: float) -> bool:
        """Raises Unreachable when the site does not answer."""
        origin = f"{target.scheme}://{target.host_header}"
        with self._lock:
            kept = self._known.get(origin)
        if kept is None or kept[0] < monotonic():
            kept = (monotonic() + ROBOTS_KEPT, self._read(target, networks, until))
            with self._lock:
                self._known[origin] = kept
                while len(self._known) > MOST_HOSTS:
                    self._known.popitem(last=False)
        rules = RobotFileParser()
        rules.parse([line for line in kept[1].splitlines() if _is_readable(line)])
        return rules.can_fetch(
            NAME, origin + target.path
        )  # a path alone could look like a host: //[

    def _read(self, target: Target, networks: Networks, until: float) -> str:
        """Where there is none, or only an error of the visitor's, everything is allowed; a site that fails wants nobody."""
        place = Target(target.scheme, target.host, target.port, "/robots.txt")
        answered = look(
            "GET", place, HEADERS, networks=networks, until=until, most_body=LARGEST_ROBOTS
        )
        if answered.status == 200:
            return answered.body.decode("utf-8", "replace")
        return "User-agent: *\nDisallow: /" if answered.status >= 500 else "User-agent: *\nAllow: /"


def _is_readable(line: str) -> bool:
    """What the parser of the standard library would raise for is no rule. Delays are not asked for."""
    name, _, value = line.partition(":")
    try:
        urlparse(unquote(value.strip()))
    except ValueError:
        return False
    return name.strip().lower() not in ("crawl-delay", "request-rate")


robots = Robots()


def visit(url: str, *, networks: Networks = (), limit: float = LIMIT) -> Visit:
    """Once, with all its redirects. Never raises for what others do."""
    until = monotonic() + limit
    whose = "its address"
    try:
        for _ in range(MOST_REDIRECTS + 1):
            target = _target(url, networks)
            if not robots.allow(target, networks, until):
                return Visit(None, NOT_WANTED, unwelcome=True)
            answered = _asked(target, networks, until)
            if answered.status not in REDIRECTS or not answered.location:
                return _seen(answered)
            url, whose = _led(url, answered.location), "the address to which it redirects"
    except _Refused as refused:
        return Visit(None, f"{whose} {refused}", refused=True)
    except Unreachable as error:
        return Visit(None, str(error))
    return Visit(None, TOO_FAR)


class _Refused(Exception):
    """By which rule of ours, as a sentence goes on."""


def _led(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        return location  # is refused by the next look at it


def _target(url: str, networks: Networks) -> Target:
    try:
        ascii_url = spelled(url)
    except ValueError:
        raise _Refused("is not a readable URL") from None
    try:
        return parse(ascii_url, networks, plain=True)
    except ValueError as error:
        raise _Refused(str(error)) from None


def spelled(url: str) -> str:
    """As it goes over the wire: ASCII, without a fragment. Raises ValueError when its host cannot be said so."""
    bare = urldefrag(url)[0]
    if bare.isascii():
        return quote(bare, safe=SAFE)
    parts = urlsplit(bare)
    host = (
        (parts.hostname or "").encode("idna").decode() if parts.hostname else ""
    )  # UnicodeError is a ValueError
    port = f":{parts.port}" if parts.port is not None else ""
    return quote(parts._replace(netloc=host + port).geturl(), safe=SAFE)


def host_of(url: str) -> str:
    """Whose address it is, whatever its port and its letters; one that cannot be read is nobody else's."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _asked(target: Target, networks: Networks, until: float) -> Answered:
    """By HEAD, and by GET where that was no plain answer."""
    try:
        answered = look("HEAD", target, HEADERS, networks=networks, until=until)
        if answered.status in HEAD_IS_ENOUGH:
            return answered
    except Unreachable:
        if monotonic() >= until:
            raise
    return look("GET", target, HEADERS, networks=networks, until=until)


def _seen(answered: Answered) -> Visit:
    status = answered.status
    wrong = "" if 200 <= status < 300 else f"it answered with status {status}"
    return Visit(status, wrong, retry_after=answered.retry_after)
