"""Checks of every answer, and of the output of the services."""

import json
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from testing.stack import ROOT, Stack, answer_to
from tests.attacks.test_secrets import forms
from tests.fuzz.people import People

PROBLEM = "application/problem+json"
TELLS = {  # operations that are there to tell a secret, and the field in which it stands
    **{"register": "access_token", "log_in": "access_token", "change_password": "access_token"},
    "change_email": "access_token",
    **{
        "create_key": "key",
        "create_invitation": "invitation",
        "create_webhook": "secret",
        "rotate_webhook_secret": "secret",
    },
}
INSIDE = re.compile(
    r"Traceback \(most recent|psycopg2|peewee|sqlite3?\.|/site-packages/|/dist-packages/"
    r"|syntax error at|File \\?\"/"
    r"|\b(?:SELECT\b.{1,200}\bFROM|INSERT INTO|UPDATE\b.{1,80}\bSET)\b|\$argon2id\$",
    re.IGNORECASE,
)
# Who fuzzes is an administrator, who is shown which things there are of everybody, but no word of
# what they hold.
FOR_OPERATORS = ("/api/v1/admin/", "/admin")
OF_THINGS = ("roadmap_id", "concept_id", "webhook_id", "delivery_id", "email")
TEACHES = {
    "read_concept",
    "read_version",
    "answer_quiz",
    "read_attempt",
    "show_openapi",
    "export_json",
    "export_markdown",
}
TEACHES |= {"export_archive", "export_cards", "download_export"}  # texts that may name all of these
MAKES_ONE = ("create_roadmap", "import_roadmap", "copy_shared")  # and answers its id
HASH = re.compile(r"\$argon2id\$\S{20}")


@dataclass(frozen=True)
class Seen:
    """A request as it was sent and what was answered.

    `operation` is empty when the document does not have it.
    """

    operation: str
    method: str
    url: str
    sent: Mapping[str, str]
    body: bytes
    status: int
    headers: Mapping[str, str]  # names in lower case
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @property
    def curl(self) -> str:
        """Repeats it; bytes that no shell takes are written as printf would."""
        parts = ["curl", "-i", "-X", self.method, "--path-as-is"]
        passed = ("connection", "content-length", "accept-encoding", "user-agent", "accept", "host")
        for name, value in self.sent.items():
            if name.lower() not in passed or (name.lower() == "host" and value not in self.url):
                parts += ["-H", f"{name}: {value}" if value else f"{name};"]
        text = ""
        if self.body:
            if _is_plain(self.body):
                parts += ["--data-binary", self.body.decode()]
            else:
                octal = "".join(f"{chr(92)}{byte:03o}" for byte in self.body[:4000])
                text = f"printf {shlex.quote(octal)} | "
                parts += ["--data-binary", "@-"]
        return text + shlex.join([*parts, self.url])


@dataclass
class Failure:
    what: str
    example: str
    curl: str
    times: int = 1


@dataclass
class Watch:
    """Counts every answer and judges it by what is true for all of them."""

    people: People
    stack: Stack
    counts: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: dict[tuple[str, str], Failure] = field(default_factory=dict)
    secrets: dict[str, str] = field(
        default_factory=dict
    )  # that answers contained, with their operation
    marks: dict[str, int] = field(
        default_factory=dict
    )  # how much each service had printed when it began
    prepared: Counter[str] = field(
        default_factory=Counter
    )  # requests of schemathesis, by operation
    problems: set[tuple[str, int, str]] = field(
        default_factory=set
    )  # type, status and title of each that was answered
    deleted: set[str] = field(default_factory=set)  # ids of roadmaps that were deleted for ever
    accepted: dict[str, set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )  # ids of roadmaps by Idempotency-Key

    def __post_init__(self) -> None:
        self.marks = {name: len(service.output) for name, service in self.stack.services.items()}
        for person in (self.people.me, self.people.other):
            if person.token:
                self.secrets[person.token] = "log_in"
        for name, teller in (("key", "create_key"), ("secret", "create_webhook")):
            if name in self.people.mine:
                self.secrets[self.people.mine[name]] = teller
        self._foreign = {name: value for name, value in self.people.theirs.items() if value}
        self._places = [str(place) for place in (ROOT, self.stack.folder)]
        environment = self.stack.environment
        names = ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "OPENAI_API_KEY")
        ours = {name: environment.get(name, "") for name in names}
        ours |= {
            f"the password in {name}": unquote(urlsplit(ours[name]).password or "")
            for name in names[1:3]
        }
        self._ours = {name: forms(value) for name, value in ours.items() if value}

    @property
    def total(self) -> int:
        return self.counts.total()

    def fail(self, what: str, text: str, curl: str = "", *, about: str = "") -> None:
        """Keep the first of its kind, count the others."""
        known = self.failures.get((what, about))
        if known is None:
            self.failures[what, about] = Failure(what, text, curl)
        else:
            known.times += 1

    def see(self, seen: Seen) -> None:
        self.counts[seen.operation or f"{seen.method[:12]} elsewhere", seen.status] += 1
        output = f"{seen.method} {seen.url}: {seen.status} {seen.text[:300]}"
        for what in self._wrong(seen):
            self.fail(what, output, seen.curl, about=seen.operation)
        self._learn(seen)

    def _wrong(self, seen: Seen) -> Iterable[str]:
        if seen.status >= 500:
            yield f"answered {seen.status}"
        if (
            seen.status >= 400
            and seen.method != "HEAD"
            and "text/html" not in seen.headers.get("content-type", "")
        ):
            yield from self._wrong_problem(seen)
        if "x-request-id" not in seen.headers:
            yield "no X-Request-ID"
        if (
            seen.headers.get("x-content-type-options") != "nosniff"
            or "content-security-policy" not in seen.headers
        ):
            yield "not the headers that make browsers careful"
        yield from self._leaks(seen)

    def _wrong_problem(self, seen: Seen) -> Iterable[str]:
        if seen.headers.get("content-type") != PROBLEM:
            yield f"{seen.status} is no problem document but {seen.headers.get('content-type')}"
            return
        try:
            problem = json.loads(seen.content)
        except ValueError:
            yield "a problem document that is no JSON"
            return
        if problem.get("status") != seen.status:
            yield f"a problem that says {problem.get('status')}"
        self.problems.add((str(problem.get("type")), seen.status, str(problem.get("title"))))
        if problem.get("request_id") != seen.headers.get("x-request-id"):
            yield "a problem with another request_id than X-Request-ID"
        if problem.get("type") == "/problems/invalid" and not problem.get("errors"):
            yield "422 names no field"
        if seen.status in (429, 503) and not seen.headers.get("retry-after", "").isdigit():
            yield f"{seen.status} without Retry-After"
        if seen.status == 401 and "www-authenticate" not in seen.headers:
            yield "401 without WWW-Authenticate"
        if seen.status == 405 and not seen.headers.get("allow"):
            yield "405 without Allow"

    def _leaks(self, seen: Seen) -> Iterable[str]:
        output = "\n".join(
            [*(f"{name}: {value}" for name, value in seen.headers.items()), seen.text]
        )
        if (
            seen.operation not in TEACHES
            and (found := INSIDE.search(output))
            and not _was_sent(seen, found[0])
        ):
            yield f"tells of its inside: {found[0][:60]}"
        for place in self._places:
            if place in output:
                yield f"tells the path {place}"
        for name, written in self._ours.items():
            if any(each in output for each in written):
                yield f"tells {name}"
        asked = unquote(seen.url)  # a page names its own address
        for secret, teller in self.secrets.items():
            if secret in output and secret not in asked and seen.operation not in (teller, *TELLS):
                yield f"repeats a secret of {teller}"
        passed_over = OF_THINGS if urlsplit(seen.url).path.startswith(FOR_OPERATORS) else ()
        for name, value in self._foreign.items():
            if name not in passed_over and value in output and not _was_sent(seen, value):
                yield f"tells the other one's {name}"

    def _learn(self, seen: Seen) -> None:
        name = TELLS.get(seen.operation)
        if name and seen.status < 300:
            self.secrets.update(
                {value: seen.operation for value in [json.loads(seen.content).get(name)] if value}
            )
        if seen.operation in MAKES_ONE and seen.status in (201, 202):
            key = next(
                (value for given, value in seen.sent.items() if given.lower() == "idempotency-key"),
                "",
            )
            self.accepted[key].add(str(json.loads(seen.content)["id"]))

        if seen.operation == "delete_for_ever" and seen.status < 300:
            self.deleted.add(str(UUID(urlsplit(seen.url).path.rpartition("/")[2])))

    def explained(self) -> None:
        """Every type of problem that was answered can be read about at its address."""
        for kind, status, title in sorted(self.problems):
            answer = answer_to("GET", self.stack.url + kind)
            if answer.status_code != 200 or (answer.json()["status"], answer.json()["title"]) != (
                status,
                title,
            ):
                self.fail(
                    f"the problem {kind} ({status} {title}) is another one at its address",
                    answer.text[:300],
                )

    def printed(self) -> None:
        """Judges what the services have printed since it began."""
        for name, service in self.stack.services.items():
            text = service.output[self.marks.get(name, 0) :]
            secrets = {
                **self.secrets,
                **{self.people.theirs.get(key, ""): key for key in ("token", "key", "secret")},
            }
            for secret, teller in secrets.items():
                if secret and secret in text:
                    self.fail(f"{name} prints a secret of {teller}", _around(text, secret))
            for what, written in self._ours.items():
                for each in written:
                    if each in text:
                        self.fail(f"{name} prints {what}", _around(text, each))
            if found := HASH.search(text):
                self.fail(f"{name} prints the hash of a password", _around(text, found[0]))
            for line in re.findall(
                r"^Traceback[\s\S]{0,6000}?^\w[\w.]*(?:Error|Exception|Exit|Interrupt)?\b.*$",
                text,
                re.MULTILINE,
            ):
                self.fail(
                    f"{name} prints a traceback", line[-3000:], about=line.rpartition("\n")[2][:120]
                )


def _was_sent(seen: Seen, text: str) -> bool:
    sent = f"{seen.url}\n{seen.body.decode('utf-8', 'replace')}\n" + "\n".join(seen.sent.values())
    return text in sent


def _around(text: str, found: str) -> str:
    at = text.index(found)
    return text[max(at - 200, 0) : at + len(found) + 100]


def _is_plain(body: bytes) -> bool:
    try:
        return "\x00" not in body.decode("utf-8")
    except UnicodeDecodeError:
        return False


def headers_of(pairs: Iterable[tuple[str, Any]]) -> dict[str, str]:
    return {
        str(name).lower(): value if isinstance(value, str) else ", ".join(value)
        for name, value in pairs
    }
