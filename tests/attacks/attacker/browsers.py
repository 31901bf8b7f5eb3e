"""Attacks through the browser of somebody who is logged in."""

import json
import re
from urllib.parse import quote

from tests.attacks.attacker.target import (
    AUTH,
    COOKIE,
    EVIL,
    GOAL,
    INVITATIONS,
    KEYS,
    ME,
    ROADMAPS,
    SESSIONS,
    WRONG,
    Finding,
    Target,
    attack,
    judged,
    not_tried,
    status,
)


@attack
def names_of_another_host(target: Target) -> Finding:
    """Links and cookies for a name of ours; a machine's own service by DNS rebinding."""
    hosts = [
        EVIL,
        f"{EVIL}:80",
        f"{target.host}.{EVIL}",
        f"{EVIL}/health?",
        f"{EVIL}#@127.0.0.1",
        f"127.0.0.1@{EVIL}",
        "[",
        "[::ffff:1]",
    ]
    hosts += [
        f"localhost.{EVIL}",
        "0.0.0.0",
        "127.1",
        "2130706433",
        f"localhost, {EVIL}",
        f"{EVIL} localhost",
        "\xe9",
        "-",
    ]
    heads = [target.head("GET", ROADMAPS, "Connection: close", host=host) for host in hosts]
    heads.append(target.head("GET", ROADMAPS, f"Host: {EVIL}", "Connection: close"))
    heads.append(target.head("GET", ROADMAPS, "Connection: close", host=None))
    answers = [target.raw(head) for head in heads]
    won = [
        not 400 <= status(answer) < 500 and f"{head[:90]!r}: {status(answer)}"
        for head, answer in zip(heads, answers, strict=True)
    ]
    values = {
        "X-Forwarded-Host": EVIL,
        "X-Host": EVIL,
        "Forwarded": f"host={EVIL}",
        "X-Forwarded-Proto": "javascript",
        "X-Forwarded-Prefix": f"//{EVIL}",
    }
    for path in ("/", ROADMAPS, target.mine, "/nope"):
        answer = target.ask("GET", path, headers=values)
        won.append(
            EVIL.encode() in answer.body + str(answer.headers).encode() and f"{path} names it"
        )
    return judged(won, f"{len(hosts) + 2} names, and 5 headers that tell one")


@attack
def open_redirects(target: Target) -> Finding:
    """A link to this service that leads elsewhere."""
    paths = [
        f"//{EVIL}",
        f"//{EVIL}/%2e%2e",
        f"/\\{EVIL}",
        f"/%5c{EVIL}",
        f"/%09/{EVIL}",
        f"{ROADMAPS}/",
        f"//{EVIL}{ROADMAPS}/",
        "/health/",
    ]
    paths += [
        f"{path}?{name}=https://{EVIL}"
        for path in ("/", f"{AUTH}/login")
        for name in ("next", "url", "redirect", "return_to")
    ]
    answers = [
        target.raw(target.head("GET", path, "Connection: close")).partition(b"\r\n\r\n")[0]
        for path in paths
    ]
    won = [
        (300 <= status(answer) < 400 or EVIL.encode() in answer) and path
        for path, answer in zip(paths, answers, strict=True)
    ]
    return judged(won, f"{len(paths)} paths")


@attack
def forms_of_other_pages(target: Target) -> Finding:
    """Changes by forms of other pages, with the visitor's cookie or on their machine."""
    cookie = {} if target.embedded else {"Cookie": f"{COOKIE}={target.me.token}"}
    goal = json.dumps({"goal": GOAL}).encode()
    forms = [
        ("application/json", goal),
        ("text/plain", goal),
        ("application/x-www-form-urlencoded", b"goal=" + quote(GOAL).encode()),
        (
            "multipart/form-data; boundary=a",
            b'--a\r\nContent-Disposition: form-data; name="goal"\r\n\r\nPython\r\n--a--\r\n',
        ),
        ("text/plain; application/json", goal),
        ("", goal),
    ]
    pages: list[dict[str, str]] = [
        {"Origin": f"https://{EVIL}"},
        {"Origin": "null"},
        {"Origin": f"http://{target.host}.{EVIL}"},
        {"Origin": f"http://{EVIL}", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        },
        {"Origin": f"http://{EVIL}", "Referer": f"http://{target.host}/"},
        {"Origin": f"http://localhost:{target.place[1] + 1}"},
    ]
    won, answers = [], []
    for page in pages:
        for kind, body in forms[:2]:
            answers.append(
                target.ask(
                    "POST",
                    ROADMAPS,
                    body,
                    token=None,
                    headers={**cookie, **page, "Content-Type": kind},
                )
            )
            won.append(answers[-1].ok and f"{kind} from {page}")
        for path in (
            (f"{target.mine}/cancel", f"{AUTH}/logout")
            if not target.embedded
            else (f"{target.mine}/cancel",)
        ):
            answers.append(
                target.ask(
                    "POST",
                    path,
                    b"",
                    token=None,
                    headers={**cookie, **page, "Content-Type": "text/plain"},
                )
            )
            won.append(answers[-1].ok and f"{path} from {page}")
    for kind, body in forms[1:]:
        answers.append(
            target.ask("POST", ROADMAPS, body, token=None, headers={**cookie, "Content-Type": kind})
        )
        won.append(answers[-1].ok and f"a form of {kind} without an origin")
    if not target.embedded:
        for path, token in (
            (ROADMAPS, ""),
            (ROADMAPS, "0"),
            (ROADMAPS, target.me.token),
            (f"{AUTH}/logout", ""),
        ):
            headers = {**cookie, "Content-Type": "application/json", "X-CSRF-Token": token}
            answers.append(
                target.ask(
                    "POST", path, goal if path == ROADMAPS else b"{}", token=None, headers=headers
                )
            )
            won.append(answers[-1].ok and f"a CSRF token {token[:9]!r}")
    ours = {**cookie, "Origin": f"http://{target.host}", "Content-Type": "application/json"}
    control = target.ask(
        "POST", ROADMAPS, goal, token=None, headers=ours
    )  # else nothing above says anything
    return judged(won, f"{len(answers)} forms; our own page: {control.status}", answers)


@attack
def login_from_another_page(target: Target) -> Finding:
    """A victim who works in the attacker's account."""
    if not target.other.email:
        return not_tried("there are no logins")
    given = json.dumps(
        {"email": target.other.email, "password": target.other.password or WRONG, "cookie": True}
    ).encode()
    answers = [
        target.ask(
            "POST", f"{AUTH}/login", given, token=None, headers={"Content-Type": kind, **page}
        )
        for kind, page in (
            ("application/json", {"Origin": f"https://{EVIL}"}),
            ("application/json", {"Sec-Fetch-Site": "cross-site"}),
            ("text/plain", {"Origin": "null"}),
            ("text/plain", {}),
        )
    ]
    return judged([answer.ok and "logged in" for answer in answers], "4 pages", answers)


@attack
def answers_for_scripts_of_other_pages(target: Target) -> Finding:
    """Reading what is another's through a page of ours (CORS)."""
    origins = (
        "null",
        f"https://{EVIL}",
        f"http://{target.host}.{EVIL}",
        f"http://{EVIL}/{target.host}",
        "*",
        "file://",
        "http://localhost:1",
    )
    won = []
    for origin in origins:
        ask = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        }
        for answer in (
            target.ask("GET", ROADMAPS, headers={"Origin": origin}),
            target.ask("OPTIONS", ROADMAPS, headers=ask),
        ):
            allowed = answer.header("access-control-allow-origin")
            won.append(allowed in ("*", origin) and f"{origin} may read")
            won.append(
                answer.header("access-control-allow-credentials") == "true"
                and allowed
                and f"{origin} with the cookie"
            )
    return judged(won, f"{len(origins)} origins")


@attack
def pages_made_of_answers(target: Target) -> Finding:
    """A script that runs as this service, from a text of ours; or a page of it in a frame."""
    script = "<script>alert(1)</script>"
    coded = quote(script)
    answers = [
        target.ask("GET", path)
        for path in (
            f"/{coded}",
            f"{ROADMAPS}/{coded}",
            f"{ROADMAPS}?status={coded}",
            ROADMAPS,
            "/",
        )
    ]
    answers.append(
        target.ask("POST", ROADMAPS, {"goal": script, script: 1}, headers={"Accept": "text/html"})
    )
    won: list[object] = [
        re.search("html|xml|javascript|svg", answer.header("content-type"))
        and answer.header("content-type")
        for answer in answers
    ]
    won += [
        answer.header("x-content-type-options") != "nosniff" and "sniffed" for answer in answers
    ]
    framed = [
        answer.header("content-security-policy") + answer.header("x-frame-options")
        for answer in answers
    ]
    return judged(
        [*won, *("frame" not in each and "framed" for each in framed)],
        f"{len(answers)} answers",
        answers,
    )


@attack
def answers_left_in_caches(target: Target) -> Finding:
    """Somebody's things, out of a proxy or a shared machine."""
    paths = [
        ROADMAPS,
        target.mine,
        f"{target.mine}/logs",
        f"{target.mine}/receipt",
        f"{target.mine}/revisions",
        f"{ROADMAPS}/a",
        "/nope",
    ]
    paths += [] if target.embedded else [ME, SESSIONS, KEYS, INVITATIONS]
    paths += [f"{target.mine}.css", f"{target.mine}/a.js", f"{ROADMAPS};a.css"]
    answers = [target.ask("GET", path) for path in paths]
    answers.append(target.ask("GET", ROADMAPS, token="a.b.c"))
    kept = [not re.search("no-store|private", answer.header("cache-control")) for answer in answers]
    won = [
        keeps and f"{path} may be kept"
        for path, keeps in zip([*paths, "a refusal"], kept, strict=True)
    ]
    return judged(
        [
            *won,
            *(answer.ok and path for path, answer in zip(paths[-3:], answers[-4:-1], strict=True)),
        ],
        f"{len(answers)} answers",
        answers,
    )


@attack
def other_methods(target: Target) -> Finding:
    """Changes by a request that a proxy lets through as harmless."""
    answers = [
        target.ask("GET", ROADMAPS, headers={name: "POST"})
        for name in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method")
    ]
    posted = [
        target.ask(
            "POST", f"{ROADMAPS}?_method=GET", {}, headers={"X-HTTP-Method-Override": "GET"}
        ),
        target.ask("POST", ROADMAPS, {"_method": "GET"}),
    ]
    odd = [
        target.ask(method, path, headers={"X-Echo": "secret-of-mine"})
        for method in ("TRACE", "TRACK", "DEBUG", "get", "PROPFIND")
        for path in ("/", ROADMAPS)
    ]
    switched = target.raw(
        target.head(
            "GET",
            "/",
            "Connection: close, Upgrade",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
        )
    )
    won = [answer.status not in (200, 429) and "overridden" for answer in answers]
    won += [answer.ok and "overridden" for answer in posted] + [
        answer.ok and "answered" for answer in odd
    ]
    won += [b"secret-of-mine" in answer.body and "echoed" for answer in odd] + [
        status(switched) == 101 and "another protocol"
    ]
    return judged(
        won, f"{len(answers) + len(posted) + len(odd) + 1} requests", [*answers, *posted, *odd]
    )
