"""Requests that no program of ours would send: bodies, headers, addresses and methods of any kind.

Every answer is one of the document, or says as a problem what is wrong; the rules for that are in
tests/fuzz/watch.py.
"""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.fuzz.asking import FITTING, OPERATIONS, Asker
from tests.fuzz.machine import LEFT_OUT
from tests.fuzz.people import People

Draw = Callable[..., Any]
WITH_BODY = sorted(
    name
    for name, (_, _, operation) in OPERATIONS.items()
    if "requestBody" in operation and name not in LEFT_OUT
)
ENDING = (
    "log_out",
    "end_login",
    "change_password",
    "change_email",
)  # a login; tests/fuzz/machine.py uses fresh ones for them
READ = sorted(
    name
    for name, (method, _, _) in OPERATIONS.items()
    if method == "GET" and name != "watch_roadmap"
)
TYPES = (
    *(
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=utf-16",
        "APPLICATION/JSON",
    ),
    *(
        "application/merge-patch+json",
        "application/problem+json",
        "text/plain",
        "application/x-www-form-urlencoded",
    ),
    *(
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/xml",
        "+json",
        "",
        ";",
        "application",
        "*/*",
    ),
)
STRANGE_TEXTS = (
    *(
        "\x00",
        "a\x00b",
        "\ud800",
        "\udfff\ud800",
        "\ufeff",
        "\u202e",
        "\U0010ffff",
        "\x7f\x85",
        "a" * 30_000,
        "\u00e9" * 20_001,
    ),
    *(
        "'; DROP TABLE roadmap; --",
        "%s%n%x",
        "{{7*7}}",
        "../../etc/passwd",
        "<script>alert(1)</script>",
        "\r\nSet-Cookie: a=b",
    ),
)
STRANGE_NUMBERS = (
    *(
        "1e999",
        "-1e999",
        "1" * 5000,
        "-0",
        "0.0",
        "1E400",
        "9223372036854775808",
        "2147483648",
        "-2147483649",
        "1e-999",
    ),
    *("NaN", "Infinity", "-Infinity", "0x10", "01", "1.", ".5", "+1", "1_000"),
)
METHODS = (
    *(
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "TRACE",
        "get",
        "Post",
        "PROPFIND",
        "QUERY",
        "MKCOL",
        "LOCK",
    ),
    *("FOO", "GETT", "G", "M-SEARCH", "PURGE", "X" * 300),
)
ENCODINGS = (
    "gzip",
    "br",
    "identity;q=0",
    "*;q=0",
    "gzip;q=0.000",
    "gzip;q=x",
    "deflate, gzip;q=1.0, *;q=0.5",
    "",
    ",,,",
    "gzip " * 500,
)
PREFERENCES = (
    "wait=0",
    "wait=1",
    "wait",
    "wait=",
    "wait=-1",
    "wait=x",
    'wait="0"',
    "respond-async",
    "wait=0, wait=1",
    ";",
    ",;=",
    "wait=1e1",
)
ODD_PLACES = (  # in a path, as they are written there
    *(
        "%E4%B8%AD",
        "%00",
        "%0d%0aX-Injected:1",
        "%ff",
        "%c0%af",
        "%ed%a0%80",
        "%F0%9F%92%A9",
        "%",
        "%zz",
        "%2e%2e",
        "%2f",
        "%5c",
    ),
    *("%3f", "%23", "%25", "%22", "%7f", "%85", "{x}", "<b>", "'", "a" * 3000, "%E4%B8%AD" * 2000),
    *(
        "0%EF%BC%91a2249fe2b676ffbb66508704318150",
        "%0a1a2249fe2b676ffbb66508704318150",
        "1_a2249fe2b676ffbb66508704318150",
    ),
)
PAGE_PATHS = (  # which no description names
    *(
        "/",
        "/{anything}",
        "/login",
        "/look",
        "/catalogue/{track}",
        "/docs/{tag}",
        "/static/{file}",
        "/static/run/{digest}/{file}",
        "/review/{card_id}",
        "/webhooks/{webhook_id}/test",
    ),
    *("/roadmaps/{roadmap_id}", "/roadmaps/{roadmap_id}/{what}", "/roadmaps/{roadmap_id}/approve"),
    *(
        "/roadmaps/{roadmap_id}/concepts/{concept_id}",
        "/roadmaps/{roadmap_id}/concepts/{concept_id}/{kind}/retry",
    ),
    *(
        "/roadmaps/{roadmap_id}/concepts/{concept_id}/{kind}/versions",
        "/roadmaps/{roadmap_id}/revisions/{number}",
    ),
    *(
        "/shared/{token}",
        "/shared/{token}/concepts/{concept_id}",
        "/shared/{token}/copy",
        "/calendars/{token}/roadmap.ics",
    ),
    *("/admin/queues/{queue}", "/admin/queues/{queue}/messages/{message}/retry"),
)
HOSTS = (
    "",
    "localhost",
    "127.0.0.1",
    "[::1]",
    "evil.example",
    "a b",
    "127.0.0.1:99999999",
    "[",
    "user@localhost",
    "localhost:",
    "\xe4",
    "xn--a",
)


def values() -> st.SearchStrategy[object]:
    """JSON values, with unexpected texts."""
    texts = st.one_of(st.sampled_from(STRANGE_TEXTS), st.text(st.characters(), max_size=30))
    numbers = st.one_of(st.integers(), st.floats(), st.integers(-(2**70), 2**70))
    leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)
        ),
        max_leaves=12,
    )


def written(value: object) -> bytes:
    """Half a surrogate pair as an escape, as it can come over the wire."""
    return json.dumps(value, ensure_ascii=True).encode()


@st.composite
def bodies(draw: Draw, known: dict[str, object]) -> bytes:
    """For an operation whose body has these fields."""
    fields = draw(st.dictionaries(st.sampled_from(sorted(known) or ["a"]), values(), max_size=4))
    found = written({**known, **fields} if draw(st.booleans()) else fields)
    return bytes(draw(st.sampled_from(SPOILT))(draw, found))


def _as_it_is(draw: Draw, text: bytes) -> bytes:
    return text


def _anything(draw: Draw, text: bytes) -> bytes:
    return draw(st.one_of(st.binary(max_size=200), values().map(written)))


def _with_a_mark(draw: Draw, text: bytes) -> bytes:
    return b"\xef\xbb\xbf" + text


def _with_a_key_twice(draw: Draw, text: bytes) -> bytes:
    first = re.match(rb'{("(?:[^"\\]|\\.)*")', text)
    return text[:-1] + b"," + first[1] + b": " + written(draw(values())) + b"}" if first else text


def _with_a_strange_number(draw: Draw, text: bytes) -> bytes:
    number = draw(st.sampled_from(STRANGE_NUMBERS)).encode()
    return re.sub(rb":\s*[^,}\]]*", b": " + number, text, count=1)


def _deep(draw: Draw, text: bytes) -> bytes:
    depth = draw(st.sampled_from((50, 500, 5_000, 50_000)))
    opening, closing = draw(st.sampled_from(((b"[", b"]"), (b'{"a":', b"}"))))
    return opening * depth + b"1" + closing * depth * draw(st.booleans())


def _with_bytes_inside(draw: Draw, text: bytes) -> bytes:
    at = draw(st.integers(0, max(len(text) - 1, 0)))
    return text[:at] + draw(st.binary(min_size=1, max_size=3)) + text[at:]


def _cut(draw: Draw, text: bytes) -> bytes:
    return text[: draw(st.integers(0, len(text)))]


def _in_another_encoding(draw: Draw, text: bytes) -> bytes:
    return text.decode().encode(draw(st.sampled_from(("utf-16", "utf-16-le", "utf-32", "utf-7"))))


SPOILT = (
    *(
        _as_it_is,
        _as_it_is,
        _anything,
        _with_a_mark,
        _with_a_key_twice,
        _with_a_strange_number,
        _deep,
        _with_bytes_inside,
        _cut,
    ),
    _in_another_encoding,
)


def places(draw: Draw, people: People, path: str) -> str:
    """The path with ids that exist, that are somebody else's, or that are none."""
    ids = {}
    for name in re.findall(r"{(\w+)}", path):
        choices = [each for each in (people.mine.get(name), people.theirs.get(name)) if each]
        strange = st.one_of(
            st.text(min_size=1, max_size=20),
            st.uuids().map(str),
            st.sampled_from(("0", "-1", "1" * 30, "%00", "..")),
        )
        ids[name] = draw(st.one_of(st.sampled_from(choices), strange) if choices else strange)
    return re.sub(
        r"{(\w+)}", lambda found: quote(str(ids[found[1]]), safe="", errors="replace"), path
    )


def raw_bodies(asker: Asker, people: People, draw: Draw) -> None:
    name = str(draw(st.sampled_from([name for name in WITH_BODY if name not in ENDING])))
    method, path, _ = OPERATIONS[name]
    body = draw(bodies(FITTING.get(name, {})))
    headers = {
        "Content-Type": str(draw(st.one_of(st.just("application/json"), st.sampled_from(TYPES))))
    }
    if draw(st.integers(0, 9)) == 0:
        headers["Content-Encoding"] = str(draw(st.sampled_from(("gzip", "identity", "br"))))
    asker.ask(method, places(draw, people, path), body, headers=headers)


def header_values() -> st.SearchStrategy[str]:
    return st.text(
        st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"),
        max_size=60,
    )


def random_headers(asker: Asker, people: People, draw: Draw) -> None:
    name = str(draw(st.sampled_from([*READ, "create_roadmap", "save_profile"])))
    method, path, _ = OPERATIONS[name]
    known = {
        "Prefer": st.sampled_from(PREFERENCES),
        "Host": st.sampled_from(HOSTS),
        "Accept-Encoding": st.sampled_from(ENCODINGS),
        "X-Request-ID": header_values(),
        "Range": st.sampled_from(
            ("bytes=0-0", "bytes=-1", "bytes=9-1", "items=0-", "bytes=a-b", "bytes=" + "0-1," * 400)
        ),
        "Expect": st.sampled_from(("100-continue", "200-ok", "", "100-Continue, x")),
        "If-None-Match": st.one_of(
            st.sampled_from(("*", '""', 'W/"x"', '"a","b"', '"')), header_values()
        ),
        "If-Match": st.one_of(
            st.sampled_from(("*", '""', 'W/"x"', '"a","b"', '"')), header_values()
        ),
        "If-Modified-Since": header_values(),
        "Idempotency-Key": header_values(),
        "Last-Event-ID": st.one_of(st.integers().map(str), header_values()),
        "Accept": st.one_of(
            st.sampled_from(("*/*", "text/html", "application/xml;q=0", "image/*", "")),
            header_values(),
        ),
        "Accept-Language": header_values(),
        "Cookie": st.one_of(st.just("__Host-roadmap=x"), header_values()),
        "Origin": st.sampled_from(("null", "https://evil.example", asker.who.stack.url, "")),
        "Sec-Fetch-Site": st.sampled_from(("cross-site", "same-origin", "none", "x")),
        "X-Forwarded-For": header_values(),
        "X-Forwarded-Host": header_values(),
        "X-HTTP-Method-Override": st.sampled_from(METHODS),
        "Forwarded": header_values(),
        "Content-Type": st.sampled_from(TYPES),
        "HX-Request": st.just("true"),
        "Authorization": st.one_of(
            st.sampled_from(("Bearer", "Bearer ", "Basic eDp5", "Bearer rmk_x", "bearer  x")),
            header_values(),
        ),
        "Upgrade": st.sampled_from(("websocket", "h2c")),
        "TE": st.just("trailers"),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(known)), unique=True, max_size=4))
    headers = {each: str(draw(known[each])).strip() for each in chosen}
    body = None if method == "GET" else written(FITTING.get(name, {}))
    target = places(draw, people, path)
    if name == "watch_roadmap":
        return
    asker.ask(
        method,
        target,
        body,
        headers={"Content-Type": "application/json", **headers} if body else headers,
    )


def segments() -> st.SearchStrategy[str]:
    known = sorted({part for _, path, _ in OPERATIONS.values() for part in path.split("/")})
    strange = (
        "",
        ".",
        "..",
        "%00",
        "%2e%2e",
        "%2f",
        "%5c",
        "%ff",
        "%c0%af",
        "%",
        "%zz",
        "a" * 3000,
        ";x=1",
        "~",
        "*",
        "@",
        "login",
        "static",
    )
    return st.one_of(
        st.sampled_from(known),
        st.sampled_from(strange),
        st.text(max_size=8).map(lambda text: quote(text, errors="replace")),
    )


def random_addresses(asker: Asker, people: People, draw: Draw) -> None:
    method = str(draw(st.sampled_from(METHODS)))
    if draw(st.booleans()):
        name = str(
            draw(
                st.sampled_from(
                    [
                        name
                        for name in sorted(OPERATIONS)
                        if name not in (*ENDING, *LEFT_OUT, "watch_roadmap")
                    ]
                )
            )
        )
        if method == "DELETE":  # what is mine before it begins stays
            return
        path = places(draw, people, OPERATIONS[name][1])
    else:
        path = "/" + "/".join(draw(st.lists(segments(), max_size=6)))
    query = draw(
        st.lists(
            st.tuples(
                st.sampled_from(("limit", "cursor", "status", "level", "a", "")),
                st.text(max_size=10),
            ),
            max_size=3,
        )
    )
    asked = "&".join(f"{name}={quote(value, errors='replace')}" for name, value in query)
    target = path + (f"?{asked}" if asked else "")
    headers = {"Accept": "text/html"} if draw(st.integers(0, 4)) == 0 else {}
    response = asker.ask(method, target, headers=headers)
    if response.status == 405:
        assert (
            method.upper() not in response.headers["allow"].split(", ") or method != method.upper()
        ), f"{method}: {response.headers['allow']}"
    if method == "OPTIONS" and response.status == 204:
        assert "OPTIONS" in response.headers["allow"]
    if method == "HEAD":
        assert response.content == b""


def odd_pages(asker: Asker, people: People, draw: Draw) -> None:
    """Ask for pages and forms at addresses that are written strangely.

    Whatever comes back in a header is ASCII in one line.
    """
    ids = st.sampled_from([str(each) for each in people.mine.values() if each] or ["x"])
    place = st.one_of(st.sampled_from(ODD_PLACES), ids.map(lambda each: quote(each, safe="")))
    path = re.sub(r"{\w+}", lambda _: str(draw(place)), str(draw(st.sampled_from(PAGE_PATHS))))
    query = draw(st.one_of(st.just(""), st.sampled_from(ODD_PLACES)))
    target = path + (f"?next={query}&{query}" if query else "")
    headers = {"Accept": "text/html", **({"HX-Request": "true"} if draw(st.booleans()) else {})}
    response = asker.ask(
        str(draw(st.sampled_from(("GET", "HEAD", "OPTIONS", "PUT", "PROPFIND")))),
        target,
        headers=headers,
    )
    assert "x-injected" not in response.headers
    assert re.fullmatch("[!-~]*", response.headers.get("location", "")), response.headers[
        "location"
    ]


def nothing_of_http(asker: Asker, people: People, draw: Draw) -> None:
    """Send bytes that are no request, or a strange one.

    The answer is a problem or none, and the next request is served.
    """
    host = "{}:{}".format(*asker.place).encode()
    line = draw(
        st.sampled_from(
            (
                *(
                    b"GET / HTTP/1.1",
                    b"GET / HTTP/1.0",
                    b"GET /",
                    b"GET / HTTP/9.9",
                    b"get / HTTP/1.1",
                    b"FOO / HTTP/1.1",
                    b"GET  / HTTP/1.1",
                ),
                *(
                    b"CONNECT 127.0.0.1:1 HTTP/1.1",
                    b"OPTIONS * HTTP/1.1",
                    b"GET http://evil.example/ HTTP/1.1",
                    b"PRI * HTTP/2.0",
                ),
                *(
                    b"GET \xff\xfe HTTP/1.1",
                    b"GET /a b HTTP/1.1",
                    b"GET /\x00 HTTP/1.1",
                    b"\x16\x03\x01\x02\x00",
                    b"TRACE / HTTP/1.1",
                ),
            )
        )
    )
    head = draw(
        st.lists(
            st.sampled_from(
                (
                    *(
                        b"Transfer-Encoding: chunked",
                        b"Transfer-Encoding: x",
                        b"Content-Length: x",
                        b"Content-Length: -1",
                        b"Content-Length: 0",
                    ),
                    *(
                        b"Content-Length: 99999999999999999999",
                        b" folded",
                        b"No colon",
                        b"A\x00: b",
                        b"A: b\x00c",
                        b"A:\xff",
                        b": empty",
                    ),
                    *(
                        b"Connection: close",
                        b"Expect: 100-continue",
                        b"Upgrade: h2c",
                        b"Host: other",
                        b"Content-Type: application/json",
                    ),
                )
            ),
            max_size=3,
        )
    )
    rest = draw(st.sampled_from((b"", b"0\r\n\r\n", b"zz\r\n", b"{}", b"5\r\nabc")))
    hosts = [b"Host: " + host] if draw(st.booleans()) else []
    content = b"\r\n".join([line, *hosts, *head, b"Connection: close", b"", b""]) + rest
    answer = asker.raw(content, seconds=0.5)
    asker.watch.counts["bytes", int(answer[9:12]) if answer[9:12].isdigit() else 0] += 1
    last = answer.rpartition(b"HTTP/1.1 ")[2]
    if last[:1] in (b"4", b"5"):
        assert b"content-type: application/problem+json" in last.lower(), (
            f"{content!r} is answered {answer[:500]!r}"
        )
    assert not last.startswith((b"5",)), f"{content!r} is answered {answer[:500]!r}"
    assert asker.ask("GET", "/health").status == 200


WILD: tuple[Callable[[Asker, People, Draw], None], ...] = (
    raw_bodies,
    random_headers,
    random_addresses,
    odd_pages,
    nothing_of_http,
)
