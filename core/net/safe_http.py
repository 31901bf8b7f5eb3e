"""HTTP requests to URLs of users: on the public internet or allowed networks.

A name is resolved once, each of its addresses must be allowed, and the connection goes to an
address that was checked, so that a name that changes in between (DNS rebinding) has no effect.
The names of this service are resolved at the same time, and their addresses are refused
(`own_addresses.py`). Redirects are not followed: `link_probe.py` checks their targets like new
URLs. Proxies of the environment are ignored. h11 speaks HTTP/1.1; sockets and limits are here.
"""

import re
import socket
import ssl
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from urllib.parse import urlsplit

import h11

from core.net.ip_allowlist import Address, Networks, address_in, is_allowed, is_in
from core.net.own_addresses import is_own, is_own_name, names_to_look_up

LIMIT = 15.0  # seconds in total: lookup, connection, handshake, request, answer
CONNECTING = 5.0  # seconds for one address while there are others
PARTING = 1.0  # seconds to read a body that is not needed, so that its sender sees no reset
LARGEST_ANSWER = 16 * 1024  # bytes to read, beside the body that was asked for
LONGEST_URL = 500
LONGEST_PLAIN = 8000  # characters of a resource URL or of a redirect
MOST_ADDRESSES = 8  # of one name that are tried

LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
NAME = re.compile(rf"{LABEL}(?:\.{LABEL})*", re.IGNORECASE)
# As the last label, a number makes resolvers read the host as IPv4.
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
# The errors of a lookup that mean that the name has no address
NO_ADDRESS = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))

NOWHERE = (
    "the name was not found, or it leads to this service "
    "or to an address that is not on the public internet"
)
OWN = "must not point to this service"
HTTPS = "must begin with https://"
PLAIN = "http is only allowed for networks in the settings of the operator; use https"
UNREACHED = "the receiver could not be reached"
TOO_SLOW = "it did not answer in time"
NO_ANSWER = "the connection ended before an answer"
NOT_HTTP = "the response is not HTTP"
# Errors of a connection, in the order of the checks, without words of the other server
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (ssl.SSLCertVerificationError, "its TLS certificate is not valid for this host"),
    (TimeoutError, TOO_SLOW),
    (ssl.SSLError, "no TLS connection could be made"),
    (ValueError, "no TLS connection could be made"),  # a name that TLS refuses
    (ConnectionRefusedError, "it refused the connection"),
    (ConnectionError, NO_ANSWER),
    (OSError, UNREACHED),
)


class Unreachable(Exception):
    """No answer came. The message is a class of error, without the server's words.

    `discreet`: neither the cause nor the duration may be shown.
    """

    def __init__(self, message: str, *, discreet: bool = False) -> None:
        super().__init__(message)
        self.discreet = discreet


@dataclass(frozen=True, slots=True)
class FetchedResponse:
    """Answer: `retry_after` in seconds, `location` as the server wrote it."""

    status: int
    retry_after: float | None
    location: str | None = None
    body: bytes = b""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Parsed URL. `host` is in lower case, an IPv6 address without brackets."""

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
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"


def parse(url: str, networks: Networks, *, allow_http: bool = False) -> Target:
    """Parse a URL and check its form, a literal address and the service's own names.

    `allow_http` allows http to every host. Raises ValueError with the broken rule, as a sentence
    continues after the name of a field.
    """
    if len(url) > (longest := LONGEST_PLAIN if allow_http else LONGEST_URL):
        raise ValueError(f"should have at most {longest} characters")
    if not re.fullmatch(r"[!-~]+", url) or any(c in url for c in '\\"<>^`{|}'):
        raise ValueError(
            "must be a URL in ASCII: percent-encode other characters, and write the host "
            "in punycode (xn--)"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a valid URL") from None
    scheme, host = parts.scheme, (parts.hostname or "").lower()
    port = port if port is not None else (443 if scheme == "https" else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    literal, is_http = address_in(host), scheme == "http"
    is_name = len(host) <= 253 and NAME.fullmatch(host) and not parts.netloc.startswith("[")
    rules = {
        "must not have a fragment (#)": "#" not in url,
        HTTPS: scheme == "https" or (is_http and (allow_http or networks)),
        "must not contain a user name or a password": "@" not in parts.netloc,
        "must contain a host": host,
        "must use port 443, no port, or a port from 1024": (
            port == 443 or port >= 1024 or (is_http and port == 80)
        ),
        "must contain a host name in ASCII or an IP address in the usual form": (
            literal or (is_name and not NUMBER.fullmatch(host.rpartition(".")[2]))
        ),
        "must be on the public internet": (not literal or is_allowed(literal, networks)),
    }
    if broken := next((rule for rule, is_kept in rules.items() if not is_kept), None):
        raise ValueError(broken)
    if is_own_name(host, port) or (literal and is_own(literal, port, ())):
        raise ValueError(OWN)
    if literal and is_http and not allow_http and not is_in(literal, networks):
        raise ValueError(HTTPS)
    return Target(scheme, host, port, path)


def post(
    url: str,
    body: bytes,
    headers: dict[str, str],
    *,
    networks: Networks = (),
    discreet: bool = True,
    limit: float = LIMIT,
) -> FetchedResponse:
    """POST once. Raises Unreachable when no answer comes within `limit` seconds.

    `discreet` hides the cause of an error in one of the networks, so that users cannot map
    their hosts and ports.
    """
    deadline = monotonic() + limit
    try:
        target = parse(url, networks)
    except ValueError as error:
        raise Unreachable(f"the URL {error}") from None
    addresses = _resolve(target, networks, deadline, allow_http=False)
    headers = {"Content-Length": str(len(body)), **headers}
    try:
        return _exchange("POST", target, headers, addresses, deadline, body=body)
    except Unreachable:
        if discreet and any(is_in(address, networks) for address in addresses):
            raise Unreachable(UNREACHED, discreet=True) from None
        raise


def host_of(url: str) -> str:
    """Return the host of a URL, in lower case; of an unreadable URL the URL itself."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def request(
    method: str,
    target: Target,
    headers: dict[str, str],
    *,
    networks: Networks,
    deadline: float,
    body: bytes = b"",
    most_body: int = 0,
    needs_body: bool = True,
) -> FetchedResponse:
    """HEAD, GET or POST once, also by http, and keep `most_body` bytes of the answer's body.

    Raises Unreachable when no answer comes before `deadline`, by the monotonic clock. Unless
    `needs_body`, only what comes at once of the body is kept.
    """
    addresses = _resolve(target, networks, deadline, allow_http=True)
    headers = {**headers, **({"Content-Length": str(len(body))} if body else {})}
    return _exchange(
        method,
        target,
        headers,
        addresses,
        deadline,
        body=body,
        most_body=most_body,
        needs_body=needs_body,
    )


def _resolve(
    target: Target, networks: Networks, deadline: float, *, allow_http: bool
) -> list[Address]:
    """Return the addresses of the host if all are allowed, or raise Unreachable.

    The message is the same for a name without address and for a private or own address.
    """
    literal, own_names = target.literal, names_to_look_up()
    found = _look_up(own_names if literal else [target.host, *own_names], target.port, deadline)
    addresses = [literal] if literal else found[target.host]
    own = [address for name in own_names for address in found[name]]
    if not addresses or not all(
        is_allowed(each, networks) and not is_own(each, target.port, own) for each in addresses
    ):
        raise Unreachable(NOWHERE)
    if (
        target.scheme == "http"
        and not allow_http
        and not all(is_in(a, networks) for a in addresses)
    ):
        raise Unreachable(PLAIN)
    return addresses[:MOST_ADDRESSES]


def _look_up(names: list[str], port: int, deadline: float) -> dict[str, list[Address]]:
    """Resolve all names at once, each in a thread, since a lookup has no timeout.

    Raises Unreachable when a lookup fails or takes too long; a name without address is no failure.
    A late lookup has the same message as a refused name: slowness would tell which names exist.
    """
    found: dict[str, list[Address]] = {}

    def look_up(name: str) -> None:
        try:
            answers = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            if isinstance(error, UnicodeError) or error.errno in NO_ADDRESS:
                found[name] = []
            return
        addresses = [each for *_, place in answers if (each := address_in(str(place[0])))]
        if len(addresses) == len(answers):  # all are of a kind that can be checked
            found[name] = list(dict.fromkeys(addresses))

    threads = [
        threading.Thread(target=look_up, args=[name], name="Lookup", daemon=True) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
    if found.keys() != set(names):
        raise Unreachable(NOWHERE)
    return found


def _exchange(
    method: str,
    target: Target,
    headers: dict[str, str],
    addresses: list[Address],
    deadline: float,
    *,
    body: bytes = b"",
    most_body: int = 0,
    needs_body: bool = True,
) -> FetchedResponse:
    """Send one request over a connection of its own and return the answer.

    Raises Unreachable. h11 refuses a header that would end its line, before anything is sent.
    """
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_ANSWER)
    headers = {"Host": target.host_header, "Connection": "close", **headers}
    request = h11.Request(method=method, target=target.path, headers=list(headers.items()))
    parts = [http.send(each) or b"" for each in (request, h11.Data(body), h11.EndOfMessage())]
    rest = memoryview(b"".join(parts))
    try:
        with ExitStack() as opened:
            connection = opened.enter_context(_connect(addresses, target.port, deadline))
            if target.scheme == "https":
                connection.settimeout(_left(deadline))  # of the whole handshake
                secured = tls_context().wrap_socket(connection, server_hostname=target.host)
                connection = opened.enter_context(secured)
            while rest:
                connection.settimeout(_left(deadline))
                rest = rest[connection.send(rest) :]
            return _read_answer(
                http, connection, deadline, most_body, needs_body=needs_body and most_body > 0
            )
    except h11.RemoteProtocolError:
        raise Unreachable(NOT_HTTP) from None
    except (OSError, ValueError) as error:
        reason = next(reason for kind, reason in REASONS if isinstance(error, kind))
        raise Unreachable(reason) from None


def _connect(addresses: list[Address], port: int, deadline: float) -> socket.socket:
    """Return a connection to the first address that accepts one."""
    for address in addresses:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        is_last = address == addresses[-1]
        try:
            connection.settimeout(min(LIMIT if is_last else CONNECTING, _left(deadline)))
            connection.connect((str(address), port))
            break
        except BaseException as error:
            connection.close()
            if is_last or not isinstance(error, OSError):
                raise
    return connection


def _read_answer(
    http: h11.Connection,
    connection: socket.socket,
    deadline: float,
    most_body: int,
    *,
    needs_body: bool,
) -> FetchedResponse:
    """Read the final answer and `most_body` bytes of its body.

    A body that is not needed is read for a moment; its faults do not matter then. A needed body
    that breaks the protocol ends there.
    """
    response, body, received = None, b"", 0
    try:
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                response = event
                deadline = deadline if needs_body else min(deadline, monotonic() + PARTING)
            elif isinstance(event, h11.Data):
                body += event.data
                if 0 < most_body <= len(body):
                    break
            elif event is h11.NEED_DATA:
                if received >= LARGEST_ANSWER + most_body:
                    break
                connection.settimeout(_left(deadline))
                data = connection.recv(4096)
                if not data and not received:
                    raise ConnectionError
                http.receive_data(data)
                received += len(data)
    except (OSError, h11.RemoteProtocolError) as error:
        if response is None or (needs_body and isinstance(error, OSError)):
            raise
    if response is None or response.status_code > 599:
        raise Unreachable(NOT_HTTP)
    headers = dict(reversed(response.headers))  # of several with one name the first counts
    wait, location = headers.get(b"retry-after", b""), headers.get(b"location")
    return FetchedResponse(
        response.status_code,
        float(wait) if re.fullmatch(rb"[0-9]{1,7}", wait) else None,
        location.decode("utf-8", "replace") if location is not None else None,
        body[:most_body],
        headers.get(b"content-type", b"").decode("ascii", "replace"),
    )


def _left(deadline: float) -> float:
    """Return the seconds before `deadline`, or raise TimeoutError."""
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Return a context that checks certificates, by this machine's authorities."""
    return ssl.create_default_context()
