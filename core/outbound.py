"""Requests to addresses that other people have named: to the public internet only, or to networks that the operator allows.

A name is looked up once, every address that it has must be allowed, and the connection goes to the very address that was
checked, so that a name which changes in between (DNS rebinding) leads nowhere else. The names of the service itself are looked
up in the same moment, and what they lead to is not called (`own_addresses.py`). No redirect is followed here: `visiting.py`
asks anew, by the same rules, where one leads. No proxy of the environment is asked, and of an answer no more is kept than was
asked for.
"""

import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urlsplit

from core.own_addresses import is_own, is_own_name, names_to_look_up
from core.public_addresses import Address, Networks, address_in, is_allowed, is_in

LIMIT = 15.0  # seconds for all of it: name, connection, handshake, request, answer
CONNECTING = 5.0  # seconds for one address, while there are others
PARTING = 1.0  # seconds in which the rest of an answer is read, so that its sender sees no broken connection
LARGEST_ANSWER = 16 * 1024  # bytes that are read of it
LONGEST_URL = 500
LONGEST_PLAIN = 8000  # of a page: what an address of a resource can be, and where sites redirect to
MOST_ADDRESSES = 8  # of one name that are tried

LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
NAME = re.compile(rf"{LABEL}(?:\.{LABEL})*", re.IGNORECASE)
NUMBER = re.compile(
    r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE
)  # as the last label, it makes resolvers read the host as IPv4
STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
LOCATION = re.compile(
    rb"^location:([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)  # one way to match: blanks are taken off later
RETRY_AFTER = re.compile(
    rb"^retry-after:[ \t]*([0-9]{1,7})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
)
NO_ADDRESS = (
    socket.EAI_NONAME,
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME),
)  # of the errors of a lookup
HEAD_END = re.compile(rb"\r?\n\r?\n")

NOWHERE = "the name was not found, or it leads to this service or to an address that is not on the public internet"
OWN = "must not lead to this service itself"
PLAIN = "http is for networks that the operator allows; use https"
UNREACHED = "the receiver could not be reached"
TOO_SLOW = "it did not answer in time"
NO_ANSWER = "the connection ended before an answer"
NOT_HTTP = "what it answered is not HTTP"


class Unreachable(Exception):
    """There is no status. The message says what class of problem it was, and nothing of what another server has said.

    `discreet`: how it failed is nobody's business, nor how long it took.
    """

    def __init__(self, message: str, *, discreet: bool = False) -> None:
        super().__init__(message)
        self.discreet = discreet


@dataclass(frozen=True, slots=True)
class Answered:
    """`retry_after` is in seconds, where the answer says so in digits; `location` is where a redirect leads, as it is written."""

    status: int
    retry_after: float | None
    location: str | None = None
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its parts. `host` is in lower case, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int
    path: str  # with the query

    @property
    def literal(self) -> Address | None:
        return address_in(self.host)

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"
        )


def parse(url: str, networks: Networks, *, plain: bool = False) -> Target:
    """Check what can be known without asking anybody: the form, and an address that is written out.

    `plain`: http may go to anybody. Raises ValueError with the rule that is broken, as a sentence goes on behind the name of a
    field.
    """
    if len(url) > (longest := LONGEST_PLAIN if plain else LONGEST_URL):
        raise ValueError(f"should have at most {longest} characters")
    if not re.fullmatch(r"[!-~]+", url) or any(c in url for c in '\\"<>^`{|}'):
        raise ValueError(
            "must be a URL of ASCII characters, others percent-encoded and a name in its punycode (xn--)"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a readable URL") from None
    if "#" in url:
        raise ValueError("must not have a fragment (#)")
    _check_form(parts, plain or bool(networks))
    scheme, host = parts.scheme, (parts.hostname or "").lower()
    number = port if port is not None else (443 if scheme == "https" else 80)
    if not (number == 443 or number >= 1024 or (scheme == "http" and number == 80)):
        raise ValueError("must name port 443, none, or one from 1024")
    target = Target(
        scheme, host, number, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    )
    literal = target.literal
    if literal is not None:
        if not is_allowed(literal, networks):
            raise ValueError("must not name an address that is not on the public internet")
        if is_own(literal, number, ()):
            raise ValueError(OWN)
        if scheme == "http" and not plain and not is_in(literal, networks):
            raise ValueError("must begin with https://")
    elif (
        parts.netloc.startswith("[")
        or len(host) > 253
        or not NAME.fullmatch(host)
        or NUMBER.fullmatch(host.rpartition(".")[2])
    ):
        raise ValueError(
            "must name a host by its name, in ASCII letters, or by its address in the usual form"
        )
    if is_own_name(host, number):
        raise ValueError(OWN)
    return target


def _check_form(parts: SplitResult, plain: bool) -> None:
    if parts.scheme != "https" and not (parts.scheme == "http" and plain):
        raise ValueError("must begin with https://")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user or a password")
    if not parts.hostname:
        raise ValueError("must name a host")


def post(
    url: str,
    body: bytes,
    headers: dict[str, str],
    *,
    networks: Networks = (),
    discreet: bool = True,
    limit: float = LIMIT,
) -> Answered:
    """Send it, once. Raises Unreachable when no status comes back within `limit` seconds.

    `discreet`: of what stands in one of the networks it is not told how it failed, so that nobody can tell its hosts and
    ports apart.
    """
    until = monotonic() + limit
    try:
        target = parse(url, networks)
    except ValueError as error:
        raise Unreachable(f"the URL {error}") from None
    addresses = _resolved(target, networks, until, plain=False)
    lines = [f"POST {target.path} HTTP/1.1", f"Content-Length: {len(body)}"]
    try:
        return _asked(target, addresses, until, _head(lines, target, headers) + body)
    except Unreachable:
        if discreet and any(is_in(address, networks) for address in addresses):
            raise Unreachable(UNREACHED, discreet=True) from None
        raise


def look(
    method: str,
    target: Target,
    headers: dict[str, str],
    *,
    networks: Networks,
    until: float,
    most_body: int = 0,
) -> Answered:
    """HEAD or GET it, once, also by http; `most_body` bytes of what comes are kept. Raises Unreachable when no status has come
    `until` then, by the monotonic clock.

    It is asked in HTTP/1.0, so that what comes is not in chunks and the connection ends with it.
    """
    addresses = _resolved(target, networks, until, plain=True)
    return _asked(
        target,
        addresses,
        until,
        _head([f"{method} {target.path} HTTP/1.0"], target, headers),
        most_body,
    )


def _asked(
    target: Target, addresses: list[Address], until: float, request: bytes, most_body: int = 0
) -> Answered:
    with _Connection(target, addresses, until) as connection:
        connection.send(request)
        return connection.answer(most_body)


def _head(lines: list[str], target: Target, headers: dict[str, str]) -> bytes:
    lines = [*lines, f"Host: {target.host_header}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _resolved(target: Target, networks: Networks, until: float, *, plain: bool) -> list[Address]:
    """Every address of the host, all of them allowed. Raises Unreachable, in the same words for none, private and own ones."""
    literal, own_names = target.literal, names_to_look_up()
    found = _looked_up(
        [*([target.host] if literal is None else []), *own_names], target.port, until
    )
    addresses = found[target.host] if literal is None else [literal]
    own = [address for name in own_names for address in found[name]]
    if not addresses or not all(
        is_allowed(each, networks) and not is_own(each, target.port, own) for each in addresses
    ):
        raise Unreachable(NOWHERE)
    if (
        target.scheme == "http"
        and not plain
        and not all(is_in(address, networks) for address in addresses)
    ):
        raise Unreachable(PLAIN)
    return addresses[:MOST_ADDRESSES]


def _looked_up(names: list[str], port: int, until: float) -> dict[str, list[Address]]:
    """All at once, each in a thread, since nothing else can end a lookup that takes too long; it is left behind and ends by
    itself. Raises Unreachable when one of them is not answered: to have no address is an answer.
    """
    found: dict[str, list[Address | None]] = {}

    def ask(name: str) -> None:
        try:
            told = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            if isinstance(error, UnicodeError) or error.errno in NO_ADDRESS:
                found[name] = []
            return
        found[name] = list(dict.fromkeys(address_in(str(address[0])) for *_, address in told))

    threads = [
        threading.Thread(target=ask, args=[name], name="Lookup", daemon=True) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - monotonic()))
    answers = {name: found.get(name, [None]) for name in names}
    if any(
        None in addresses for addresses in answers.values()
    ):  # an address of a kind that cannot be checked, or no answer
        raise Unreachable(
            NOWHERE
        )  # in time: in the same words, since a server of names could tell by slowness what is inside
    return {
        name: [each for each in addresses if each is not None]
        for name, addresses in answers.items()
    }


class _Connection:
    """To one of these addresses, for a `with`. Each wait ends at `until`, by the monotonic clock, whatever comes meanwhile."""

    def __init__(self, target: Target, addresses: list[Address], until: float) -> None:
        self._target, self._addresses, self._until = target, addresses, until
        self._socket: Any = None

    def __enter__(self) -> "_Connection":
        self._socket = plain = _classed(self._connected)
        if self._target.scheme == "https":
            try:
                self._socket = _classed(lambda: self._encrypted(plain))
            except BaseException:
                plain.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._waiting(lambda rest=rest: self._socket.send(rest)) :]  # type: ignore[misc]

    def answer(self, most_body: int = 0) -> Answered:
        """From the head; of what comes behind it, `most_body` bytes are kept."""
        received = b""
        while (ended := _final_head(received)) is None:
            if len(received) >= LARGEST_ANSWER:
                raise Unreachable(NOT_HTTP)
            more = self._waiting(lambda: self._socket.recv(4096))
            if not more:
                raise Unreachable(NOT_HTTP if received else NO_ANSWER)
            received += more
        status, head, body = ended
        if most_body:
            body = self._rest(body, most_body)
        else:
            self._pass_over(len(received))
        asked, leads = RETRY_AFTER.search(head), LOCATION.search(head)
        wait = float(asked[1]) if asked else None
        return Answered(
            status,
            wait,
            leads[1].strip(b" \t").decode("utf-8", "replace") if leads else None,
            body[:most_body],
        )

    def _rest(self, body: bytes, most: int) -> bytes:
        while len(body) < most and (more := self._waiting(lambda: self._socket.recv(4096))):
            body += more
        return body

    def _pass_over(self, received: int) -> None:
        until = min(self._until, monotonic() + PARTING)
        try:
            while received < LARGEST_ANSWER and (left := until - monotonic()) > 0:
                self._socket.settimeout(left)
                more = self._socket.recv(4096)
                if not more:
                    return
                received += len(more)
        except OSError:
            return  # the answer is there: nobody needs the rest

    def _connected(self) -> socket.socket:
        for address in self._addresses[:-1]:
            try:
                return self._connected_to(address, CONNECTING)
            except OSError:
                continue  # another address may be there
        return self._connected_to(self._addresses[-1], LIMIT)

    def _connected_to(self, address: Address, longest: float) -> socket.socket:
        """To the address itself: nobody looks the name up once more."""
        made = socket.socket(
            socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM
        )
        try:
            made.settimeout(min(longest, self._left()))
            made.connect((str(address), self._target.port))
        except BaseException:
            made.close()
            raise
        return made

    def _encrypted(self, plain: socket.socket) -> ssl.SSLSocket:
        plain.settimeout(self._left())  # of the whole handshake
        return tls_context().wrap_socket(plain, server_hostname=self._target.host)

    def _waiting(self, step: Callable[[], Any]) -> Any:
        self._socket.settimeout(self._left())
        return _classed(step)

    def _left(self) -> float:
        left = self._until - monotonic()
        if left <= 0:
            raise Unreachable(TOO_SLOW)
        return left


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Certificates are checked against the authorities of this machine, and against the name of the host."""
    return ssl.create_default_context()


def _classed(step: Callable[[], Any]) -> Any:
    """Raises Unreachable, with the class of what went wrong alone."""
    try:
        return step()
    except (OSError, ValueError) as error:  # ValueError: a name that TLS cannot say
        raise Unreachable(_class_of(error)) from None


def _class_of(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its TLS certificate is not valid for this host"
    if isinstance(error, TimeoutError):
        return TOO_SLOW
    if isinstance(error, ssl.SSLError | ValueError):
        return "no TLS connection could be made"
    if isinstance(error, ConnectionRefusedError):
        return "it refused the connection"
    return NO_ANSWER if isinstance(error, ConnectionError) else UNREACHED


def _final_head(received: bytes) -> tuple[int, bytes, bytes] | None:
    """Of the answer itself, once it is there, status, head and what is behind it; those before it (1xx) say that it will come."""
    start = 0
    while (end := HEAD_END.search(received, start)) is not None:
        head = received[start : end.end()]
        found = STATUS.match(head)
        if found is None:
            raise Unreachable(NOT_HTTP)
        status = int(found[1])
        if status >= 200:
            return status, head, received[end.end() :]
        start = end.end()
    return None
