"""The attacker of `attacker/` wins nothing against the real service, and notices when it does.

Each fake server here is vulnerable in exactly one way.
"""

import hashlib
import json
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx2
import pytest

from core.settings import Settings
from testing.servers import Postgres, Redis
from testing.stack import OPEN_TO_TESTS, PASSWORD, Stack, running, server_stack
from testing.waiting import BRIEF, HANG
from tests.attacks.attacker import __main__ as runner
from tests.attacks.attacker import (
    access,
    browsers,
    disclosure,
    exhaustion,
    injection,
    logins,
    patterns,
    races,
)
from tests.attacks.attacker import target as attacked
from tests.attacks.attacker.target import (
    API,
    AUTH,
    COOKIE,
    EVIL,
    ME,
    ROADMAPS,
    Account,
    Finding,
    Function,
    Outcome,
    Target,
)
from tests.cases import SERVER_IN_SHORT

# Known holes. Remove one here when it is closed.
KNOWN_ANYWHERE: set[str] = set()
KNOWN_WITH_ACCOUNTS: set[str] = set()
KNOWN_WHERE_ANYBODY_MAY_REGISTER: set[str] = set()

NEEDS_LIMITS = {"guessing at one account", "guessing at once", "one password for many"}
FORGED = re.compile("^.?FORGED|^2026-01-01T00:00:00Z", re.MULTILINE)


def findings(target: Target) -> dict[str, Finding]:
    """Of all attacks but the one that needs no server."""
    attacks = [each for each in runner.ATTACKS if each is not patterns.slow_patterns]
    return dict(runner.run(runner.prepared(target), attacks))


def named(found: dict[str, Finding], outcome: Outcome) -> set[str]:
    return {name for name, finding in found.items() if finding.outcome is outcome}


def report(found: dict[str, Finding], outcome: Outcome) -> str:
    return "\n".join(
        f"{name}: {finding.tried}" for name, finding in found.items() if finding.outcome is outcome
    )


@pytest.mark.parametrize("stack", SERVER_IN_SHORT, indirect=True)
def test_no_attack_works_where_limits_are_off(stack: Stack) -> None:
    embedded = stack.mode == "embedded"
    found = findings(Target(stack.url, embedded, limits=False))
    known = (
        KNOWN_ANYWHERE
        if embedded
        else KNOWN_ANYWHERE | KNOWN_WITH_ACCOUNTS | KNOWN_WHERE_ANYBODY_MAY_REGISTER
    )
    assert named(found, Outcome.worked) == known, report(found, Outcome.worked)
    assert embedded or named(found, Outcome.not_tried) == NEEDS_LIMITS
    assert found["two approvals"].tried.endswith(
        "1 taken"
    )  # else what waits for approval was not there any more
    assert found["forms of other pages"].tried.endswith("202")  # our own page may
    assert not FORGED.search(stack.api.output)


@pytest.fixture
def production(postgres: Postgres, own_broker: Redis, tmp_path: Path) -> Iterator[Stack]:
    """Server mode with only the required settings."""
    defaults = {name: str(Settings.model_fields[name.lower()].default) for name in OPEN_TO_TESTS}
    boss = {"ADMIN_EMAIL": "boss@example.org", "ADMIN_PASSWORD": PASSWORD}
    with running(
        server_stack(tmp_path, postgres, own_broker, **defaults, **boss), "api", "huey_content"
    ) as made:
        yield made


def test_no_attack_works_with_the_settings_of_production(production: Stack) -> None:
    boss = {"email": "boss@example.org", "password": PASSWORD}
    token = production.post(f"{AUTH}/login", json=boss).json()["access_token"]
    production.headers = {"Authorization": f"Bearer {token}"}
    invitations = [
        production.post(f"{API}/invitations", json={}).json()["invitation"] for _ in range(3)
    ]
    people = [Account(email=f"{name}@example.org", password=PASSWORD) for name in ("ann", "bob")]
    for person, invitation in zip(people, invitations, strict=False):
        given = {"email": person.email, "password": PASSWORD, "invitation": invitation}
        answer = httpx2.post(f"{production.url}{AUTH}/register", json=given, timeout=HANG)
        person.token = answer.json()["access_token"]
    found = findings(
        Target(production.url, me=people[0], other=people[1], invitation=invitations[2])
    )
    assert named(found, Outcome.worked) == KNOWN_ANYWHERE | KNOWN_WITH_ACCOUNTS, report(
        found, Outcome.worked
    )
    assert named(found, Outcome.limited) >= NEEDS_LIMITS, report(found, Outcome.refused)
    assert named(found, Outcome.not_tried) == {"addresses that look the same"}
    assert found["two people with one place"].tried.endswith("1 made")
    assert production.get(ROADMAPS).status_code == 200  # somebody else is served after all that


# What the attacker notices


@dataclass(frozen=True)
class Asked:
    method: str
    path: str  # without its query
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def token(self) -> str:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme == "Bearer" else ""

    @property
    def json(self) -> dict[str, Any]:
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


Reply = tuple[int, dict[str, str], object]
Server = Callable[[Asked], Reply | None]  # None: as a careful server answers

CAREFUL = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Content-Type": "application/json",
}
TOKEN, OTHER = "payload.time.signature", "another.time.its"
MINE, THEIRS = (
    f"{ROADMAPS}/00000000-0000-7000-8000-00000000000a",
    f"{ROADMAPS}/00000000-0000-7000-8000-00000000000b",
)
KNOWN = "ann@example.org"


def careful(asked: Asked) -> Reply:
    """Knows the token of one account, who has no roadmap but the one that waits."""
    host = asked.headers.get("host", "")
    if (
        not re.fullmatch(r"127\.0\.0\.1:[0-9]+", host)
        or asked.headers.get("origin", f"http://{host}") != f"http://{host}"
    ):
        return 403, {}, {}
    if asked.path.startswith(f"{AUTH}/login"):
        return 401, {}, {"detail": "wrong"}
    if not asked.path.startswith(API):
        return (
            (200, {}, {"status": "ok"})
            if asked.path in ("/", "/health") and asked.method == "GET"
            else (404, {}, {})
        )
    if asked.token not in (TOKEN, OTHER):
        return 401, {}, {}
    if asked.method == "GET" and asked.path in (ROADMAPS, ME, f"{MINE}/events") and not asked.query:
        return 200, {}, {"items": []}
    return 404, {}, {"detail": "This thing does not exist."}


@contextmanager
def served(server: Server, *, one_at_a_time: bool = False, reads: bool = True) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "", ""

        def answer(self) -> None:
            place = urlsplit(self.path)
            length = self.headers.get("content-length", "0")
            fits = length.isdigit() and int(length) <= 2_000_000
            body = self.rfile.read(int(length)) if reads and fits else b""
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, place.path, place.query, headers, body)
            status, more, message = server(asked) or careful(asked)
            content = message if isinstance(message, bytes) else json.dumps(message).encode()
            self.send_response_only(status)
            for name, value in ({**CAREFUL, **more, "Content-Length": str(len(content))}).items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            closes = not fits or "close" in headers.get("connection", "")
            self.close_connection = self.close_connection or closes

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = answer

        def log_message(self, *what: object) -> None:
            pass

    class Threads(ThreadingHTTPServer):
        request_queue_size = 100
        block_on_close = False

        def handle_error(self, *what: object) -> None:
            pass

    class One(HTTPServer):
        request_queue_size = 100

        def handle_error(self, *what: object) -> None:
            pass

    with (One if one_at_a_time else Threads)(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(
            target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def aimed(url: str, **more: Any) -> Target:
    me, other = Account(TOKEN, KNOWN, PASSWORD), Account(OTHER, "bob@example.org", PASSWORD)
    return Target(
        url,
        me=me,
        other=other,
        mine=MINE,
        theirs=THEIRS,
        concept=THEIRS.rpartition("/")[2],
        anybody=True,
        **more,
    )


def on(
    path: str,
    status: int,
    text: object = "",
    *,
    method: str = "",
    headers: dict[str, str] | None = None,
) -> Server:
    """This answer to whatever is asked under a path."""

    def answer(asked: Asked) -> Reply | None:
        return (
            (status, headers or {}, text)
            if asked.path.startswith(path) and method in ("", asked.method)
            else None
        )

    return answer


def when(
    condition: Callable[[Asked], object],
    status: int,
    text: object = "",
    headers: dict[str, str] | None = None,
) -> Server:
    return lambda asked: (status, headers or {}, text) if condition(asked) else None


def known_takes_longer(asked: Asked) -> Reply | None:
    if asked.path == f"{AUTH}/login" and asked.json.get("email") == KNOWN:
        hashlib.pbkdf2_hmac("sha256", b"a", b"b", 30_000)
    return None


def takes_the_planted_cookie(asked: Asked) -> Reply | None:
    planted = asked.headers.get("cookie", f"{COOKIE}=new").partition("=")[2]
    if asked.path == f"{AUTH}/login":
        return (
            200,
            {"Set-Cookie": f"{COOKIE}={planted}; HttpOnly; Secure; SameSite=Lax"},
            {"access_token": "new"},
        )
    return None


def ends_nothing(asked: Asked) -> Reply | None:
    if asked.path == f"{AUTH}/login":
        return 200, {}, {"access_token": "new"} if asked.json.get("password") == PASSWORD else {}
    if asked.path in (f"{AUTH}/password", f"{AUTH}/logout", ME):
        return 200, {}, {"access_token": "newer"}
    return None


def tells_that_it_is_there(asked: Asked) -> Reply | None:
    return (403, {}, {}) if asked.path.startswith(THEIRS) else None


def makes_headers_of_paths(asked: Asked) -> Reply | None:
    return 404, {"X-Path": unquote(f"{asked.path}?{asked.query}", "latin-1")}, {}


def reads_what_is_packed(asked: Asked) -> Reply | None:
    if asked.headers.get("content-encoding") != "gzip":
        return None
    return 202, {}, {"size": len(zlib.decompress(asked.body, 31))}


def asks_the_database(asked: Asked) -> Reply | None:
    return (
        (500, {}, {"detail": "psycopg2.errors.SyntaxError"})
        if "'" in unquote(asked.path + asked.query)
        else None
    )


def allows_every_origin(asked: Asked) -> Reply | None:
    origin = asked.headers.get("origin", "")
    return (
        (
            200,
            {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"},
            {},
        )
        if origin
        else None
    )


def has_a_page(asked: Asked) -> Reply | None:
    return (
        404,
        {"Content-Type": "text/html", "X-Content-Type-Options": ""},
        unquote(asked.path).encode(),
    )


def takes_the_last_key(asked: Asked) -> Reply | None:
    return (202, {}, {}) if asked.body.count(b'"goal"') == 2 else None


def lists_what_is_theirs(asked: Asked) -> Reply | None:
    return (
        (200, {}, {"items": [{"id": THEIRS.rpartition("/")[2]}]})
        if "cursor" in asked.query
        else None
    )


def has_large_pages(asked: Asked) -> Reply | None:
    return (
        (200, {}, {"items": []})
        if parse_qs(asked.query).get("limit", ["1"])[0] == "1000000000"
        else None
    )


def reads_keys(asked: Asked) -> Reply | None:
    if asked.path == f"{API}/api-keys" and asked.method == "POST":
        return 201, {}, {"id": "a", "key": "rmk_a"}
    return (200, {}, {}) if asked.token == "rmk_a" else None


VULNERABLE: list[tuple[Function, Server]] = [
    (logins.timing_of_unknown_accounts, known_takes_longer),
    (
        logins.telling_words_of_a_login,
        when(lambda a: a.json.get("email") == "bob@example.org", 401, {"detail": "the password"}),
    ),
    (logins.fixed_session, takes_the_planted_cookie),
    (logins.use_after_logout, ends_nothing),
    (logins.parallel_logouts, ends_nothing),
    (logins.token_from_before_a_new_password, ends_nothing),
    (logins.forged_tokens, when(lambda a: a.path == ME and a.token == "payload.time.", 200, {})),
    (
        logins.forged_tokens,
        when(lambda a: a.path == ME and a.token.startswith("eyJhbGciOiAibm9uZSI"), 200, {}),
    ),
    (logins.token_in_another_place, when(lambda a: "access_token" in a.query, 200, {})),
    (logins.guessed_keys_and_invitations, when(lambda a: a.token.startswith("rmk_"), 200, {})),
    (access.routes_of_administrators, on(f"{API}/invitations", 200, {}, method="GET")),
    (access.rank_in_a_body, when(lambda a: "is_admin" in a.json, 201, {})),
    (access.rank_in_a_body, on(ME, 200, {"is_admin": True}, method="GET")),
    (access.fields_of_ours, when(lambda a: "spent" in a.json, 202, {})),
    (access.key_beyond_its_scopes, reads_keys),
    (access.things_of_others, on(f"{THEIRS}/receipt", 200, {})),
    (access.things_of_others, on(f"{THEIRS}/cancel", 202, {}, method="POST")),
    (access.things_of_others, tells_that_it_is_there),
    (access.logins_and_keys_of_others, on(f"{API}/api-keys", 204, method="DELETE")),
    (access.no_account_at_all, on(f"{MINE}/logs", 200, {})),
    (access.changed_cursors, lists_what_is_theirs),
    (injection.sql, asks_the_database),
    (injection.paths_out_of_the_folder, when(lambda a: "%2e%2e/" in a.path, 200, b"root:x:0:0:")),
    (injection.lines_in_headers, makes_headers_of_paths),
    (
        browsers.names_of_another_host,
        when(lambda a: a.headers.get("host", "").endswith(EVIL), 200, {}),
    ),
    (
        browsers.names_of_another_host,
        when(lambda a: "x-forwarded-host" in a.headers, 404, {"self": f"https://{EVIL}/"}),
    ),
    (
        browsers.open_redirects,
        when(lambda a: a.path.endswith("/"), 307, "", {"Location": "/elsewhere"}),
    ),
    (
        browsers.forms_of_other_pages,
        when(
            lambda a: a.headers.get("content-type") == "text/plain" and "cookie" in a.headers,
            202,
            {},
        ),
    ),
    (browsers.forms_of_other_pages, when(lambda a: a.headers.get("origin") == "null", 202, {})),
    (
        browsers.login_from_another_page,
        when(lambda a: a.headers.get("origin") == f"https://{EVIL}", 200, {}),
    ),
    (browsers.answers_for_scripts_of_other_pages, allows_every_origin),
    (browsers.pages_made_of_answers, has_a_page),
    (
        browsers.answers_left_in_caches,
        on(MINE, 404, {}, headers={"Cache-Control": "public, max-age=60"}),
    ),
    (browsers.other_methods, when(lambda a: a.method == "TRACE", 200, b"secret-of-mine")),
    (exhaustion.huge_bodies, when(lambda a: len(a.body) > 500_000, 202, {})),
    (exhaustion.strange_json, when(lambda a: b"NaN" in a.body, 500, {})),
    (exhaustion.strange_json, takes_the_last_key),
    (exhaustion.strange_operations, when(lambda a: b"add_concept" in a.body, 500, {})),
    (exhaustion.many_parameters, when(lambda a: a.query.count("&") > 5000, 500, {})),
    (exhaustion.bombs, reads_what_is_packed),
    (exhaustion.pages_without_end, has_large_pages),
    (exhaustion.texts_that_take_long, when(lambda a: a.body.count(b"\\") > 100, 500, {})),
    (disclosure.files_and_pages_that_tell, on("/.git/config", 200, b"[core]")),
    (disclosure.versions_and_counts_that_tell, on("/", 404, {}, headers={"Server": "Python/3.11"})),
    (disclosure.versions_and_counts_that_tell, on("/metrics", 200, {"last": KNOWN})),
    (
        disclosure.forged_lines_of_a_log,
        lambda a: (404, {"X-Request-ID": a.headers.get("x-request-id", "")}, {}),
    ),
    (races.two_approvals, on(f"{MINE}/approve", 202, {})),
    (races.body_that_is_passed_over, when(lambda a: a.headers.get("upgrade") == "h2c", 202, {})),
    (races.two_people_with_one_place, on(f"{AUTH}/register", 201, {})),
    (races.addresses_that_look_the_same, when(lambda a: b"u200b" in a.body, 201, {})),
    (races.addresses_that_grow, on(f"{AUTH}/register", 500, {})),
    (races.guessing_at_one_account, careful),
    (races.guessing_at_once, careful),
    (races.one_password_for_many, careful),
]


@pytest.mark.parametrize(
    ("attack", "server"), VULNERABLE, ids=lambda each: getattr(each, "__name__", "")
)
def test_what_is_won_is_noticed(attack: Function, server: Server) -> None:
    with served(server) as url:
        finding = attack(aimed(url))
    assert finding.outcome is Outcome.worked, finding


WITHOUT_LIMITS = (
    races.guessing_at_one_account,
    races.guessing_at_once,
    races.one_password_for_many,
)
ABOUT_BYTES = (
    injection.smuggled_requests,
    injection.body_that_is_left_over,
    injection.lines_in_headers,
    exhaustion.huge_bodies,
)


def test_against_a_careful_server_nothing_is_won() -> None:
    """But for guesses, which it does not count, and what Python's server makes of strange bytes."""
    attacks = [
        each
        for each in runner.ATTACKS
        if each not in (*WITHOUT_LIMITS, *ABOUT_BYTES, patterns.slow_patterns)
    ]
    with served(careful) as url:
        found = dict(runner.run(aimed(url), attacks))
    assert not named(found, Outcome.worked), report(found, Outcome.worked)


def test_a_server_that_limits_is_reported_as_one() -> None:
    with served(on(f"{AUTH}/login", 429, {})) as url:
        found = dict(runner.run(aimed(url), WITHOUT_LIMITS))
    assert set(found) == named(found, Outcome.limited)


@pytest.mark.parametrize("attack", [injection.smuggled_requests, injection.body_that_is_left_over])
def test_a_body_that_becomes_a_request_is_noticed(attack: Function) -> None:
    with served(careful, reads=False) as url:
        assert attack(aimed(url)).outcome is Outcome.worked


@pytest.mark.parametrize("attack", [exhaustion.slow_bodies, exhaustion.exhausted_streams])
def test_a_server_that_serves_no_other_account_is_noticed(attack: Function) -> None:
    with served(careful, one_at_a_time=True) as url:
        assert attack(aimed(url, patience=BRIEF)).outcome is Outcome.worked


@pytest.mark.parametrize(("delays", "is_slow"), [("bad", True), ("all", False)])
def test_slow_is_what_is_slower_than_a_harmless_request(
    delays: str, is_slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine delays both, and what was asked only itself."""
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(attacked, "time", clock)

    def late(asked: Asked) -> None:
        if delays == "all" or "bad" in asked.query:
            clock.now += 2 * attacked.LONG

    with served(late) as url:
        assert aimed(url).timed("GET", f"{ROADMAPS}?bad").slow is is_slow


@pytest.mark.parametrize(
    ("pattern", "use", "is_slow"),
    [
        (r"(a+)+b", "fullmatch", True),
        (r"([a-z]+)*@", "search", True),
        (r"^\s+|\s+$", "sub", True),
        (r"(a|aa)+$", "match", True),
        (r"[a-z0-9]+(-[a-z0-9]+)*", "fullmatch", False),
        (r"(?<!\\)((?:\\\\)*)x", "search", False),
    ],
)
def test_a_pattern_is_slow_when_its_time_grows_faster_than_its_text(
    tmp_path: Path, pattern: str, use: str, is_slow: bool
) -> None:
    (tmp_path / "code.py").write_text(
        f"import re\nNAME = re.compile(\n    {pattern!r}\n)\nNAME.{use}('', '')\n"
    )
    (found,) = patterns.patterns([tmp_path])
    assert (found.pattern, found.uses) == (pattern, frozenset([use]))
    assert bool(patterns.slow(found, patience=0.1)) is is_slow


def test_no_pattern_in_the_code_is_slow() -> None:
    finding = patterns.slow_patterns(Target(""))
    assert finding.outcome is Outcome.refused, finding.tried


def test_the_patterns_of_the_code_are_found() -> None:
    found = {each.where.partition(":")[0] for each in patterns.patterns_of_the_code()}
    assert {
        "sanitize.py",
        "markdown_sanitizer.py",
        "language_detection.py",
        "host_and_csrf.py",
        "request_body.py",
        "settings.py",
    } <= found


def test_every_attack_says_what_would_be_won() -> None:
    assert len({each.__name__ for each in runner.ATTACKS}) == len(runner.ATTACKS) >= 45
    assert all(each.__doc__ for each in runner.ATTACKS)
    assert len({attack for attack, _ in VULNERABLE}) > len(runner.ATTACKS) / 3


@pytest.mark.parametrize(
    ("server", "code"),
    [(careful, 0), (on("/", 302, {}, headers={"Location": f"https://{EVIL}"}), 1)],
)
def test_the_script_ends_with_1_when_an_attack_worked(
    server: Server, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "ATTACKS", [browsers.open_redirects])
    with served(server) as url:
        assert runner.main([url, "--token", TOKEN, "--other", OTHER]) == code
    assert ("WORKED     open redirects" in capsys.readouterr().out) is bool(code)
