"""The attacked server, its answers, and the registration of attacks."""

import http.client
import json
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import median
from typing import Any
from urllib.parse import urlsplit

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
WRONG = "not the password of anybody"
AT_ONCE = 50  # requests
PATIENCE = 60.0  # seconds for an answer, after which the server hangs
SILENCE = 5.0  # seconds after which a server that may keep a connection has sent everything
LONG, TIMES = 1.5, 3  # seconds by which something slow is later than so many harmless requests
LOOKS = 3  # at what seems slow and at a harmless request, in turn: a busy machine delays both
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
    slow: bool = False  # compared with harmless requests

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
    password: str = ""  # empty: unknown


@dataclass
class Target:
    """The server, accounts, and their roadmaps: `mine` waits for approval, `theirs` is built."""

    url: str
    embedded: bool = False
    me: Account = field(default_factory=Account)
    other: Account = field(default_factory=Account)
    mine: str = ""
    theirs: str = ""
    concept: str = ""  # of theirs
    invitation: str = ""
    limits: bool = True  # False: the operator has turned them off, so that nothing is limited
    anybody: bool = False  # may register
    patience: float = PATIENCE

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
    ) -> Answer:
        """Send a request as the first account, or with `token`; None sends no token.

        A body that is not bytes becomes JSON.
        """
        sent = {"Host": self.host}
        token = self.me.token if token == "" else token
        if token and not self.embedded:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        connection = http.client.HTTPConnection(*self.place, timeout=self.patience)
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

    def timed(
        self, method: str, path: str, body: Any = None, *, harmless: Any = None, **options: Any
    ) -> Answer:
        """As `ask`; `slow` when it is later than `harmless` in its place, without a query."""
        answers, usual = [self.ask(method, path, body, **options)], list[float]()
        plain = harmless or (None if body is None else {})
        while answers[0].seconds > LONG and len(usual) < LOOKS:
            token = None if options.get("token", "") is None else ""
            usual.append(self.ask(method, path.partition("?")[0], plain, token=token).seconds)
            answers.append(self.ask(method, path, body, **options))
        same = [each.seconds for each in answers if each.status == answers[0].status]
        # A quick refusal says nothing of the first: too few to compare.
        return replace(answers[0], slow=len(same) > LOOKS // 2 and is_late(same, usual))

    def raw(self, *parts: bytes, timeout: float = 0) -> bytes:
        """All that is answered to these bytes until the server closes, or is silent for so long."""
        answer, timeout = b"", timeout or self.patience
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
REGISTERED: list[Function] = []


def attack(function: Function) -> Function:
    REGISTERED.append(function)
    return function


def is_late(seconds: Sequence[float], usual: Sequence[float]) -> bool:
    """Whether it is later than harmless requests were meanwhile, by the medians."""
    return bool(usual) and median(seconds) > TIMES * median(usual) + LONG


def seconds_of(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def is_slow(act: Callable[[], object], harmless: Callable[[], object]) -> bool:
    """Whether something is later than something harmless that is done in turn with it."""
    found, usual = [seconds_of(act)], list[float]()
    while found[0] > LONG and len(usual) < LOOKS:
        usual.append(seconds_of(harmless))
        found.append(seconds_of(act))
    return is_late(found, usual)


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


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] ([0-9]{3})", answer)
    return int(found[1]) if found else 0


def stranger() -> str:
    return f"{uuid.uuid4().hex}@example.org"
