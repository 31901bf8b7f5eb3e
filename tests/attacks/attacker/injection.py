"""SQL, paths, headers and requests within other requests."""

import re
from urllib.parse import quote

from tests.attacks.attacker.target import (
    AUTH,
    GOAL,
    ME,
    ROADMAPS,
    SILENCE,
    WRONG,
    Finding,
    Target,
    attack,
    judged,
    status,
    stranger,
)


def statuses(answer: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1\.[01] ([1-5][0-9][0-9])", answer)


SQL = (
    "' OR '1'='1",
    "'; DROP TABLE account;--",
    "1) UNION SELECT 1,2,3--",
    "\\' OR 1=1--",
    "'||pg_sleep(3)||'",
    "$$;SELECT pg_sleep(3)$$",
    "%' AND 1=1 /*",
    '";--',
)


@attack
def sql(target: Target) -> Finding:
    """The database."""
    answers = []
    for text in SQL:
        coded = quote(text, safe="")
        paths = [
            f"{ROADMAPS}?status={coded}",
            f"{ROADMAPS}?limit={coded}",
            f"{target.mine}/logs?category={coded}",
        ]
        paths += [
            f"{ROADMAPS}/{coded}",
            f"{target.mine}/concepts/{coded}",
            f"{target.mine}/revisions/{coded}",
        ]
        answers += [target.timed("GET", path) for path in paths]
        answers.append(
            target.timed("POST", ROADMAPS, {"goal": text, "level": text, "language": text})
        )
    plan = {"goal": GOAL, "review": True}
    for text in SQL[:3]:
        answers.append(target.timed("POST", ROADMAPS, {**plan, "background": text}, harmless=plan))
        answers.append(
            target.timed(
                "POST",
                f"{AUTH}/login",
                {"email": f"a@b.{text}".replace(" ", ""), "password": text},
                token=None,
                harmless={"email": stranger(), "password": WRONG},
            )
        )
    won = [answer.broke and f"answered {answer.status}" for answer in answers]
    won += [answer.slow and "it slept" for answer in answers]
    won += [answer.json().get("access_token") and "logged in" for answer in answers]
    logs = target.ask("GET", f"{target.mine}/logs?category={quote(SQL[0])}").json().get("items")
    return judged([*won, bool(logs) and "a condition of ours"], f"{len(answers)} texts", answers)


@attack
def paths_out_of_the_folder(target: Target) -> Finding:
    """Files of the server."""
    ups = ("../", "..%2f", "%2e%2e/", "..%5c", "..%c0%af", "....//", "%252e%252e%252f", "..;/")
    paths = [f"/{up * 8}etc/passwd" for up in ups] + [
        f"{ROADMAPS}/{up * 8}etc/passwd" for up in ups
    ]
    paths += [
        f"/static/{ups[0] * 6}etc/passwd",
        "//etc/passwd",
        "/file:///etc/passwd",
        f"{target.mine}/../../../../health%00.json",
    ]
    answers = [target.raw(target.head("GET", path, "Connection: close")) for path in paths]
    won = [
        (status(answer) == 200 or b"root:" in answer) and path
        for path, answer in zip(paths, answers, strict=True)
    ]
    return judged(won, f"{len(paths)} paths")


@attack
def lines_in_headers(target: Target) -> Finding:
    """Headers of ours in answers to others: cookies, or a second answer."""
    line = "%0d%0aX-Won:%20yes%0d%0aSet-Cookie:%20a=b"
    paths = [
        f"/{line}",
        f"{ROADMAPS}/{line}",
        f"{target.mine}/logs?limit=1&category={line}",
        f"{ROADMAPS}?status={line}",
        f"//{line}",
    ]
    paths += [path.replace("%0d%0a", "%E5%98%8D%E5%98%8A") for path in paths]
    heads = [target.head("GET", path, "Connection: close") for path in paths]
    for value in (
        "a\rX-Won: yes",
        "a\nX-Won: yes",
        "a\x00X-Won: yes",
        "a%0d%0aX-Won: yes",
        "a\r\n X-Won: yes",
    ):
        for name in ("X-Request-ID", "Origin", "Host", "Last-Event-ID"):
            heads.append(target.head("GET", "/", f"{name}: {value}", "Connection: close"))
    answers = [target.raw(head).partition(b"\r\n\r\n")[0].lower() for head in heads]
    won = [
        (b"\nx-won" in answer or b"\rx-won" in answer or b"set-cookie" in answer) and "a header"
        for answer in answers
    ]
    return judged(
        [*won, *(b"http/1.1 5" in answer[:12] and "answered 5xx" for answer in answers)],
        f"{len(heads)} requests",
    )


@attack
def smuggled_requests(target: Target) -> Finding:
    """A request in another's connection behind a proxy, which has not seen it as one."""
    hidden = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    kind = "Content-Type: application/json"
    length = f"Content-Length: {len(hidden) + 5}"
    cases = {
        "CL+TE": (("Content-Length: 5", "Transfer-Encoding: chunked"), b"0\r\n\r\n"),
        "TE+CL": (("Transfer-Encoding: chunked", length), b"0\r\n\r\n"),
        "two CL": (("Content-Length: 2", length), b"{}"),
        "two equal CL": (("Content-Length: 2", "Content-Length: 2"), b"{}"),
        "CL list": ((f"Content-Length: 2, {len(hidden)}",), b"{}"),
        "CL with a sign": (("Content-Length: +2",), b"{}"),
        "CL hexadecimal": (("Content-Length: 0x2",), b"{}"),
        "CL of another digit": (("Content-Length: \xb2",), b"{}"),
        "folded CL": (("X-A: b\r\n Content-Length: 2",), b""),
        "folded TE": (("Transfer-Encoding:\r\n chunked",), b"0\r\n\r\n"),
        "TE with space": (("Transfer-Encoding : chunked",), b"0\r\n\r\n"),
        "TE with tab": (("Transfer-Encoding:\x0bchunked",), b"0\r\n\r\n"),
        "TE unknown": (("Transfer-Encoding: xchunked",), b"0\r\n\r\n"),
        "TE chunked not last": (("Transfer-Encoding: chunked, identity",), b"0\r\n\r\n"),
        "two TE": (("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), b"0\r\n\r\n"),
        "bare CR": (("X-A: b\rTransfer-Encoding: chunked",), b"0\r\n\r\n"),
        "bare LF": (("X-A: b\nTransfer-Encoding: chunked",), b"0\r\n\r\n"),
        "NUL": (("X-A: b\x00c",), b""),
        "chunk size too large": (
            ("Transfer-Encoding: chunked",),
            b"fffffffffffffffff2\r\n{}\r\n0\r\n\r\n",
        ),
        "chunk size with a sign": (("Transfer-Encoding: chunked",), b"+2\r\n{}\r\n0\r\n\r\n"),
    }
    won = []
    for name, (lines, body) in cases.items():
        answer = target.raw(
            target.head("POST", ROADMAPS, kind, *lines), body, hidden, timeout=SILENCE
        )
        won.append((len(statuses(answer)) > 1 or not 400 <= (status(answer) or 400) < 500) and name)
    return judged(won, f"{len(cases)} ambiguous lengths")


@attack
def body_that_is_left_over(target: Target) -> Finding:
    """The same, when a body is refused without being read."""
    hidden = f"GET /health HTTP/1.1\r\nHost: {target.host}\r\n\r\n".encode()
    last = target.head("GET", "/left-over", "Connection: close", token=None)  # what ends the wait
    length = f"Content-Length: {len(hidden)}"
    heads = [
        target.head("POST", path, length, token=None)
        for path in (ROADMAPS, "/nope", f"{AUTH}/login", "/health")
    ]
    heads += [target.head("GET", path, length) for path in ("/health", ME)]
    heads += [
        target.head("POST", ROADMAPS, length, "Content-Type: text/plain", "Expect: 100-continue")
    ]
    answers = [
        target.raw(head, hidden, last).replace(b"HTTP/1.1 100 Continue", b"") for head in heads
    ]
    won = [
        (len(found) > 2 or b"200" in found[1:]) and "read as a request"
        for found in map(statuses, answers)
    ]
    return judged(won, f"{len(heads)} bodies")
