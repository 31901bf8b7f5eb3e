"""Secrets are never in logs, messages, tracebacks or metrics.

One server stack lives through everything that could tell one. Its PostgreSQL and its Redis want
passwords, its model repeats the key in every error, and it lives once with LOG_LEVEL=debug. What
was printed, answered, stored and queued meanwhile is then searched for every secret, as it is and
as an address or JSON would write it. Errors about single variables, without their values, are
tested in tests/startup/test_refusals.py.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import uuid4

import httpx2
import psycopg2
import pytest
import redis

from testing.provider import Handler, completion, providing
from testing.servers import Postgres, Redis, scratch_folder
from testing.stack import ROOT, Service, Stack, answer_to, running
from testing.waiting import HANG, wait_until
from tests.chaos.checks import asking, wait_until_at_work
from tests.chaos.model import PATIENT

ROADMAPS, AUTH = "/api/v1/roadmaps", "/api/v1/auth"
ROLE = "app"
JSON = {"Content-Type": "application/json"}
MODEL = "gpt-secrets"
GOAL = "Learn to bake bread"


def unlikely(name: str) -> str:
    """A secret with what has to be encoded in an address, and which nothing else contains."""
    return f"Zq-{name}/@ {uuid4().hex}"


# Servers that want passwords


class GuardedRedis(Redis):
    """Wants a password."""

    def __init__(self, folder: Path, password: str) -> None:
        super().__init__(folder)
        self.password = password

    def url(self) -> str:
        return f"redis://:{quote(self.password, safe='')}@127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=HANG, password=self.password)

    def _command(self) -> list[str]:
        return [*super()._command(), "--requirepass", self.password]


@contextmanager
def guarded_postgres(password: str) -> Iterator[tuple[Postgres, str]]:
    """A server, and the address of a database of a role that has to say its password."""
    with scratch_folder() as folder:
        server = Postgres(folder)
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all {ROLE} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        server.start()
        try:
            connection = psycopg2.connect(server.url())
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD %s", [password])
                cursor.execute(f"CREATE DATABASE secrets OWNER {ROLE}")
            connection.close()
            yield (
                server,
                f"postgresql://{ROLE}:{quote(password, safe='')}@127.0.0.1:{server.port}/secrets",
            )
        finally:
            server.stop()


def broken(key: str) -> dict[str, Callable[[Handler], None]]:
    """Answers of a model's server that repeat the key, by what is in the goal."""

    def error(status: int, **more: str) -> Callable[[Handler], None]:
        values = {
            "error": {
                "message": f"Incorrect API key provided: {key}. Bearer {key}",
                "code": key,
                "type": key,
                **more,
            }
        }
        return lambda handler: handler.say(status, json.dumps(values).encode())

    return {
        "unauthorized": error(401),
        "forbidden": error(403),
        "bad request": error(400, param=key),
        "form": error(400, message=f"response_format is not supported with {key}"),
        "limited": error(429),
        "failure": error(500),
        "text": lambda handler: handler.say(500, f"no JSON but {key}".encode(), "text/plain"),
        "within": lambda handler: handler.say(
            200, json.dumps({"error": {"message": key, "code": "401"}}).encode()
        ),
        "refusal": lambda handler: handler.say(
            200, completion(None, message={"refusal": f"Not with {key}"})
        ),
        "elsewhere": lambda handler: handler.say(307, b"", Location="http://127.0.0.1:9/"),
    }


def written(asked: dict[str, Any]) -> dict[str, Any]:
    """Short answers that fit."""
    concept = {
        "key": "flour",
        "title": "Flour",
        "description": "What it is.",
        "hours": 3,
        "difficulty": 2,
    }
    module = {"key": "basics", "title": "Basics", "description": "The first steps."}
    module["concepts"] = [{**concept, "prerequisites": [], "outcomes": ["do it"]}]
    resource = {
        "title": "Dough",
        "url": "https://example.org/dough",
        "type": "book",
        "level": "beginner",
        "language": "en",
        "why": "Me.",
    }
    question = {
        "prompt": "Why?",
        "right_options": ["Gluten"],
        "wrong_options": ["Salt"],
        "explanation": "It holds.",
    }
    stage = {
        "key": "start",
        "title": "Start",
        "description": "Where it begins.",
        "modules": [module],
    }
    answers = {
        "AnalysisDraft": {"aim": "To bake.", "known": [], "subjects": ["dough"], "assumptions": []},
        "OutlineDraft": {"title": "Baking", "stages": [stage]},
        "TutorialDraft": {"markdown": "Knead."},
        "ResourcesDraft": {"items": [resource]},
        "QuizDraft": {"questions": [question]},
    }
    return answers[asked["response_format"]["json_schema"]["name"]]


# What is noted, and how it is searched


@dataclass
class Life:
    """`secrets` by name; `outputs` by place: every answer, output and log."""

    level: str
    stack: Stack
    secrets: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)
    tellers: dict[str, str] = field(
        default_factory=dict
    )  # the one place that is there to tell a secret
    statuses: list[tuple[str, int]] = field(default_factory=list)
    tables: dict[str, list[str]] = field(default_factory=dict)
    hashes: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    brokers: dict[str, str] = field(default_factory=dict)
    commands: dict[int, str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        *,
        tells: str = "",
        own: dict[str, str] | None = None,
        **options: Any,
    ) -> httpx2.Response:
        """An answer, which is noted with its headers; `tells` is the secret that it is made for."""
        headers = {**(own or {}), **options.pop("headers", {})}
        answer = answer_to(method, self.stack.url + path, headers=headers, **options)
        place = f"answer {len(self.statuses)} {method} {path.partition('?')[0][:40]}"
        self.statuses.append((f"{method} {path}", answer.status_code))
        self.outputs[place] = "\n".join(
            [*(f"{name}: {value}" for name, value in answer.headers.items()), answer.text]
        )
        if tells:
            self.tellers[tells] = place
        return answer

    def learn(self, name: str, answer: httpx2.Response, field_: str) -> str:
        assert answer.is_success, answer.text
        self.secrets[name] = answer.json()[field_]
        return self.secrets[name]


def forms(secret: str) -> set[str]:
    """Return it as it is, as an address, JSON and Python write it, and in base64."""
    whole = {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    }
    return whole | {
        base64.b64encode(secret.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    }


def found(secrets: dict[str, str], line: dict[str, str]) -> list[tuple[str, str]]:
    """Return each secret that stands somewhere, with the place."""
    return [
        (name, place)
        for name, secret in secrets.items()
        for place, text in line.items()
        if any(f in text for f in forms(secret))
    ]


def database(stack: Stack) -> tuple[dict[str, list[str]], dict[str, list[tuple[Any, ...]]]]:
    """Every value of every table as text, and the columns that hold hashes."""
    with asking(stack) as ask:
        names = [
            name
            for (name,) in ask(
                "select table_name from information_schema.tables where table_schema = 'public'"
            )
        ]
        tables = {name: [str(row) for row in ask(f'select * from "{name}"')] for name in names}
        hashes = {
            "account": ask("select email, password_hash from account"),
            "api_key": ask("select prefix, secret_hash from api_key"),
        }
    return tables, hashes


def in_broker(client: redis.Redis) -> dict[str, str]:
    """Every key with every value that it has."""
    read: dict[bytes, Callable[[bytes], Any]] = {
        b"string": client.get,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
    }
    shown = {}
    for key in client.scan_iter("*"):
        kind = client.type(key)
        if kind != b"none":  # it has expired meanwhile
            shown[f"redis {key!r}"] = f"{key.decode(errors='replace')} {read[kind](key)!r}"
    return shown


def commands_of(stack: Stack) -> dict[int, str]:
    """The command lines of the services and of all below them."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
    family = {service.pid for service in stack.services.values() if service.alive()}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    lines = {}
    for pid in family:
        with suppress(OSError):
            lines[pid] = (
                Path(f"/proc/{pid}/cmdline")
                .read_bytes()
                .replace(b"\0", b" ")
                .decode(errors="replace")
            )
    return lines


# The life of the stack


@pytest.fixture(
    scope="module", params=[pytest.param("info", marks=pytest.mark.long), "debug"]
)  # debug says all that info says
def life(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Life]:
    names = ("database", "broker", "key old", "key new", "admin")
    secrets = {name: unlikely(name.replace(" ", "-")) for name in names}
    secrets["model"] = f"sk-Zq{uuid4().hex}"
    answers = broken(secrets["model"])

    def answer(handler: Handler) -> None:
        goal = json.loads(handler.asked["messages"][1]["content"])["request"]["goal"]
        mode = goal.partition("with a server that is ")[2]
        if mode in answers:
            answers[mode](handler)
        else:
            handler.say(200, completion(json.dumps(written(handler.asked))))

    folder = tmp_path_factory.mktemp("secrets")
    broker = GuardedRedis(tmp_path_factory.mktemp("redis"), secrets["broker"])
    with guarded_postgres(secrets["database"]) as (postgres, url), providing(answer) as model:
        broker.start()
        try:
            environment = {
                **{
                    "DATABASE_URL": url,
                    "REDIS_URL": broker.url(),
                    "SECRET_KEY": f"{secrets['key new']},{secrets['key old']}",
                },
                **{
                    "OPENAI_API_KEY": secrets["model"],
                    "OPENAI_BASE_URL": model.url,
                    "OPENAI_MODEL": MODEL,
                    **PATIENT,
                },
                **{
                    "ADMIN_EMAIL": "admin@example.org",
                    "ADMIN_PASSWORD": secrets["admin"],
                    "MAX_ATTEMPTS": "1",
                },
                **{
                    "LOG_LEVEL": request.param,
                    "REQUESTS_PER_MINUTE": "100000",
                    "LOGIN_ATTEMPTS": "40",
                    "STARTUP_WAIT_SECONDS": "20",
                },
            }
            stack = Stack("server", folder, environment)
            made = Life(request.param, stack, secrets)
            refuse_to_start(made, tmp_path_factory.mktemp("refusing"))
            stack.headers = {"X-Request-ID": "mine"}  # registers no account
            with running(stack):
                live(made, answers, postgres, broker)
            made.outputs |= {
                f"output of {service.log.name}": service.output
                for service in stack.services.values()
            }
            made.tables, made.hashes = database(stack)
            made.brokers |= in_broker(broker.client())
            for server in (postgres, broker):
                made.outputs[f"log of {type(server).__name__}"] = (server.folder / "log").read_text(
                    errors="replace"
                )
            yield made
        finally:
            broker.stop()


def refuse_to_start(life: Life, folder: Path) -> None:
    """Services with secrets at wrong places; what they print is noted."""
    good, secrets = life.stack.environment, life.secrets
    url, broker = good["DATABASE_URL"], good["REDIS_URL"]
    secrets["wrong database"], secrets["weak admin"], secrets["short key"] = (
        "Zqwrong-database-77",
        "Zqadmin@ex",
        "Zqshort-key-of-21-ch.",
    )
    variables: list[dict[str, str]] = [
        {
            "DATABASE_URL": url.replace(
                quote(secrets["database"], safe=""), secrets["wrong database"]
            )
        },
        {"DATABASE_URL": url.replace("127.0.0.1", "127.0.0.1@[")},
        {"DATABASE_URL": f"{url}?sslmode=verify-full&sslpassword={secrets['wrong database']}"},
        {
            "DATABASE_URL": url.replace("postgresql://", "mysql://"),
            "REDIS_URL": broker.replace("redis://", "http://"),
        },
        {"DATABASE_URL": url.replace(f":{url.split(':')[3]}", ":1/secrets")},  # a closed port
        {"REDIS_URL": broker.replace("redis://:", "redis://:x")},
        {"SECRET_KEY": secrets["short key"]},
        {
            "ADMIN_PASSWORD": secrets["weak admin"],
            "LOG_LEVEL": secrets["admin"],
            "PORT": secrets["key old"],
        },
        {
            "OPENAI_BASE_URL": secrets["model"],
            "MODEL_PRICES": secrets["model"],
            "TRUSTED_PROXIES": secrets["admin"],
        },
    ]
    services = []
    for number, changes in enumerate(variables):
        kind = "huey_content" if "REDIS_URL" in changes and len(changes) == 1 else "api"
        place = folder / str(number)
        place.mkdir()
        services.append(
            Service(kind, {**good, "STARTUP_WAIT_SECONDS": "1", **changes}, place).start()
        )
    for service in services:
        assert service.process is not None
        life.statuses.append((f"start {service.log.parent.name}", service.process.wait(HANG)))
        life.outputs[f"start {service.log.parent.name}"] = service.output


def live(life: Life, answers: dict[str, Any], postgres: Postgres, broker: GuardedRedis) -> None:
    wait_until_at_work(life.stack, "content", "logs")
    life.commands |= commands_of(life.stack)
    own, key = come_in(life)
    knock(life, own, key)
    work(life, key, answers)
    life.commands |= commands_of(life.stack)
    lose_servers(life, own, key, postgres, broker)
    break_tables(life, own, key, postgres)
    leave_messages(life, own, broker)


def look(life: Life) -> None:
    for path in ("/", "/health", "/health/ready", "/metrics"):
        life.ask("GET", path)


def come_in(life: Life) -> tuple[dict[str, str], dict[str, str]]:
    """Headers of somebody who was invited and registered, by token and by key."""
    secrets = life.secrets
    secrets |= {name: unlikely(name) for name in ("first-password", "second-password")}
    admin = {"email": "admin@example.org", "password": secrets["admin"]}
    answer = life.ask("POST", f"{AUTH}/login", json=admin, tells="admin token")
    as_admin = {"Authorization": f"Bearer {life.learn('admin token', answer, 'access_token')}"}
    invited = life.ask(
        "POST",
        "/api/v1/invitations",
        json={"email": "ada@example.org"},
        own=as_admin,
        tells="invitation",
    )
    ada = {"email": "ada@example.org", "password": secrets["first-password"]}
    with_it = {**ada, "invitation": life.learn("invitation", invited, "invitation")}
    answer = life.ask("POST", f"{AUTH}/register", json=with_it, tells="first token")
    own = {"Authorization": f"Bearer {life.learn('first token', answer, 'access_token')}"}
    change = {
        "current_password": secrets["first-password"],
        "new_password": secrets["second-password"],
    }
    answer = life.ask("PUT", f"{AUTH}/password", json=change, own=own, tells="token")
    own = {"Authorization": f"Bearer {life.learn('token', answer, 'access_token')}"}
    ada["password"] = secrets["second-password"]
    answer = life.ask("POST", f"{AUTH}/login", json={**ada, "cookie": True}, tells="csrf")
    life.learn("csrf", answer, "csrf_token")
    secrets["cookie"] = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
    life.tellers["cookie"] = life.tellers["csrf"]
    asked = {"name": "mine", "scopes": ["read", "write"]}
    answer = life.ask("POST", "/api/v1/api-keys", json=asked, own=own, tells="api key")
    key = {"Authorization": f"Bearer {life.learn('api key', answer, 'key')}"}
    for path in (f"{AUTH}/me", f"{AUTH}/sessions", "/api/v1/api-keys"):
        life.ask("GET", path, own=own)
    life.ask("GET", "/api/v1/invitations", own=as_admin)
    life.ask("GET", f"{AUTH}/me", headers={"Cookie": f"__Host-roadmap={secrets['cookie']}"})
    look(life)
    return own, key


def knock(life: Life, own: dict[str, str], key: dict[str, str]) -> None:
    """Send wrong passwords, bad tokens, and secrets wherever in a request they do not belong."""
    secrets = life.secrets
    secrets["wrong-password"] = wrong = unlikely("wrong-password")
    token, api_key = secrets["token"], secrets["api key"]
    for body in (
        {"email": "ada@example.org", "password": wrong},
        {"email": "unknown@example.org", "password": wrong},
        {"email": wrong, "password": wrong},
        {"email": "ada@example.org", "password": [wrong]},
        {"email": "ada@example.org", "password": wrong, "extra": wrong},
        {"email": "ada@example.org", "password": wrong * 40},
        {"email": "ada@example.org", "passwort": wrong},
        {"email": "eve@example.org", "password": wrong, "invitation": secrets["invitation"] + "x"},
        {"email": "ada@example.org", "password": wrong, "invitation": secrets["invitation"]},
        {"email": "eve@example.org", "password": "eve@example.org"},
    ):
        for path in ("login", "register"):
            life.ask("POST", f"{AUTH}/{path}", json=body)
    life.ask(
        "POST", f"{AUTH}/login", content=f'{{"password": "{wrong}", oops'.encode(), headers=JSON
    )
    life.ask("POST", f"{AUTH}/login", content=f"password={wrong}".encode())
    life.ask(
        "PUT", f"{AUTH}/password", json={"current_password": wrong, "new_password": wrong}, own=own
    )
    for bad in (
        f"Bearer {token}x",
        f"Bearer {api_key}x",
        f"Basic {token}",
        f"Bearer {token[:-4]}",
        f"Token {api_key}",
        "Bearer rmk_",
    ):
        life.ask("GET", f"{AUTH}/me", headers={"Authorization": bad})
    life.ask("GET", f"{AUTH}/me", headers={"Cookie": f"__Host-roadmap={token}x"})
    for secret in (token, api_key):
        life.ask("GET", f"{ROADMAPS}?access_token={secret}", own=own)
        life.ask("GET", f"{ROADMAPS}?cursor={secret}", own=own)
        life.ask("GET", f"{ROADMAPS}/{quote(secret, safe='')}", own=own)
        life.ask(
            "GET",
            ROADMAPS,
            own=own,
            headers={
                "Last-Event-ID": secret,
                "If-None-Match": secret,
                "Host": f"{secret[:20]}.example",
            },
        )
        life.ask("POST", ROADMAPS, own=own, json={"goal": GOAL, "hours_per_week": secret})
    life.ask("POST", "/api/v1/invitations", own=key, json={})
    life.ask("POST", "/api/v1/api-keys", own=key, json={"name": "more"})


def work(life: Life, key: dict[str, str], answers: dict[str, Any]) -> None:
    """A roadmap that works, and one for each way in which a server repeats the key."""
    goals = [GOAL, *(f"Learn to bake with a server that is {mode}" for mode in answers)]
    paths = []
    for goal in goals:
        answer = life.ask("POST", ROADMAPS, json={"goal": goal}, own=key)
        assert answer.status_code == 202, answer.text
        paths.append(answer.headers["location"])
    life.stack.headers = key
    statuses = [life.stack.finished(path)["status"] for path in paths]
    assert statuses == ["ready"] + ["failed"] * len(answers)
    for path in paths:
        for place in ("", "/events", "/receipt", "/revisions", "/revisions/1"):
            life.ask("GET", f"{path}{place}", own=key)
        wait_until(
            lambda path=path: len(life.stack.get(f"{path}/logs").json()["items"]) > 1,
            reason="its log is there",
        )
        life.ask("GET", f"{path}/logs?limit=100", own=key)
    life.ask("GET", ROADMAPS, own=key)
    look(life)


def lose_servers(
    life: Life, own: dict[str, str], key: dict[str, str], postgres: Postgres, broker: Redis
) -> None:
    person = {"email": "ada@example.org", "password": life.secrets["second-password"]}
    for server in (broker, postgres):
        server.kill()
        look(life)
        life.ask("GET", ROADMAPS, own=own)
        life.ask("GET", ROADMAPS, own=key)
        life.ask("POST", f"{AUTH}/login", json=person, tells="token while away")
        life.ask("POST", ROADMAPS, json={"goal": GOAL}, own=key)
        server.start()
        wait_until(
            lambda: life.ask("GET", "/health/ready").status_code == 200, reason="it is ready again"
        )
    look(life)


def break_tables(life: Life, own: dict[str, str], key: dict[str, str], postgres: Postgres) -> None:
    """Unexpected errors, with a traceback: a table is gone for a moment."""
    person = {"email": "ada@example.org", "password": life.secrets["second-password"]}
    life.secrets["api key that is not known"] = unknown = f"rmk_{uuid4().hex}{uuid4().hex}"
    requests: list[Callable[[], httpx2.Response]] = [
        lambda: life.ask("POST", f"{AUTH}/login", json=person),
        lambda: life.ask("POST", f"{AUTH}/register", json={**person, "email": "eve@example.org"}),
        lambda: life.ask("GET", f"{AUTH}/me", own=own),
        lambda: life.ask("GET", f"{AUTH}/me", headers={"Authorization": f"Bearer {unknown}"}),
        lambda: life.ask("POST", "/api/v1/api-keys", json={"name": "more"}, own=own),
        lambda: life.ask("GET", ROADMAPS, own=key),
        lambda: life.ask("POST", ROADMAPS, json={"goal": GOAL}, own=key),
    ]
    for table in ("account", "api_key", "login_session", "roadmap"):
        with asking(life.stack) as ask:
            ask(f"alter table {table} rename to gone")
            try:
                seen = [request().status_code for request in requests]
            finally:
                ask(f"alter table gone rename to {table}")
        assert 500 in seen, (table, seen)


def leave_messages(life: Life, own: dict[str, str], broker: GuardedRedis) -> None:
    """With the consumers ended by SIGTERM, what the API has sent lies in the broker."""
    for service in (life.stack.content, life.stack.logs):
        life.statuses.append((f"end {service.name}", service.stop()))
    answer = life.ask("POST", ROADMAPS, json={"goal": GOAL}, own=own)
    waiting = "{huey.content}:ready:1"
    wait_until(
        lambda: broker.client().llen(waiting) > 0,
        reason=f"a message for {answer.headers['location']}",
    )
    life.ask(
        "POST",
        f"{AUTH}/login",
        json={"email": "ada@example.org", "password": life.secrets["wrong-password"]},
    )
    wait_until(
        lambda: list(broker.client().scan_iter("*login-account*")), reason="the limits are shared"
    )
    life.brokers |= in_broker(broker.client())
    life.statuses.append(("end api", life.stack.api.stop()))


# What was seen


def test_everything_was_provoked(life: Life) -> None:
    statuses = {status for what, status in life.statuses if not what.startswith(("start", "end"))}
    assert {200, 201, 202, 400, 401, 403, 404, 409, 415, 422, 500, 503} <= statuses
    assert {what: status for what, status in life.statuses if what.startswith("start")} == {
        f"start {n}": 1 for n in range(9)
    }
    assert [status for what, status in life.statuses if what.startswith("end")] == [0, 0, -SIGTERM]
    output = "".join(text for place, text in life.outputs.items() if place.startswith("output"))
    for words in (
        "Traceback",
        "the database is away or refuses",
        "the broker is away",
        "UndefinedTable",
    ):
        assert words in output
    assert ("DEBUG" in output) == (life.level == "debug")


def test_no_secret_is_in_what_the_services_print(life: Life) -> None:
    printed = {
        place: text for place, text in life.outputs.items() if not place.startswith("answer")
    }
    assert len(printed) == 3 + 9 + 2
    assert found(life.secrets, printed) == []


def test_no_address_and_no_hash_is_in_what_the_services_print(life: Life) -> None:
    printed = {
        place: text for place, text in life.outputs.items() if place.startswith(("output", "start"))
    }
    people = {"admin": "admin@example.org", "ada": "ada@example.org", "eve": "eve@example.org"}
    hashes = {
        str(name): digest for name, digest in [*life.hashes["account"], *life.hashes["api_key"]]
    }
    assert len(hashes) >= 3
    assert found(people | hashes, printed) == []


def test_no_hash_is_in_an_answer_or_in_the_broker(life: Life) -> None:
    answers = {place: text for place, text in life.outputs.items() if place.startswith("answer")}
    hashes = {
        str(name): digest for name, digest in [*life.hashes["account"], *life.hashes["api_key"]]
    }
    assert found(hashes, answers | life.brokers) == []


def test_no_secret_is_in_an_answer_but_the_one_that_is_there_to_tell_it(life: Life) -> None:
    answers = {place: text for place, text in life.outputs.items() if place.startswith("answer")}
    assert len(answers) > 100
    assert sum("GET /metrics" in place for place in answers) > 3
    own = {(name, place) for name, place in life.tellers.items()}
    seen = set(found(life.secrets, answers))
    assert seen - own == set()
    values = {"admin token", "invitation", "first token", "token", "csrf", "cookie", "api key"}
    assert {name for name, _ in seen} == values  # so that the search finds what is there


def test_no_secret_is_in_the_broker(life: Life) -> None:
    assert any("plan_roadmap" in text for text in life.brokers.values())
    assert any("login-account" in text for text in life.brokers.values())
    assert found(life.secrets, life.brokers) == []


def test_no_secret_is_in_the_database(life: Life) -> None:
    assert {
        "account",
        "api_key",
        "invitation",
        "login_session",
        "roadmap",
        "execution_log",
        "model_call",
    } <= set(life.tables)
    assert [
        name
        for name in ("account", "api_key", "invitation", "login_session", "execution_log")
        if not life.tables[name]
    ] == []
    assert found(life.secrets, {name: "\n".join(rows) for name, rows in life.tables.items()}) == []


def test_passwords_are_argon2id_hashes_and_keys_are_sha256_hashes(life: Life) -> None:
    assert {"admin@example.org", "ada@example.org"} <= {
        email for email, _ in life.hashes["account"]
    }
    cost = r"\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22,}\$[A-Za-z0-9+/]{43,}"
    assert [digest for _, digest in life.hashes["account"] if not re.fullmatch(cost, digest)] == []
    assert len({digest for _, digest in life.hashes["account"]}) == len(
        life.hashes["account"]
    )  # each with a salt of its own
    assert [
        digest for _, digest in life.hashes["api_key"] if not re.fullmatch("[0-9a-f]{64}", digest)
    ] == []
    key = life.secrets["api key"]
    [prefix] = [
        prefix
        for prefix, digest in life.hashes["api_key"]
        if digest == hashlib.sha256(key.encode()).hexdigest()
    ]
    assert key.startswith(prefix)
    assert len(key) - len(prefix) >= 32  # the part that is not shown is long enough


def test_no_secret_is_in_a_command_line(life: Life) -> None:
    assert len(life.commands) >= len(life.stack.services)
    for words in (
        "uvicorn roadmap_app:app",
        "tasks.queues.logs_queue",
        "tasks.queues.content_queue",
    ):
        assert any(words in line for line in life.commands.values())
    assert found(life.secrets, {str(pid): line for pid, line in life.commands.items()}) == []


def test_a_problem_of_ours_tells_an_id_that_finds_it_and_nothing_else(life: Life) -> None:
    problems = [
        text.rpartition("\n")[2]
        for place, text in life.outputs.items()
        if '"status":500' in text and place.startswith("answer")
    ]
    assert len(problems) > 3
    output = life.stack.api.output
    for text in problems:
        document = json.loads(text)
        assert set(document) == {"type", "title", "status", "detail", "request_id"}
        assert document["detail"] == "Unexpected error. The request ID identifies it in the log."
        assert f"request {document['request_id']} failed" in output


def test_the_search_finds_a_secret_however_it_is_written() -> None:
    secret = unlikely("test")
    for text in (
        secret,
        quote(secret, safe=""),
        json.dumps({"a": secret}),
        repr(secret),
        base64.b64encode(secret.encode()).decode(),
    ):
        assert found({"it": secret}, {"there": f"... {text} ..."}) == [("it", "there")]
    assert found({"it": secret}, {"there": str(ROOT)}) == []
