"""An attacker: an outsider with two ordinary accounts who tries what is usually tried, against a running server.

`python -m tests.security.attacker URL` prints what was tried and how it ended, and ends with 1 when any attack worked. The
accounts are `--token` and `--other`, or are registered where anybody may. `--embedded`: a server without accounts. Each attack
is a function whose docstring says what would be won; it is over in seconds and bounded: at most 50 requests run at once.
"""

import argparse
import ast
import base64
import gzip
import http.client
import itertools
import json
import re
import socket
import sys
import threading
import time
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from itsdangerous import URLSafeTimedSerializer

API = "/api/v1"
AUTH, ROADMAPS, KEYS, INVITATIONS = (
    f"{API}/auth",
    f"{API}/roadmaps",
    f"{API}/api-keys",
    f"{API}/invitations",
)
ME, SESSIONS = f"{AUTH}/me", f"{AUTH}/sessions"
COOKIE = "__Host-roadmap"
EVIL = "evil.example"
GOAL = "Become a backend engineer in Python"
PASSWORD = "seven unrelated paper boats"
LOOKS = 3  # at a difference in time before it is believed
WRONG = "not the password of anybody"
AT_ONCE = 50  # requests
PATIENCE = 10.0  # seconds for an answer
LONG = 1.5  # seconds after which an answer was made slow by what was asked
CODE = Path(__file__).resolve().parents[2]
FOLDERS = ("core", "reliable_queue", "roadmap", "tasks", "web")
INSIDE = re.compile(
    rb"Traceback|psycopg2|peewee|sqlite3?\.|site-packages|SELECT .* FROM|syntax error at|File \"/",
    re.IGNORECASE,
)


class Outcome(StrEnum):
    refused = "refused"
    worked = "WORKED"
    limited = "limited"
    not_tried = "not tried"


@dataclass(frozen=True)
class Finding:
    outcome: Outcome
    tried: str


@dataclass(frozen=True)
class Answer:
    """`status` 0: the connection was closed without one."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    seconds: float = 0.0

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def broke(self) -> bool:
        """The server did not expect this, or tells of its inside."""
        return (self.status >= 500 and self.status != 503) or INSIDE.search(self.body) is not None

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


@dataclass
class Account:
    token: str = ""
    email: str = ""
    password: str = ""  # empty: nobody has told


@dataclass
class Target:
    """The server, the accounts, and a roadmap of each. `mine` waits for approval; `theirs` is built."""

    url: str
    embedded: bool = False
    me: Account = field(default_factory=Account)
    other: Account = field(default_factory=Account)
    mine: str = ""
    theirs: str = ""
    concept: str = ""  # of theirs
    invitation: str = ""
    limits: bool = (
        True  # False: the operator has turned them off, and that nothing is limited is no news
    )
    anybody: bool = False  # may register

    @property
    def place(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80

    @property
    def host(self) -> str:
        return "{}:{}".format(*self.place)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "",
        headers: dict[str, str] | None = None,
        timeout: float = PATIENCE,
    ) -> Answer:
        """As the first account, unless another token is given; as nobody with None. A body that is not bytes becomes JSON."""
        sent = {"Host": self.host}
        token = self.me.token if token == "" else token
        if token and not self.embedded:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        connection = http.client.HTTPConnection(*self.place, timeout=timeout)
        began = time.monotonic()
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(
                answer.status, tuple(answer.getheaders()), answer.read(), time.monotonic() - began
            )
        except (OSError, http.client.HTTPException):
            return Answer(0, seconds=time.monotonic() - began)
        finally:
            connection.close()

    def raw(self, *parts: bytes, timeout: float = 2.0) -> bytes:
        """Everything that is answered to exactly these bytes until the server closes, or is silent for so long."""
        answer = b""
        with suppress(OSError), socket.create_connection(self.place, timeout=timeout) as connection:
            with suppress(OSError):
                for part in parts:
                    connection.sendall(part)
            while received := connection.recv(65_536):
                answer += received
        return answer

    def head(
        self, method: str, path: str, *lines: str, host: str | None = "", token: str | None = ""
    ) -> bytes:
        """The head of a request, each line as it is given."""
        token = self.me.token if token == "" else token
        first = [
            f"{method} {path} HTTP/1.1",
            *([] if host is None else [f"Host: {host or self.host}"]),
        ]
        proof = [f"Authorization: Bearer {token}"] if token and not self.embedded else []
        return "\r\n".join((*first, *proof, *lines, "", "")).encode("latin-1")

    def log_in(self, account: Account, password: str | None = None, **options: Any) -> Answer:
        given = {
            "email": account.email,
            "password": account.password if password is None else password,
        }
        return self.ask(
            "POST", f"{AUTH}/login", given | options.pop("fields", {}), token=None, **options
        )

    def fresh(self, account: Account) -> str:
        """The token of another login; empty when there is none."""
        return (
            str(self.log_in(account).json().get("access_token") or "") if account.password else ""
        )


Function = Callable[[Target], Finding]
ATTACKS: list[Function] = []


def attack(function: Function) -> Function:
    ATTACKS.append(function)
    return function


def judged(won: Iterable[object], tried: str, answers: Iterable[Answer] = ()) -> Finding:
    """It worked when anything was won."""
    gains = [str(gain) for gain in won if gain]
    if gains:
        return Finding(Outcome.worked, f"{tried}: {'; '.join(gains[:4])}")
    limited = any(answer.status == 429 for answer in answers)
    return Finding(Outcome.limited if limited else Outcome.refused, tried)


def not_tried(why: str) -> Finding:
    return Finding(Outcome.not_tried, why)


def together(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    with ThreadPoolExecutor(min(AT_ONCE, len(calls))) as pool:
        return [each.result() for each in [pool.submit(call) for call in calls]]


def responses(answer: bytes) -> int:
    return len(re.findall(rb"HTTP/1\.[01] [1-5][0-9][0-9]", answer))


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] ([0-9]{3})", answer)
    return int(found[1]) if found else 0


def stranger() -> str:
    return f"{uuid.uuid4().hex}@example.org"


# Who somebody is


@attack
def timing_of_unknown_accounts(target: Target) -> Finding:
    """Which addresses have an account, told by how long a refusal takes."""
    if not target.me.email:
        return not_tried("there are no accounts")
    for _ in range(LOOKS):  # a machine that does other work differs once, an account each time
        answers, known, unknown = [], list[float](), list[float]()
        for _ in range(9):
            for email, times in ((target.me.email, known), (stranger(), unknown)):
                answers.append(answer := target.log_in(Account(email=email), WRONG))
                if answer.status == 401:
                    times.append(answer.seconds)
        if len(known) < 5 or len(unknown) < 5:
            return judged([], "too few answers to compare", answers)
        ratio = min(known) / min(
            unknown
        )  # other work of the machine only adds to what an answer takes
        if 0.5 < ratio < 2:
            break
    return judged(
        [not 0.5 < ratio < 2 and "they differ"],
        f"a known address takes {ratio:.2f} times as long as an unknown one",
    )


@attack
def telling_words_of_a_login(target: Target) -> Finding:
    """Which addresses have an account, told by what a refusal says."""
    if not target.me.email:
        return not_tried("there are no accounts")
    answers = [
        target.log_in(Account(email=email), WRONG) for email in (target.other.email, stranger())
    ]
    said = {
        (answer.status, *map(answer.json().get, ("title", "detail", "type"))) for answer in answers
    }
    return judged([len(said) > 1 and said], "a known and an unknown address", answers)


@attack
def fixed_session(target: Target) -> Finding:
    """Somebody's login, by giving their browser a token before they log in."""
    if not (before := target.fresh(target.other)):
        return not_tried("needs the passwords of both accounts")
    planted = {"Cookie": f"{COOKIE}={before}", "Origin": f"http://{target.host}"}
    answer = target.log_in(target.me, fields={"cookie": True}, headers=planted)
    after = answer.header("set-cookie").partition("=")[2].partition(";")[0]
    seen = target.ask("GET", ME, token=before)
    won = [
        answer.ok and after in ("", before) and "no new token",
        seen.ok
        and seen.json().get("email") == target.me.email
        and "the planted token is the victim's now",
        seen.ok and "the planted login is still good",
        answer.ok
        and not all(
            word in answer.header("set-cookie") for word in ("HttpOnly", "Secure", "SameSite")
        )
        and "cookie",
    ]
    return judged(won, "a login with a planted cookie", [answer])


@attack
def use_after_logout(target: Target) -> Finding:
    """A login that was ended, from a copied token."""
    if not (token := target.fresh(target.me)):
        return not_tried("needs a password")
    target.ask("POST", f"{AUTH}/logout", token=token)
    tries = [target.ask("GET", path, token=token) for path in (ME, ROADMAPS, SESSIONS)]
    tries.append(target.ask("GET", ME, token=None, headers={"Cookie": f"{COOKIE}={token}"}))
    return judged(
        [answer.ok and "a token after its logout" for answer in tries],
        "a token after its logout",
        tries,
    )


@attack
def parallel_logouts(target: Target) -> Finding:
    """A login that survives because two logouts met."""
    if not (token := target.fresh(target.me)):
        return not_tried("needs a password")
    answers = together([lambda: target.ask("POST", f"{AUTH}/logout", token=token)] * 10)
    after = target.ask("GET", ME, token=token)
    won = [
        after.ok and "it is still good",
        *(answer.broke and f"answered {answer.status}" for answer in answers),
    ]
    return judged(won, "ten logouts at once", answers)


@attack
def token_from_before_a_new_password(target: Target) -> Finding:
    """An account that its owner thinks to have taken back."""
    if not target.me.password:
        return not_tried("needs a password")
    old, new = target.me.token, PASSWORD[::-1]
    change = {"current_password": target.me.password, "new_password": new}
    answer = target.ask("PUT", f"{AUTH}/password", change)
    if not answer.ok:
        return judged([], "the password could not be changed", [answer])
    seen = target.ask("GET", ME, token=old)
    again = target.log_in(target.me)
    target.me.token, target.me.password = answer.json()["access_token"], new
    return judged(
        [seen.ok and "the old token is good", again.ok and "the old password is"],
        "token and password",
        [seen, again],
    )


@attack
def forged_tokens(target: Target) -> Finding:
    """Any account, without a password."""
    if target.embedded:
        return not_tried("there are no tokens")
    payload, _, rest = (
        target.me.token.rpartition(".")[0].partition(".")[0],
        "",
        target.me.token.rpartition(".")[2],
    )
    signed = target.me.token.rpartition(".")[0]
    unsigned = (
        base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode())
        .decode()
        .rstrip("=")
    )
    claims = (
        base64.urlsafe_b64encode(json.dumps({"sub": target.other.email, "is_admin": True}).encode())
        .decode()
        .rstrip("=")
    )
    forged = [
        f"{signed}.",
        signed,
        f"{signed}..{rest}",
        target.me.token[:-4],
        target.me.token[4:],
        f"{unsigned}.{claims}.",
    ]
    forged += [
        f"{target.other.token.rpartition('.')[0]}.{rest}",
        f"{payload}.{rest}",
        "null",
        "undefined",
        "0",
        "Bearer",
        ".",
    ]
    forged += [
        ".eJx" + "A" * 200 + ".AAAA." + rest,
        "\u00e9" * 20,
        "a" * 8000,
        ",".join([target.me.token[:-3]] * 2),
    ]
    zero = [uuid.UUID(int=1).hex, uuid.UUID(int=1).hex, 1]
    for key in ("", "secret", "changeme", "a" * 32, "roadmap", target.me.token):
        for salt in ("roadmap.access-token", "itsdangerous", "roadmap.invitation"):
            forged.append(str(URLSafeTimedSerializer(key or "x", salt=salt).dumps(zero)))
    if target.invitation:
        forged.append(target.invitation)
    answers = [
        target.ask("GET", ME, token=None, headers={"Authorization": f"Bearer {token}"})
        for token in forged
    ]
    won = [answer.ok and f"{token[:30]}" for token, answer in zip(forged, answers, strict=True)]
    return judged(
        [*won, *(answer.broke and answer.status for answer in answers)],
        f"{len(forged)} tokens of our own",
        answers,
    )


@attack
def token_in_another_place(target: Target) -> Finding:
    """Tokens out of logs and histories, if they may stand in an address, or cookies that another site may set."""
    if target.embedded:
        return not_tried("there are no tokens")
    token, ask = target.me.token, target.ask
    basic = base64.b64encode(f"token:{token}".encode()).decode()
    answers = [
        *(
            ask("GET", f"{ROADMAPS}?{name}={quote(token)}", token=None)
            for name in ("access_token", "token", "key", "api_key")
        ),
        *(
            ask("GET", ME, token=None, headers={name: token})
            for name in ("X-Access-Token", "X-API-Key", "X-Auth-Token")
        ),
        *(
            ask("GET", ME, token=None, headers={"Authorization": f"{how} {token}"})
            for how in ("Token", "JWT", "")
        ),
        ask("GET", ME, token=None, headers={"Authorization": f"Basic {basic}"}),
        *(
            ask("GET", ME, token=None, headers={"Cookie": cookie})
            for cookie in (
                f"roadmap={token}",
                f"session={token}",
                f"__host-roadmap={token}",
                f"{COOKIE}=a; {COOKIE}={token}",
                f'{COOKIE}="{token}"',
                f"\t{COOKIE}={token}".strip() + "x",
                f"a=b\x0b{COOKIE}={token}",
            )
        ),
    ]
    return judged(
        [answer.ok and "taken" for answer in answers], f"{len(answers)} other places", answers
    )


@attack
def guessed_keys_and_invitations(target: Target) -> Finding:
    """An account's key, or the right to register, by trying."""
    if target.embedded:
        return not_tried("there are no keys")
    keys = [
        "rmk_",
        "rmk_test",
        "rmk_' OR ''='",
        "rmk_\u00ff",
        *(f"rmk_{uuid.uuid4().hex}{uuid.uuid4().hex[:11]}" for _ in range(20)),
    ]
    answers = [target.ask("GET", ME, token=key) for key in keys]
    text = str(URLSafeTimedSerializer("x", salt="roadmap.invitation").dumps(uuid.uuid4().hex))
    for invitation in (text, "0", uuid.uuid4().hex, target.me.token):
        given = {"email": stranger(), "password": PASSWORD, "invitation": invitation}
        answers.append(target.ask("POST", f"{AUTH}/register", given, token=None))
    return judged(
        [answer.ok and "taken" for answer in answers],
        f"{len(keys)} keys and 4 invitations",
        answers,
    )


# What somebody may


@attack
def routes_of_administrators(target: Target) -> Finding:
    """The right to invite, with an ordinary account."""
    if target.embedded:
        return not_tried("the one person there may everything")
    answers = [
        target.ask("GET", INVITATIONS),
        target.ask("POST", INVITATIONS, {}),
        target.ask("POST", INVITATIONS, {"email": stranger()}),
        target.ask("DELETE", f"{INVITATIONS}/{uuid.uuid4()}"),
        target.ask(
            "GET",
            f"{INVITATIONS}/",
            headers={"X-Original-URL": INVITATIONS, "X-Rewrite-URL": INVITATIONS},
        ),
        target.ask(
            "GET",
            INVITATIONS,
            headers={"X-Forwarded-For": "127.0.0.1", "X-Admin": "1", "X-Roles": "admin"},
        ),
        target.ask("POST", KEYS, {"name": "a", "scopes": ["admin"]}),
        target.ask("POST", KEYS, {"name": "a", "scopes": ["read", "write", "admin"]}),
        *(
            target.ask("GET", f"{API}/{name}")
            for name in ("admin", "users", "accounts", "auth/users")
        ),
    ]
    return judged([answer.ok and "allowed" for answer in answers], f"{len(answers)} calls", answers)


@attack
def rank_in_a_body(target: Target) -> Finding:
    """The rank of an administrator, by saying so."""
    if target.embedded:
        return not_tried("there are no ranks")
    person = {"email": stranger(), "password": PASSWORD}
    ranks: list[dict[str, Any]] = [
        {"is_admin": True},
        {"isAdmin": True},
        {"role": "admin"},
        {"user": {"is_admin": True}},
    ]
    answers = [
        target.ask("POST", f"{AUTH}/register", {**person, **rank}, token=None) for rank in ranks
    ]
    answers += [target.ask(method, ME, {"is_admin": True}) for method in ("PATCH", "PUT", "POST")]
    answers.append(
        target.ask(
            "PUT",
            f"{AUTH}/password",
            {"current_password": WRONG, "new_password": WRONG, "is_admin": True},
        )
    )
    rank = target.ask("GET", ME).json().get("is_admin")
    return judged(
        [*(answer.ok and "taken" for answer in answers), rank is True and "I am one"],
        "8 bodies",
        answers,
    )


@attack
def fields_of_ours(target: Target) -> Finding:
    """Roadmaps in another's name, finished, paid or dated as one likes."""
    foreign: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "owner": str(uuid.UUID(int=1)),
        "owner_id": str(uuid.UUID(int=1)),
        "status": "ready",
    }
    foreign |= {
        "spent": 0,
        "created_at": "2001-01-01T00:00:00Z",
        "revision": 7,
        "approved": True,
        "title": "a",
        "due_at": None,
    }
    foreign |= {
        "__class__": "a",
        "__proto__": {"status": "ready"},
        "constructor": {},
        "model_config": {"extra": "allow"},
    }
    answers = [
        target.ask("POST", ROADMAPS, {"goal": GOAL, name: value}) for name, value in foreign.items()
    ]
    answers += [
        target.ask("POST", f"{target.mine}/approve", {"status": "ready"}),
        target.ask("PATCH", target.mine, {"spent": 0}),
    ]
    if not target.embedded:
        answers += [
            target.ask("POST", KEYS, {"name": "a", **more})
            for more in ({"account": "a"}, {"id": "a"}, {"key": "rmk_a"})
        ]
    won = [
        answer.ok and f"{name} was taken"
        for name, answer in zip([*foreign, *"-----"], answers, strict=False)
    ]
    return judged(won, f"{len(answers)} fields", answers)


@attack
def key_beyond_its_scopes(target: Target) -> Finding:
    """More than was given away: a key that reads also writes, makes keys or takes the account over."""
    if target.embedded:
        return not_tried("there are no keys")
    made = target.ask("POST", KEYS, {"name": "attacker", "scopes": ["read"]})
    key = made.json().get("key", "")
    if not made.ok:
        return judged([], "no key could be made", [made])
    change = {"current_password": target.me.password, "new_password": WRONG}
    answers = [
        target.ask("POST", ROADMAPS, {"goal": GOAL}, token=key),
        target.ask("POST", f"{target.mine}/cancel", {}, token=key),
        target.ask("POST", KEYS, {"name": "more", "scopes": ["write"]}, token=key),
        target.ask("GET", KEYS, token=key),
        target.ask("GET", SESSIONS, token=key),
        target.ask("PUT", f"{AUTH}/password", change, token=key),
        target.ask("POST", f"{AUTH}/logout", {}, token=key),
        target.ask("GET", INVITATIONS, token=key),
        target.ask("GET", ME, token=None, headers={"Cookie": f"{COOKIE}={key}"}),
    ]
    target.ask("DELETE", f"{KEYS}/{made.json().get('id')}")
    after = target.ask("GET", ME, token=key)
    won = [
        *(answer.ok and "allowed" for answer in answers),
        after.ok and "good after it was revoked",
    ]
    return judged(won, "a key to read with", answers)


def _calls(roadmap: str, concept: str) -> Iterator[tuple[str, str, Any]]:
    """Every call about a roadmap, as it would be right for its owner."""
    part = f"{roadmap}/concepts/{concept}"
    paths = (
        "",
        "/events",
        "/logs",
        "/revisions",
        "/revisions/1",
        "/revisions/1/diff",
        "/receipt",
        "/logs?level=info",
    )
    yield from (("GET", roadmap + path, None) for path in paths)
    yield "GET", part, None
    for kind in ("tutorial", "resources", "quiz"):
        yield "GET", f"{part}/{kind}/versions", None
        yield "GET", f"{part}/{kind}/versions/1", None
        yield "POST", f"{part}/{kind}/regenerate", {}
    operation = {"op": "remove", "what": "stage", "key": "the-language"}
    yield from (
        ("POST", f"{roadmap}/{verb}", {})
        for verb in ("approve", "cancel", "retry", "revisions/1/restore")
    )
    yield "POST", f"{roadmap}/revise", {"feedback": "make it shorter"}
    yield "POST", f"{roadmap}/edits", {"operations": [operation]}
    yield from ((method, roadmap, None) for method in ("DELETE", "PUT", "PATCH"))


@attack
def things_of_others(target: Target) -> Finding:
    """What another account wants to learn, and the power over it, by its id."""
    if target.embedded:
        return not_tried("there is one person")
    won: list[object] = []
    answers = []
    nothing = f"{ROADMAPS}/{uuid.uuid4()}"
    pairs = zip(
        _calls(target.theirs, target.concept), _calls(nothing, str(uuid.uuid4())), strict=True
    )
    for (method, path, body), (_, absent, _) in pairs:
        answer, other = target.ask(method, path, body), target.ask(method, absent, body)
        answers += [answer, other]
        said = [
            (each.status, each.json().get("detail", "").replace(absent, path))
            for each in (answer, other)
        ]
        if answer.ok or answer.broke:
            won.append(f"{method} {path}: {answer.status}")
        elif 429 not in (answer.status, other.status) and said[0] != said[1]:
            won.append(f"{method} {path} tells that it is there")
    mixed = f"{target.mine}/concepts/{target.concept}"
    answers += [
        target.ask("GET", path)
        for path in (mixed, f"{mixed}/quiz/versions", f"{mixed}/quiz/versions/1")
    ]
    won += [answer.ok and "through a roadmap of mine" for answer in answers[-3:]]
    return judged(won, f"{len(answers)} calls with ids of another", answers)


@attack
def logins_and_keys_of_others(target: Target) -> Finding:
    """Shutting somebody out, or learning from where they come."""
    if target.embedded:
        return not_tried("there are no logins")
    sessions = target.ask("GET", SESSIONS, token=target.other.token).json().get("items", [])
    made = target.ask("POST", KEYS, {"name": "a"}, token=target.other.token).json()
    answers = [
        target.ask(method, f"{SESSIONS}/{each['id']}")
        for each in sessions[:3]
        for method in ("DELETE", "GET")
    ]
    answers += [
        target.ask(method, f"{KEYS}/{made.get('id')}") for method in ("DELETE", "GET", "PATCH")
    ]
    lists = [target.ask("GET", path) for path in (SESSIONS, KEYS, ROADMAPS)]
    theirs = [
        *(each["id"] for each in sessions),
        made.get("id", "-"),
        target.theirs.rpartition("/")[2],
    ]
    seen = [
        f"{each} is listed"
        for each in theirs
        if any(each.encode() in answer.body for answer in lists)
    ]
    target.ask("DELETE", f"{KEYS}/{made.get('id')}", token=target.other.token)
    return judged(
        [*(answer.ok and "ended" for answer in answers), *seen], f"{len(answers)} calls", answers
    )


@attack
def nobody_at_all(target: Target) -> Finding:
    """Everything, without an account."""
    if target.embedded:
        return not_tried("whoever is at the machine is its person")
    calls = [
        *_calls(target.mine, target.concept),
        ("GET", ROADMAPS, None),
        ("GET", ME, None),
        ("GET", KEYS, None),
    ]
    calls += [
        ("GET", SESSIONS, None),
        ("POST", ROADMAPS, {"goal": GOAL}),
        ("POST", KEYS, {"name": "a"}),
        ("GET", INVITATIONS, None),
    ]
    answers = [target.ask(method, path, body, token=None) for method, path, body in calls]
    won = [
        answer.ok and f"{method} {path}"
        for (method, path, _), answer in zip(calls, answers, strict=True)
    ]
    return judged(won, f"{len(calls)} calls", answers)


@attack
def changed_cursors(target: Target) -> Finding:
    """Pages of somebody else's list, or an error that tells of the database."""
    theirs = target.theirs.rpartition("/")[2]
    cursors = [
        "0",
        "-1",
        "%00",
        "' OR 1=1--",
        str(uuid.UUID(int=0)),
        "f" * 32,
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        theirs,
        "a" * 999,
    ]
    lists = (ROADMAPS, f"{target.mine}/logs", f"{target.mine}/receipt")
    answers = [
        target.ask("GET", f"{path}?cursor={quote(cursor, safe='%')}&limit=100")
        for path in lists
        for cursor in cursors
    ]
    hidden = "" if target.embedded else theirs
    won = [answer.broke and f"answered {answer.status}" for answer in answers]
    won += [
        bool(hidden) and answer.ok and f'"{hidden}"'.encode() in answer.body and "theirs is listed"
        for answer in answers
    ]
    return judged(won, f"{len(answers)} cursors", answers)


# Text that is read as something else

SQL = ("' OR '1'='1", "'; DROP TABLE account;--", "1) UNION SELECT 1,2,3--", "\\' OR 1=1--", "'||pg_sleep(3)||'", "$$;SELECT pg_sleep(3)$$", "%' AND 1=1 /*", "\";--")  # fmt: skip  # noqa: E501


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
        answers += [target.ask("GET", path) for path in paths]
        answers.append(
            target.ask("POST", ROADMAPS, {"goal": text, "level": text, "language": text})
        )
    for text in SQL[:3]:
        answers.append(
            target.ask("POST", ROADMAPS, {"goal": GOAL, "background": text, "review": True})
        )
        answers.append(
            target.ask(
                "POST",
                f"{AUTH}/login",
                {"email": f"a@b.{text}".replace(" ", ""), "password": text},
                token=None,
            )
        )
    won = [answer.broke and f"answered {answer.status}" for answer in answers]
    won += [answer.seconds > LONG * 2 and "it slept" for answer in answers]
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
    """A request in somebody else's connection behind a proxy: one that the proxy has not seen as one."""
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
        answer = target.raw(target.head("POST", ROADMAPS, kind, *lines), body, hidden, timeout=1)
        won.append((responses(answer) > 1 or not 400 <= (status(answer) or 400) < 500) and name)
    return judged(won, f"{len(cases)} ambiguous lengths")


@attack
def body_that_is_left_over(target: Target) -> Finding:
    """The same, when a body is refused without being read."""
    hidden = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
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
        target.raw(head, hidden, timeout=0.2).replace(b"HTTP/1.1 100 Continue", b"")
        for head in heads
    ]
    return judged(
        [responses(answer) > 1 and "read as a request" for answer in answers],
        f"{len(heads)} bodies",
    )


@attack
def names_of_another_host(target: Target) -> Finding:
    """Links and cookies for a name of ours, and by a name that points here, a machine's own service (DNS rebinding)."""
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
    told = {"X-Forwarded-Host": EVIL, "X-Host": EVIL, "Forwarded": f"host={EVIL}", "X-Forwarded-Proto": "javascript", "X-Forwarded-Prefix": f"//{EVIL}"}  # fmt: skip  # noqa: E501
    for path in ("/", ROADMAPS, target.mine, "/nope"):
        answer = target.ask("GET", path, headers=told)
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


# Pages of others


@attack
def forms_of_other_pages(target: Target) -> Finding:
    """Changes with the cookie of whoever looks at a page of ours, or on the machine of whoever does."""
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
    return judged([*won, *(answer.ok and path for path, answer in zip(paths[-3:], answers[-4:-1], strict=True))], f"{len(answers)} answers", answers)  # fmt: skip  # noqa: E501


@attack
def other_methods(target: Target) -> Finding:
    """What a proxy lets through as harmless, done as something else."""
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
    odd = [target.ask(method, path, headers={"X-Echo": "secret-of-mine"}) for method in ("TRACE", "TRACK", "DEBUG", "get", "PROPFIND") for path in ("/", ROADMAPS)]  # fmt: skip  # noqa: E501
    switched = target.raw(
        target.head(
            "GET",
            "/",
            "Connection: Upgrade",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
        ),
        timeout=0.3,
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


# Too much


@attack
def huge_bodies(target: Target) -> Finding:
    """Memory, by a body that is large, says that it is, or does not say."""
    kind, close = "Content-Type: application/json", "Connection: close"
    declared = target.raw(
        target.head("POST", ROADMAPS, kind, close, "Content-Length: 10000000000"), b"{", timeout=2
    )
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    chunked = target.raw(
        target.head("POST", ROADMAPS, kind, close, "Transfer-Encoding: chunked"),
        *[chunk] * 40,
        timeout=2,
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
                socket.create_connection(target.place, timeout=PATIENCE)
            )
            connection.sendall(head)
            opened.append(connection)
        yield opened


def _served(target: Target, token: str | None = "") -> str:
    """Why another is not served well, or nothing."""
    answer = target.ask("GET", ROADMAPS, token=token, timeout=2 * LONG)
    return (
        ""
        if answer.status in (200, 429) and answer.seconds < LONG
        else f"another waits {answer.seconds:.1f} s: {answer.status}"
    )


@attack
def slow_bodies(target: Target) -> Finding:
    """The end of the service for others, by bodies that do not come, or heads."""
    head = target.head("POST", ROADMAPS, "Content-Type: application/json", "Content-Length: 60000")
    with _open(target, [head + b"{"] * 20 + [head[:40]] * 20):
        return judged(
            [_served(target, target.other.token or None)], "20 bodies and 20 heads that do not come"
        )


@attack
def exhausted_streams(target: Target) -> Finding:
    """The end of the service for others, by streams that stay open."""
    heads = [target.head("GET", f"{target.mine}/events", "Accept: text/event-stream")] * (
        AT_ONCE - 2
    )
    with _open(target, heads) as opened:
        with suppress(OSError):
            for connection in opened:
                connection.settimeout(LONG)
                connection.recv(200)
        won = [_served(target, target.other.token or None)]
    won.append(_served(target))
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
                target.ask("POST", path, body, headers={"Content-Type": "application/json"})
            )
            won.append(
                (answers[-1].ok or answers[-1].broke or answers[-1].seconds > LONG)
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
    answers = [target.ask("POST", f"{target.mine}/edits", body) for body in bodies]
    won = [
        (answer.broke or answer.seconds > LONG) and f"{answer.status} in {answer.seconds:.1f} s"
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
    answers = [target.ask("GET", f"{ROADMAPS}?{query}") for query in queries]
    won = [
        (answer.broke or answer.seconds > LONG) and f"{answer.status} in {answer.seconds:.1f} s"
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
    began = time.monotonic()
    answers = [target.raw(target.head("GET", path, "Connection: close")) for path in paths]
    won = [
        (status(answer) // 100 in (2, 5) or INSIDE.search(answer)) and f"{status(answer)}"
        for answer in answers
    ]
    return judged(
        [*won, time.monotonic() - began > 2 * LONG and "slow"],
        f"up to {max(map(len, paths)):,} characters",
    )


@attack
def long_headers(target: Target) -> Finding:
    """Memory without an account: what comes before the end of the headers is kept, whoever sends it."""
    tried = {
        "a header of 1 MB": [f"X-A: {'a' * 1_000_000}"],
        "20,000 headers": [f"X-{number}: a" for number in range(20_000)],
        "a cookie of 500,000 parts": [f"Cookie: {';' * 500_000}"],
    }
    won = []
    for name, lines in tried.items():
        answer = target.raw(target.head("GET", "/health", *lines, "Connection: close"), timeout=5)
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
        target.ask(
            "POST",
            ROADMAPS,
            body,
            headers={"Content-Type": "application/json", "Content-Encoding": coding},
        )
        for coding, body in bodies
    ]
    bomb = ".eJx" + base64.urlsafe_b64encode(zeros).decode()[:9000]
    answers.append(target.ask("GET", f"{ROADMAPS}?cursor=a", token=f"{bomb}.AAAA.AAAA"))
    won = [
        (answer.ok or answer.broke or answer.seconds > LONG) and f"{answer.status}"
        for answer in answers
    ]
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
        target.ask("POST", ROADMAPS, {"goal": text, "language": text, "background": text * 2})
        for text in texts
    ]
    answers += [
        target.ask("POST", f"{AUTH}/login", {"email": text[:250], "password": text}, token=None)
        for text in texts[:7]
    ]
    answers += [
        target.ask(
            "GET", f"{ROADMAPS}?status={quote(text * 20)}", headers={"X-Request-ID": text * 20}
        )
        for text in texts[:3]
    ]
    answers += [
        target.ask("GET", f"{target.mine}/events", headers={"Last-Event-ID": "9" * 30_000 + "!"})
    ]
    won = [
        (answer.broke or answer.seconds > LONG) and f"{answer.status} in {answer.seconds:.1f} s"
        for answer in answers
    ]
    return judged(won, f"{len(answers)} texts", answers)


# What is told


@attack
def files_and_pages_that_tell(target: Target) -> Finding:
    """Versions, settings, secrets and documents that help the next attack. The description of the API is for everybody."""
    names: tuple[str, ...] = (
        "redoc",
        "swagger",
        ".env",
        ".git/config",
        ".git/HEAD",
        "server-status",
        "debug",
        "admin",
        "graphql",
    )
    names += (
        "console",
        "actuator/env",
        "phpinfo.php",
        "data/secret_key",
        "data/roadmap.db",
        "requirements.txt",
        "entrypoint.sh",
        "backup.zip",
    )
    names += (
        "api",
        "api/v1",
        "api/v2/roadmaps",
        "internal",
        "metrics/",
        "static/",
        "robots.txt",
        ".well-known/security.txt",
        "config.json",
    )
    if target.embedded:  # whoever sits at this machine looks after it
        names = tuple(name for name in names if name != "admin")
    answers = [target.ask("GET", f"/{name}", token=None) for name in names]
    won = [answer.ok and f"/{name}" for name, answer in zip(names, answers, strict=True)]
    return judged(
        [*won, *(answer.broke and answer.status for answer in answers)],
        f"{len(names)} paths",
        answers,
    )


@attack
def versions_and_counts_that_tell(target: Target) -> Finding:
    """What runs here, and who uses it."""
    answers = [
        target.ask("GET", path, token=None)
        for path in ("/", "/health", "/health/ready", "/metrics", "/nope", ROADMAPS)
    ]
    answers.append(target.ask("POST", ROADMAPS, b"{", headers={"Content-Type": "application/json"}))
    wrong = target.raw(b"GET / HTTP/9.9\r\n\r\n", timeout=0.5)
    headers = [f"{name}: {value}" for answer in answers for name, value in answer.headers]
    won: list[object] = [
        line
        for line in headers
        if re.match(r"(?i)server:|x-powered-by:|via:|x-runtime:|x-.*version:", line)
    ]
    private = [
        target.me.email,
        target.other.email,
        target.mine.rpartition("/")[2],
        target.theirs.rpartition("/")[2],
    ]
    if target.embedded:  # who asks is the owner, who may read both
        answers = [answer for number, answer in enumerate(answers) if number not in (3, 5)]
    said = b"".join(answer.body for answer in answers)
    won += [text and text.encode() in said and f"{text} is told" for text in private]
    won += [
        re.search(rb"python_info|process_|postgres|redis://|127\.0\.0\.1:|0x[0-9a-f]{8}", said)
        and "inside"
    ]
    won += [not target.embedded and answers[3].ok and "counts for strangers"]
    won += [
        b"uvicorn" in wrong.lower() and "the server's name",
        *(answer.broke and answer.status for answer in answers),
    ]
    return judged(won, f"{len(answers)} answers", answers)


@attack
def forged_lines_of_a_log(target: Target) -> Finding:
    """A log that tells what did not happen. From outside it shows only that nothing of it comes back as a header."""
    line = "\n2026-01-01T00:00:00Z INFO    roadmap.security: FORGED logged-in"
    coded = quote(line)
    answers = [
        target.ask("GET", path)
        for path in (f"/{coded}", f"{ROADMAPS}/{coded}", f"{ROADMAPS}?{coded}={coded}")
    ]
    answers += [
        target.ask(
            "GET",
            "/nope",
            headers={"User-Agent": f"a{quote(line)} FORGED", "X-Request-ID": "FORGED id"},
        )
    ]
    answers += [
        target.ask("POST", f"{AUTH}/login", {"email": f"a@b.c{line}", "password": line}, token=None)
    ]
    target.raw(
        target.head("GET", "/nope", f"X-Request-ID: a{line}", "Connection: close"), timeout=0.5
    )
    target.raw(f"FORGED{line} / HTTP/1.1\r\n\r\n".encode(), timeout=0.5)
    told = [answer.header("x-request-id") for answer in answers]
    return judged(
        ["FORGED" in each and each for each in told], f"{len(answers) + 2} texts", answers
    )


# Races


@attack
def two_approvals(target: Target) -> Finding:
    """Work that is done twice, and paid twice."""
    answers = together([lambda: target.ask("POST", f"{target.mine}/approve", {})] * 10)
    times = sum(answer.ok for answer in answers)
    won = [
        times > 1 and f"{times} were taken",
        *(answer.broke and f"answered {answer.status}" for answer in answers),
    ]
    return judged(won, f"ten approvals at once, {times} taken", answers)


@attack
def body_that_is_passed_over(target: Target) -> Finding:
    """A decision without its condition: what offers another protocol is carried out as if it had no body."""
    body = b'{"unknown": true}'
    lines = (
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close, Upgrade",
        "Upgrade: h2c",
    )
    answer = target.raw(target.head("POST", f"{target.mine}/cancel", *lines), body, timeout=5)
    return judged(
        [status(answer) in (202, 409) and f"answered {status(answer)}"],
        "an unknown field, and an offer of h2c",
    )


@attack
def two_people_with_one_place(target: Target) -> Finding:
    """Two accounts with one invitation, or with one address."""
    if target.embedded or not (target.invitation or target.anybody):
        return not_tried("nobody may register")
    same = stranger()
    invited = {"invitation": target.invitation} if target.invitation else {}
    people = [
        {"email": stranger() if invited else same, "password": PASSWORD, **invited}
        for _ in range(6)
    ]
    answers = together(
        [
            lambda person=person: target.ask("POST", f"{AUTH}/register", person, token=None)
            for person in people
        ]
    )  # type: ignore[misc]
    made = sum(answer.ok for answer in answers)
    won = [
        made > 1 and f"{made} accounts",
        *(answer.broke and f"answered {answer.status}" for answer in answers),
    ]
    return judged(
        won, f"6 at once with one {'invitation' if invited else 'address'}, {made} made", answers
    )


# Addresses of mail


@attack
def addresses_that_look_the_same(target: Target) -> Finding:
    """An account that an administrator takes for another's."""
    if target.embedded or not target.anybody:
        return not_tried("nobody may register")
    name, at, host = stranger().partition("@")
    hidden = {
        "zero width": "\u200b",
        "mark of direction": "\u200e",
        "soft hyphen": "\u00ad",
        "tag": "\U000e0041",
        "joiner": "\u2060",
    }
    texts = {why: f"{name[:9]}{sign}{name[9:]}{at}{host}" for why, sign in hidden.items()}
    answers = [
        target.ask("POST", f"{AUTH}/register", {"email": text, "password": PASSWORD}, token=None)
        for text in texts.values()
    ]
    won = [answer.ok and f"with a {why}" for why, answer in zip(texts, answers, strict=True)]
    for form in ("NFC", "NFD"):
        email = unicodedata.normalize(form, f"{name}\u00e9@{host}")
        answers.append(
            target.ask(
                "POST", f"{AUTH}/register", {"email": email, "password": PASSWORD}, token=None
            )
        )
    won.append(answers[-1].ok and answers[-2].ok and "composed and decomposed")
    return judged(won, f"{len(answers)} addresses with what nobody sees", answers)


@attack
def addresses_that_grow(target: Target) -> Finding:
    """An error that was not foreseen: lower case can be longer than what was measured."""
    if target.embedded:
        return not_tried("there are no accounts")
    email = "\u0130" * 200 + "@example.org"
    invited = {"invitation": target.invitation} if target.invitation else {}
    answers = [
        target.ask(
            "POST",
            f"{AUTH}/register",
            {"email": email, "password": PASSWORD, **invited},
            token=None,
        )
    ]
    answers.append(target.log_in(Account(email=email), WRONG))
    won = [answer.broke and f"answered {answer.status}" for answer in answers]
    return judged(
        [*won, answers[0].ok and "an address of more than 254 characters"],
        "200 letters that become 400",
        answers,
    )


# What ends in being limited comes last


@attack
def guessing_at_one_account(target: Target) -> Finding:
    """A password, by trying from one place: one after the other, in other spellings, under other addresses."""
    if not target.other.email or not target.limits:
        return not_tried("there are no accounts, or limits are off")
    answers: list[Answer] = []
    while len(answers) < 30 and not any(answer.status == 429 for answer in answers):
        answers.append(target.log_in(target.other, WRONG))
    email = target.other.email
    more: list[Answer] = []
    for spelled in (
        email.upper(),
        email.title(),
        email.replace("e", "E", 1),
        email.replace("k", "\u212a"),
        f" {email}",
        f"{email}.",
    ):
        more.append(target.log_in(Account(email=spelled), target.other.password or WRONG))
    for name in (
        "X-Forwarded-For",
        "X-Real-IP",
        "Forwarded",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Client-IP",
    ):
        more.append(target.log_in(target.other, WRONG, headers={name: f"203.0.113.{len(more)}"}))
    more.append(
        target.log_in(
            target.other, WRONG, headers={"X-Forwarded-For": "127.0.0.1, 10.0.0.1, 203.0.113.9"}
        )
    )
    won = [
        len(answers) == 30 and "30 guesses were answered",
        *(answer.ok and "a spelling passes by" for answer in more),
    ]
    won += [answer.status == 401 and "an address that we claim passes by" for answer in more[6:]]
    return judged(won, f"{len(answers) + len(more)} guesses", [*answers, *more])


@attack
def guessing_at_once(target: Target) -> Finding:
    """The same, faster than it is counted."""
    if not target.me.email or not target.limits:
        return not_tried("there are no accounts, or limits are off")
    answers = together([lambda: target.log_in(target.me, WRONG)] * AT_ONCE)
    heard = sum(answer.status == 401 for answer in answers)
    return judged(
        [heard > AT_ONCE // 2 and f"{heard} were answered"], f"{AT_ONCE} guesses at once", answers
    )


@attack
def one_password_for_many(target: Target) -> Finding:
    """Whoever has a common password."""
    if target.embedded or not target.limits:
        return not_tried("there are no accounts, or limits are off")
    answers: list[Answer] = []
    while len(answers) < 150 and not any(answer.status == 429 for answer in answers):
        answers += together([lambda: target.log_in(Account(email=stranger()), WRONG)] * 15)
    return judged(
        [len(answers) >= 150 and "150 were answered"], f"{len(answers)} addresses", answers
    )


# The patterns in the code, which an attacker can read


USES = ("match", "fullmatch", "search", "sub", "split", "findall", "finditer")


@dataclass(frozen=True)
class Found:
    where: str
    pattern: str
    flags: int
    uses: frozenset[str]


def patterns(folders: Iterable[Path]) -> list[Found]:
    """Every pattern that stands in the code for `re`, with how it is used."""
    files = {
        path: path.read_text("utf-8") for folder in folders for path in sorted(folder.rglob("*.py"))
    }
    used: dict[str, set[str]] = {}  # how each name is
    for name, use in re.findall(rf"\b(\w+)\.({'|'.join(USES)})\(", "\n".join(files.values())):
        used.setdefault(name, set()).add(use)
    found = []
    for path, text in files.items():
        for node in ast.walk(ast.parse(text)) if "re." in text else ():
            if not (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
            ):
                continue
            constant = node.args[0] if node.args else None
            if node.func.value.id != "re" or not (
                isinstance(constant, ast.Constant) and isinstance(constant.value, str)
            ):
                continue
            flags = 0
            for name in re.findall(r"re\.([A-Z]+)", ast.unparse(node)):
                flags |= getattr(re, name)
            uses = frozenset([node.func.attr]) & frozenset(USES)
            if not uses:
                line = (
                    text.splitlines()[node.lineno - 1]
                    if "=" in text.splitlines()[node.lineno - 1]
                    else text.splitlines()[node.lineno - 2]
                )
                name = line.partition("=")[0].strip()
                uses = frozenset(used.get(name, {"search"}))
            found.append(Found(f"{path.name}:{node.lineno}", constant.value, flags, uses))
    return found


def evil(found: Found) -> Iterator[Callable[[int], str]]:
    """Texts of a length that are made of what the pattern knows, and do not end as it wants."""
    letters = list(dict.fromkeys("a 0" + re.sub(r"[\\^$?*+(){}|,]", "", found.pattern)))[:14]
    before = ("",) if found.uses <= {"match", "fullmatch"} else ("", "x")
    pieces = [
        *letters,
        "\n",
        "\\",
        *(a + b for a in letters[:9] for b in letters[:9] if a != b),
        "(",
        "[",
        "\\[",
        "\n    ",
        "<think>",
    ]
    for piece, first in itertools.product(dict.fromkeys(pieces), before):
        yield lambda length, piece=piece, first=first: first + (piece * length)[:length] + "\x00"  # type: ignore[misc]


def seconds_of(found: Found, text: str) -> float:
    """Of work: what others do on the machine meanwhile does not count."""
    compiled = re.compile(found.pattern, found.flags)
    began = time.thread_time()
    for use in found.uses:
        made = compiled.sub("", text) if use == "sub" else getattr(compiled, use)(text)
        if use == "finditer":
            any(False for _ in made)
    return time.thread_time() - began


def slow(found: Found, largest: int = 16_000, patience: float = 0.25) -> str:
    """The text with which it takes more than in proportion to the length, and long."""
    lengths = (
        *range(12, 64, 4),
        *(length for length in (250, 1000, 4000, 16_000, 64_000) if length <= largest),
    )
    for make in evil(found):
        before, shorter = 0.0, 0
        for length in lengths:
            spent = seconds_of(found, make(length))
            grown = before and spent / before > 2 * length / shorter
            if spent > patience / 4 and (length < 64 or grown):
                return (
                    f"{found.where} {found.pattern!r} with {make(6)!r}: {spent:.2f} s for {length}"
                )
            if spent > patience:
                break
            before, shorter = spent, length
    return ""


@cache
def patterns_of_the_code() -> list[Found]:
    return patterns(CODE / folder for folder in FOLDERS)


@attack
def slow_patterns(target: Target) -> Finding:
    """Work without end by a text (of a person or a model) that a pattern in the code is slow with."""
    found = patterns_of_the_code()
    return judged([slow(each) for each in found], f"{len(found)} patterns in the code")


# The run


def run(target: Target, attacks: Iterable[Function] = ()) -> Iterator[tuple[str, Finding]]:
    for function in attacks or ATTACKS:
        yield function.__name__.replace("_", " "), function(target)


def prepared(target: Target) -> Target:
    """Accounts, where anybody may have one, and a roadmap of each. Raises SystemExit when there is no account."""
    if not target.embedded:
        for account in (target.me, target.other):
            if not account.token:
                account.email, account.password = stranger(), PASSWORD
                given = {"email": account.email, "password": account.password}
                answer = target.ask("POST", f"{AUTH}/register", given, token=None)
                if not answer.ok:
                    raise SystemExit(
                        f"no account: {answer.status} {answer.body.decode('utf-8', 'replace')[:300]}"
                    )
                account.token, target.anybody = answer.json()["access_token"], True
            account.email = target.ask("GET", ME, token=account.token).json().get("email", "")
    target.mine = _roadmap(target, target.me, "awaiting_review", review=True)
    target.theirs = _roadmap(target, target.other, "ready")
    tree = target.ask("GET", target.theirs, token=target.other.token).json()
    concepts = (
        concept["id"]
        for stage in tree.get("stages", ())
        for module in stage["modules"]
        for concept in module["concepts"]
    )
    target.concept = next(concepts, str(uuid.uuid4()))
    return target


def _roadmap(target: Target, account: Account, wanted: str, **fields: Any) -> str:
    made = target.ask("POST", ROADMAPS, {"goal": GOAL, **fields}, token=account.token)
    path = f"{ROADMAPS}/{made.json().get('id', uuid.uuid4())}"
    deadline = time.monotonic() + PATIENCE
    while made.ok and time.monotonic() < deadline:
        if target.ask("GET", path, token=account.token).json().get("status") == wanted:
            break
        threading.Event().wait(0.1)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.security.attacker", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--embedded", action="store_true", help="it has no accounts")
    parser.add_argument("--token", default="", help="of an ordinary account")
    parser.add_argument("--other", default="", help="of another one")
    parser.add_argument(
        "--password",
        default="",
        help="of both, for attacks that log in; it is changed for the first",
    )
    parser.add_argument("--invitation", default="", help="a good one, which is used up")
    parser.add_argument("--no-limits", action="store_true", help="limits are off on purpose")
    given = parser.parse_args(arguments)
    me, other = (Account(token, password=given.password) for token in (given.token, given.other))
    url = given.url.rstrip("/")
    target = prepared(
        Target(
            url, given.embedded, me, other, invitation=given.invitation, limits=not given.no_limits
        )
    )
    worked = 0
    for name, finding in run(target):
        print(f"{finding.outcome:10} {name:36} {finding.tried[:400]}", flush=True)
        worked += finding.outcome is Outcome.worked
    print(f"{worked} of {len(ATTACKS)} attacks worked")
    return int(worked > 0)


if __name__ == "__main__":
    sys.exit(main())
