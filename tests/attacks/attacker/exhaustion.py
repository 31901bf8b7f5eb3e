"""Requests that cost the server time or memory."""

import base64
import gzip
import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any
from urllib.parse import quote

from tests.attacks.attacker.target import (
    AT_ONCE,
    AUTH,
    GOAL,
    INSIDE,
    LONG,
    LOOKS,
    ROADMAPS,
    WRONG,
    Answer,
    Finding,
    Target,
    attack,
    is_late,
    is_slow,
    judged,
    status,
    stranger,
)


@attack
def huge_bodies(target: Target) -> Finding:
    """Memory, by a body that is large, says that it is, or does not say."""
    kind, close = "Content-Type: application/json", "Connection: close"
    declared = target.raw(
        target.head("POST", ROADMAPS, kind, close, "Content-Length: 10000000000"), b"{"
    )
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    chunked = target.raw(
        target.head("POST", ROADMAPS, kind, close, "Transfer-Encoding: chunked"),
        *[chunk] * 40,
    )
    whole = target.ask(
        "POST",
        ROADMAPS,
        b'{"goal": "' + b"a" * 1_000_000 + b'"}',
        headers={"Content-Type": "application/json"},
    )
    won = [
        status(declared) // 100 != 4 and "10 GB may be declared",
        status(chunked) // 100 in (2, 5) and "2.5 MB in chunks",
        (whole.ok or whole.broke) and "1 MB",
    ]
    return judged(won, "10 GB declared, 2.5 MB in chunks, 1 MB", [whole])


@contextmanager
def _open(target: Target, heads: Iterable[bytes]) -> Iterator[list[socket.socket]]:
    """So many connections on which something was begun."""
    with ExitStack() as stack:
        opened = []
        for head in heads:
            connection = stack.enter_context(
                socket.create_connection(target.place, timeout=target.patience)
            )
            connection.sendall(head)
            opened.append(connection)
        yield opened


def _beside(
    target: Target, token: str | None, heads: Iterable[bytes], *, answered: bool = False
) -> str:
    """Return why another is not served well while these are open, or an empty text."""
    ask = partial(target.ask, "GET", ROADMAPS, token=token)
    usual, answers = [ask()], list[Answer]()
    with _open(target, heads) as opened:
        with suppress(OSError):
            for connection in opened if answered else ():
                connection.recv(200)
        answers.append(ask())
        if answers[0].status not in (200, 429) or answers[0].seconds > LONG:
            answers += [ask() for _ in range(LOOKS - 1)]
    usual += [ask() for _ in answers]
    refused = [each.status for each in answers if each.status not in (200, 429)]
    if len(refused) > len(answers) // 2:
        return f"another is answered {refused[0]}"
    late = is_late(*([each.seconds for each in some] for some in (answers, usual)))
    return f"another waits {answers[0].seconds:.1f} s" if late else ""


@attack
def slow_bodies(target: Target) -> Finding:
    """The end of the service for others, by bodies that do not come, or heads."""
    head = target.head("POST", ROADMAPS, "Content-Type: application/json", "Content-Length: 60000")
    heads = [head + b"{"] * 20 + [head[:40]] * 20
    won = _beside(target, target.other.token or None, heads)
    return judged([won], "20 bodies and 20 heads that do not come")


@attack
def exhausted_streams(target: Target) -> Finding:
    """The end of the service for others, by streams that stay open."""
    head = target.head("GET", f"{target.mine}/events", "Accept: text/event-stream")
    heads = [head] * (AT_ONCE - 2)
    won = [_beside(target, target.other.token or None, heads, answered=True)]
    won.append(_beside(target, "", []))
    return judged(won, f"{len(heads)} streams")


JSON: dict[str, str | bytes] = {
    "deep": "[" * 30_000 + "]" * 30_000,
    "deep objects": '{"a":' * 9000 + "1" + "}" * 9000,
    "deep in a field": '{"goal":' + "[" * 190 + "]" * 190 + "}",
    "NaN": '{"goal":"Python","hours_per_week":NaN}',
    "Infinity": '{"goal":"Python","hours_per_week":-Infinity}',
    "1e999": '{"goal":"Python","hours_per_week":1e999}',
    "4300 digits": '{"goal":1,"hours_per_week":' + "9" * 4300 + "}",
    "60,000 digits": '{"goal":1,"hours_per_week":' + "9" * 60_000 + "}",
    "fraction of 60,000 digits": '{"goal":1,"hours_per_week":0.' + "9" * 60_000 + "}",
    "duplicate keys": '{"goal":"Become a backend engineer in Python","goal":1}',
    "NUL": '{"goal":"Become a backend\\u0000 engineer in Python"}',
    "NUL in a name": '{"go\\u0000al":"a"}',
    "lone surrogate": '{"goal":"Python \\ud800"}',
    "lone surrogate in a name": '{"\\udfff":"a"}',
    "a body of UTF-8 that is none": b'{"goal":"\xff\xfe\xed\xa0\x80"}',
    "UTF-16": '{"goal":"Become a backend engineer in Python"}'.encode("utf-16"),
    "a mark of order": '\ufeff{"goal":"Become a backend engineer in Python"}',
    "5,000 fields": "{" + ",".join(f'"k{number}":0' for number in range(5000)) + "}",
    "a list": "[]",
    "null": "null",
    "true for a number": '{"goal":"Become a backend engineer in Python","hours_per_week":true}',
    "a comment": '{"goal":"Become a backend engineer in Python"/**/}',
    "two documents": '{"goal":"Become a backend engineer in Python"}{}',
    "a key of a pointer": '{"a/b~c\\n":1,"":{"":1}}',
}


@attack
def strange_json(target: Target) -> Finding:
    """An error that was not foreseen, work without end, or a rule that is passed by."""
    paths = [ROADMAPS, f"{target.mine}/edits", f"{AUTH}/login"]
    won, answers = [], []
    for name, text in JSON.items():
        for path in paths if "goal" not in name else paths[:1]:
            body = text if isinstance(text, bytes) else text.encode()
            answers.append(
                target.timed("POST", path, body, headers={"Content-Type": "application/json"})
            )
            won.append(
                (answers[-1].ok or answers[-1].broke or answers[-1].slow)
                and f"{name}: {answers[-1].status}"
            )
            won.append(
                len(answers[-1].body) > 65_536
                and f"{name}: an answer of {len(answers[-1].body)} bytes"
            )
    return judged(won, f"{len(JSON)} documents", answers)


@attack
def strange_operations(target: Target) -> Finding:
    """An error that was not foreseen in what changes a plan."""
    odd: list[Any] = [
        None,
        True,
        -1,
        10**40,
        1.5,
        "",
        [],
        {},
        {"op": "remove"},
        [[]],
        "\u0007",
        "a" * 300,
    ]
    bodies: list[Any] = [
        {"operations": odd},
        {"operations": [{"op": each, "what": each, "key": each} for each in odd]},
    ]
    bodies += [
        {
            "operations": [
                {"op": "add_concept", "add_concept": 5, "prerequisites": [each], "module": each}
            ]
        }
        for each in odd
    ]
    bodies += [
        {"operations": [{"op": "move", "what": "stage", "key": "a", "position": each, "to": each}]}
        for each in odd
    ]
    bodies += [
        {"operations": [{"op": "remove", "what": "stage", "key": "a"}] * 100, "base": 1},
        {"operations": [{}] * 5000},
    ]
    path = f"{target.mine}/edits"
    answers = [target.timed("POST", path, body) for body in bodies]
    won = [
        (answer.broke or answer.slow) and f"{answer.status} in {answer.seconds:.1f} s"
        for answer in answers
    ]
    return judged(
        [*won, *(answer.ok and "taken" for answer in answers)], f"{len(bodies)} bodies", answers
    )


@attack
def many_parameters(target: Target) -> Finding:
    """Work without end by a query."""
    queries = [
        "&".join(f"{number:x}" for number in range(10_000)),
        "&".join(["a"] * 10_000),
        "limit=1&" * 5000,
        "&" * 60_000,
        "%00" * 9000,
    ]
    answers = [target.timed("GET", f"{ROADMAPS}?{query}") for query in queries]
    won = [
        (answer.broke or answer.slow) and f"{answer.status} in {answer.seconds:.1f} s"
        for answer in answers
    ]
    won += [answer.ok and number != 3 and "taken" for number, answer in enumerate(answers)]
    return judged(
        [*won, *(len(answer.body) > 65_536 and "a large answer" for answer in answers)],
        "10,000 parameters",
        answers,
    )


@attack
def long_addresses(target: Target) -> Finding:
    """Memory and work without end by an address."""
    paths = [
        f"/{'a' * 60_000}",
        f"/{'a' * 500_000}",
        f"{ROADMAPS}?limit={'9' * 50_000}",
        "/a" * 30_000,
        f"{ROADMAPS}/{'%41' * 20_000}",
    ]

    def ask(paths: list[str]) -> list[bytes]:
        return [target.raw(target.head("GET", path, "Connection: close")) for path in paths]

    answers = ask(paths)
    won = [
        (status(answer) // 100 in (2, 5) or INSIDE.search(answer)) and f"{status(answer)}"
        for answer in answers
    ]
    slow = is_slow(partial(ask, paths), partial(ask, ["/health"] * len(paths))) and "slow"
    return judged([*won, slow], f"up to {max(map(len, paths)):,} characters")


@attack
def long_headers(target: Target) -> Finding:
    """Memory without an account: headers are kept until they end."""
    tried = {
        "a header of 1 MB": [f"X-A: {'a' * 1_000_000}"],
        "20,000 headers": [f"X-{number}: a" for number in range(20_000)],
        "a cookie of 500,000 parts": [f"Cookie: {';' * 500_000}"],
    }
    won = []
    for name, lines in tried.items():
        answer = target.raw(target.head("GET", "/health", *lines, "Connection: close"))
        won.append(status(answer) // 100 in (2, 5) and f"{name} was read")
    return judged(won, ", ".join(tried))


@attack
def bombs(target: Target) -> Finding:
    """Memory, by a small body that becomes a large one."""
    zeros, goal = (
        gzip.compress(b" " * 10_000_000),
        gzip.compress(json.dumps({"goal": GOAL}).encode()),
    )
    bodies = [
        ("gzip", zeros),
        ("gzip", goal),
        ("deflate", zeros),
        ("br", goal),
        ("gzip, gzip", gzip.compress(zeros)),
    ]
    answers = [
        target.timed(
            "POST",
            ROADMAPS,
            body,
            headers={"Content-Type": "application/json", "Content-Encoding": coding},
        )
        for coding, body in bodies
    ]
    bomb = ".eJx" + base64.urlsafe_b64encode(zeros).decode()[:9000]
    answers.append(target.timed("GET", f"{ROADMAPS}?cursor=a", token=f"{bomb}.AAAA.AAAA"))
    won = [(answer.ok or answer.broke or answer.slow) and f"{answer.status}" for answer in answers]
    return judged(won, f"{len(answers)} compressed texts", answers)


@attack
def pages_without_end(target: Target) -> Finding:
    """Work and memory by one large page."""
    sizes = (
        "101",
        "0",
        "-1",
        "1000000000",
        "9" * 400,
        "1e9",
        "0x10",
        "100.5",
        "",
        "NaN",
        "100,100",
        "+inf",
    )
    lists = (ROADMAPS, f"{target.mine}/logs", f"{target.mine}/receipt")
    answers = [target.ask("GET", f"{path}?limit={quote(size)}") for path in lists for size in sizes]
    answers += [target.ask("GET", f"{ROADMAPS}?limit=1&limit=1000")]
    won = [(answer.ok or answer.broke) and f"{answer.status}" for answer in answers]
    return judged(won, f"{len(answers)} sizes", answers)


@attack
def texts_that_take_long(target: Target) -> Finding:
    """Work without end by a text that a pattern is slow with."""
    texts = [
        "a" * 1000,
        "a!" * 500,
        "a-" * 500 + "!",
        " " * 999 + "a",
        "\\" * 999,
        "a@" * 100,
        ("a." * 120) + "@",
        "`" * 999,
        "[(" * 400,
    ]
    answers = [
        target.timed(
            "POST",
            ROADMAPS,
            {"goal": text, "language": text, "background": text * 2},
            harmless={"goal": GOAL, "review": True},
        )
        for text in texts
    ]
    answers += [
        target.timed(
            "POST",
            f"{AUTH}/login",
            {"email": text[:250], "password": text},
            token=None,
            harmless={"email": stranger(), "password": WRONG},
        )
        for text in texts[:7]
    ]
    answers += [
        target.timed(
            "GET", f"{ROADMAPS}?status={quote(text * 20)}", headers={"X-Request-ID": text * 20}
        )
        for text in texts[:3]
    ]
    answers += [
        target.timed("GET", f"{target.mine}/events", headers={"Last-Event-ID": "9" * 30_000 + "!"})
    ]
    won = [
        (answer.broke or answer.slow) and f"{answer.status} in {answer.seconds:.1f} s"
        for answer in answers
    ]
    return judged(won, f"{len(answers)} texts", answers)
