"""Operators' commands: `doctor`, `config`, `migrate`, `jobs`, `keys` and `users`."""

import hashlib
import json
import signal
import sqlite3
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from subprocess import PIPE
from typing import Any

import psycopg2
import pytest
from playhouse.migrations import Runner

from cli.config import HIDDEN
from cli.output import Exit
from core.ids import new_id
from core.migrate import DIRECTORY, connected, known
from core.settings import from_environment
from testing import commands
from testing.commands import ROADMAP, FinishedCommand, command
from testing.provider import Handler, providing
from testing.servers import Postgres, Redis, free_port
from testing.stack import BEFORE, Stack
from testing.waiting import HANG, wait_until
from tests.cases import try_each
from tests.commands import in_process
from tests.commands.in_process import roadmap, succeeded

SECRET = "hunter2-s3cret"
KEY = hashlib.sha256(b"a key of this file").hexdigest()
MODES = ["embedded", "server"]


@pytest.fixture
def place(tmp_path: Path, postgres: Postgres, broker: Redis) -> Callable[[str], dict[str, str]]:
    """The variables of a service of that mode, with a database of its own that is empty."""

    def make(mode: str) -> dict[str, str]:
        if mode == "embedded":
            return {"DATA_DIR": str(tmp_path / "data")}
        url = postgres.create_database(f"t{uuid.uuid4().hex}")
        return {"DATABASE_URL": url, "REDIS_URL": broker.url(), "SECRET_KEY": KEY}

    return make


@pytest.fixture(scope="module")
def server(postgres: Postgres, broker: Redis) -> dict[str, str]:
    """The variables of a service with an empty database, for tests that leave it so."""
    return {
        "DATABASE_URL": postgres.create_database(f"t{uuid.uuid4().hex}"),
        "REDIS_URL": broker.url(),
        "SECRET_KEY": KEY,
    }


def refused(environment: dict[str, str], *arguments: str, code: int = 1) -> str:
    sentence = in_process.refused(environment, *arguments, code=code)
    assert SECRET not in sentence
    return sentence


def refused_start(environment: dict[str, str], service: str = "api") -> str:
    """The one sentence of a service that does not start."""
    place = {"SERVICE_TYPE": service, "PORT": str(free_port()), "LOG_FORMAT": "text"}
    found = in_process.started({**environment, **place, "STARTUP_WAIT_SECONDS": "0.05"})
    assert (found.code, SECRET in found.output + found.errors) == (1, False), found
    [line] = [each for each in found.errors.splitlines() if not each.startswith(BEFORE)]
    return line


def checks_of(text: FinishedCommand) -> dict[str, dict[str, str]]:
    assert text.errors == ""
    return {check["name"]: check for check in json.loads(text.output)}


# doctor


def test_a_service_that_is_well_is_found_so(stack: Stack) -> None:
    result = roadmap(stack.environment, "doctor", "--json")
    found = checks_of(result)
    assert result.code == 0
    assert {
        name: check["state"] for name, check in found.items() if check["state"] == "failed"
    } == {}
    names = {
        "database",
        "migrations",
        "broker",
        "model",
        "secret",
        "drain time",
        "queue logs",
        "queue content",
        "log",
    }
    assert names <= found.keys()
    assert ({"clock of the database", "clock of the broker"} <= found.keys()) == (
        stack.mode == "server"
    )
    assert ("disk" in found) == (stack.mode == "embedded")
    text = succeeded(stack.environment, "doctor").output
    assert all(f" {name}: " in text for name in found)


def at(place: str) -> str:
    return f"postgresql://{place.partition('@')[0]}:{SECRET}@{place.partition('@')[2]}"


BAD_PLACES = {
    "a wrong password": (at("{user}@127.0.0.1:{port}/postgres"), "user or the password"),
    "an absent user": (at("absent@127.0.0.1:{port}/postgres"), "user does not exist"),
    "an absent database": (at("postgres@127.0.0.1:{port}/nowhere"), "database does not exist"),
    "an absent host": (at("postgres@nowhere.invalid:{port}/postgres"), "host was not found"),
    "an unused port": (at("postgres@127.0.0.1:{nothing}/postgres"), "no server listens there"),
}


@pytest.fixture(scope="module")
def with_password(postgres: Postgres) -> Iterator[str]:
    """A user of the server whose password is asked for, whatever else it believes."""
    rules = postgres.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    with closing(psycopg2.connect(postgres.url())) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("CREATE ROLE guarded LOGIN PASSWORD 'another'")
        rules.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{before}")
        cursor.execute("SELECT pg_reload_conf()")
        yield "guarded"
        rules.write_text(before)
        cursor.execute("SELECT pg_reload_conf()")
        cursor.execute("DROP ROLE guarded")


@try_each(("url", "cause"), BAD_PLACES.values(), ids=BAD_PLACES)
def test_a_wrong_database_url_is_reported_with_its_cause(
    server: dict[str, str], postgres: Postgres, with_password: str, url: str, cause: str
) -> None:
    """By the doctor, by every command, and by a service that starts."""
    address = url.format(port=postgres.port, nothing=free_port(), user=with_password)
    environment = {**server, "DATABASE_URL": address}
    result = roadmap(environment, "doctor", "--json")
    found = checks_of(result)
    assert (result.code, found["database"]["state"]) == (1, "failed")
    assert cause in found["database"]["cause"]
    assert "DATABASE_URL" in found["database"]["fix"]
    printed = [
        refused(environment, *arguments, code=3)
        for arguments in (["users", "list"], ["migrate"], ["backup", "/tmp/never"])
    ]
    for sentence in (*printed, refused_start(environment)):
        assert cause in sentence
        assert "DATABASE_URL" in sentence


@try_each(
    "url",
    [
        f"postgresql://x:{SECRET}@h:port/d",
        f"mysql://x:{SECRET}@h/d",
        f"postgresql://x:{SECRET}@h/d?colour=1",
    ],
)
def test_a_malformed_database_url_is_a_sentence(server: dict[str, str], url: str) -> None:
    for arguments in (["users", "list"], ["migrate"], ["backup", "/tmp/never"], ["logs"]):
        assert "DATABASE_URL" in refused({**server, "DATABASE_URL": url}, *arguments)


@try_each("mode", MODES)
def test_a_database_without_tables_is_reported_as_permanent(
    place: Callable[[str], dict[str, str]], mode: str
) -> None:
    for arguments in (["users", "list"], ["logs"], ["keys", "list", "boss@example.org"]):
        assert "`roadmap migrate`" in refused(place(mode), *arguments)


def test_a_password_prompt_without_a_terminal_is_a_usage_error(
    place: Callable[[str], dict[str, str]],
) -> None:
    """In a process of its own, whose standard input is no terminal."""
    environment = place("embedded")
    succeeded(environment, "migrate")
    result = commands.roadmap(environment, "users", "add", "boss@example.org")
    assert (result.code, result.output.strip()) == (2, "")
    assert "--password" in result.errors
    assert "PASSWORD" in result.errors
    assert "Interrupted" not in result.errors


def test_a_refusing_broker_is_reported_with_its_cause(
    server: dict[str, str], own_broker: Redis
) -> None:
    own_broker.client().config_set("requirepass", "another")
    for place in (f"127.0.0.1:{own_broker.port}/0", f":{SECRET}@127.0.0.1:{own_broker.port}/0"):
        environment = {**server, "REDIS_URL": f"redis://{place}"}
        found = checks_of(roadmap(environment, "doctor", "--json"))["broker"]
        assert found["state"] == "failed"
        assert "password" in found["cause"]
        assert "REDIS_URL" in found["fix"]
        for arguments in (["jobs", "list"], ["jobs", "workers"], ["jobs", "dead"]):
            sentence = refused(environment, *arguments)  # and not 3: it will not go away
            assert "password" in sentence
            assert "REDIS_URL" in sentence
    own_broker_with_key = f"redis://:another@127.0.0.1:{own_broker.port}/0"
    result = roadmap({**server, "REDIS_URL": own_broker_with_key}, "doctor", "--json")
    assert checks_of(result)["broker"]["state"] == "ok"


def test_the_persistence_of_a_broker_follows_its_configuration(
    server: dict[str, str], own_broker: Redis
) -> None:
    def kept(url: str) -> str:
        broker = checks_of(roadmap({**server, "REDIS_URL": url}, "doctor", "--json"))["broker"]
        return str(broker["told"]).rpartition("keeps by ")[2]

    client = own_broker.client()
    assert client.info()["rdb_saves"] == 0
    assert kept(own_broker.url()) == "AOF"
    client.acl_setuser(
        "asks", enabled=True, passwords="+pw", categories=["+@all"], commands=["-config"], keys="*"
    )
    forbidden = own_broker.url().replace("://", "://asks:pw@")
    assert kept(forbidden) == "AOF"
    client.config_set("save", "3600 1")
    assert (kept(own_broker.url()), kept(forbidden)) == ("AOF and RDB", "AOF")
    client.save()
    assert kept(forbidden) == "AOF and RDB"
    client.config_set("save", "")
    assert kept(own_broker.url()) == "AOF"


def test_a_broker_that_drops_queues_is_found(
    place: Callable[[str], dict[str, str]], own_broker: Redis
) -> None:
    environment = {**place("server"), "REDIS_URL": own_broker.url()}
    succeeded(environment, "migrate")
    own_broker.client().config_set("maxmemory-policy", "allkeys-lru")
    result = roadmap(environment, "doctor", "--json")
    assert (result.code, checks_of(result)["broker"]["state"]) == (1, "failed")
    assert "noeviction" in checks_of(result)["broker"]["fix"]
    own_broker.client().config_set("maxmemory-policy", "noeviction")
    own_broker.client().config_set("appendonly", "no")
    result = roadmap(environment, "doctor", "--json")
    found = checks_of(result)
    assert [check for check in found.values() if check["state"] == "failed"] == []
    assert (result.code, found["broker"]["state"]) == (0, "warning")
    assert found["broker"]["fix"] == "set appendonly to yes"


def test_what_is_pending_or_newer_is_found(place: Callable[[str], dict[str, str]]) -> None:
    server = place("server")
    empty = checks_of(roadmap(server, "doctor", "--json"))["migrations"]
    assert (empty["state"], empty["fix"]) == (
        "failed",
        "start the service, or run `roadmap migrate`",
    )
    assert "roadmap migrate" in refused(server, "users", "list")
    succeeded(server, "migrate")
    ask(server, "DELETE FROM schema_migration WHERE name = '0017_ended_logins'")
    before = checks_of(roadmap(server, "doctor", "--json"))["migrations"]
    assert (before["state"], before["fix"]) == ("failed", "run `roadmap migrate`")
    names = "('0017_ended_logins', now()), ('9999_the_future', now())"
    ask(server, f"INSERT INTO schema_migration (name, applied) VALUES {names}")
    after = checks_of(roadmap(server, "doctor", "--json"))["migrations"]
    assert (after["state"], "9999_the_future" in after["told"]) == ("warning", True)


def answer(handler: Handler) -> None:
    choice = {
        "index": 0,
        "finish_reason": "length",
        "message": {"role": "assistant", "content": "ok"},
    }
    body = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-test",
        "choices": [choice],
    }
    handler.say(
        200, json.dumps({**body, "usage": {"prompt_tokens": 9, "completion_tokens": 1}}).encode()
    )


def refuse(handler: Handler) -> None:
    handler.say(
        401, json.dumps({"error": {"message": f"Incorrect API key provided: {SECRET}"}}).encode()
    )


def test_the_model_is_asked_for_one_token(place: Callable[[str], dict[str, str]]) -> None:
    with providing(answer) as provider:
        variables = {
            **place("embedded"),
            "OPENAI_API_KEY": SECRET,
            "OPENAI_BASE_URL": provider.url,
            "OPENAI_MODEL": "gpt-test",
        }
        result = roadmap(variables, "doctor", "--json")
        assert [request["max_tokens"] for request in provider.requests] == [1]
        assert succeeded({**variables, "OPENAI_MODEL": "other"}, "config").output
        roadmap(variables, "doctor", "--no-model")
        assert len(provider.requests) == 1
    assert checks_of(result)["model"]["told"].startswith("gpt-test answers in ")
    assert SECRET not in result.output


def test_a_model_that_refuses_is_found(place: Callable[[str], dict[str, str]]) -> None:
    with providing(refuse) as provider:
        variables = {**place("embedded"), "OPENAI_API_KEY": SECRET, "OPENAI_BASE_URL": provider.url}
        result = roadmap(variables, "doctor", "--json")
    found = checks_of(result)["model"]
    assert (result.code, found["state"], "OPENAI_API_KEY" in found["cause"]) == (1, "failed", True)
    assert SECRET not in result.output


def test_what_was_never_started_is_no_failure_and_stays_so(tmp_path: Path) -> None:
    """In a process of its own, since the import of the queues would make their file."""
    result = commands.roadmap({"DATA_DIR": str(tmp_path / "new")}, "doctor", "--json")
    assert result.code == 0, result.output
    service = checks_of(result)["service"]
    assert (service["state"], service["told"]) == ("ok", "not started yet: run `make run`")
    assert [*(tmp_path / "new").iterdir()] == []


def test_a_damaged_file_of_the_queues_is_a_sentence(place: Callable[[str], dict[str, str]]) -> None:
    environment = place("embedded")
    succeeded(environment, "migrate")
    Path(environment["DATA_DIR"], "queue.db").write_bytes(b"damaged " * 1000)
    found = checks_of(roadmap(environment, "doctor", "--no-model", "--json"))["queues"]
    assert (found["state"], found["cause"]) == ("failed", "file is not a database")
    assert "file is not a database. Check DATA_DIR." in refused(environment, "jobs", "list")


def test_a_secret_that_others_know_or_guess_is_found(server: dict[str, str]) -> None:
    for secret in ("change-me-please-change-me-please-1", "a" * 40, f"{KEY},{'ab' * 20}"):
        found = checks_of(roadmap({**server, "SECRET_KEY": secret}, "doctor", "--json"))["secret"]
        assert (found["state"], "openssl" in found["fix"]) == ("failed", True)
        assert secret not in json.dumps(found)


def test_a_platform_that_waits_too_short_is_found(server: dict[str, str]) -> None:
    for variables, state in (
        ({"RAILWAY_ENVIRONMENT_ID": "x"}, "warning"),
        ({"RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "10"}, "warning"),
        ({"RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "30"}, "ok"),
        ({}, "ok"),
    ):
        found = checks_of(roadmap({**server, **variables}, "doctor", "--json"))["drain time"]
        assert found["state"] == state


# migrate


def ask(environment: dict[str, str], *statements: str) -> list[Any]:
    """Past the application: what the last statement answers."""
    if "DATABASE_URL" in environment:
        with (
            closing(psycopg2.connect(environment["DATABASE_URL"])) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    with closing(sqlite3.connect(Path(environment["DATA_DIR"]) / "roadmap.db")) as file, file:
        return [list(file.execute(statement)) for statement in statements][-1]


def columns(environment: dict[str, str], table: str) -> set[str]:
    settings = from_environment({"SERVICE_TYPE": "all", **environment})
    with connected(settings) as database:
        return {column.name for column in database.get_columns(table)}


@try_each("mode", MODES)
def test_a_failed_migration_leaves_nothing_and_continues(
    place: Callable[[str], dict[str, str]], mode: str
) -> None:
    """0002 adds two columns to `roadmap`, then to `content`, which has one of that name here."""
    environment = place(mode)
    settings = from_environment({"SERVICE_TYPE": "all", **environment})
    with connected(settings) as database:
        Runner(database, str(DIRECTORY)).up(known()[0])
    ask(environment, "ALTER TABLE content ADD COLUMN interruptions INTEGER")

    sentence = refused(environment, "migrate")
    assert "0002_interruptions_and_log_sources failed" in sentence
    assert "interruptions" in sentence
    assert "interruptions" not in columns(environment, "roadmap")
    assert ask(environment, "SELECT name FROM schema_migration") == [(known()[0],)]
    error = refused_start(environment, "all" if mode == "embedded" else "api")
    assert error.startswith("error: the migration 0002_")

    ask(environment, "ALTER TABLE content DROP COLUMN interruptions")
    assert succeeded(environment, "migrate", "--json").data == {"applied": known()[1:]}
    assert roadmap(environment, "migrate", "--check").code == 0


def test_check_says_what_is_pending_and_changes_nothing(
    place: Callable[[str], dict[str, str]],
) -> None:
    environment = place("server")
    result = roadmap(environment, "migrate", "--check", "--json")
    assert (result.code, json.loads(result.output)) == (1, {"pending": known(), "unknown": []})
    assert ask(environment, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


# config


def test_every_variable_has_its_value_and_where_it_is_from_and_no_secret(
    server: dict[str, str],
) -> None:
    given = {
        **server,
        **{
            "DATABASE_URL": f"postgresql://me:{SECRET}@db.example.org/x?password={SECRET}",
            "OPENAI_API_KEY": SECRET,
        },
        **{
            "ADMIN_EMAIL": "boss@example.org",
            "ADMIN_PASSWORD": f"{SECRET} and more",
            "RAILWAY_PUBLIC_DOMAIN": "x.up.railway.app",
        },
        **{"SECRET_KEY": "", "JWT_SECRET_KEY": KEY, "PORT": "9000"},
    }
    result = succeeded(given | {"REQUEST_PER_MINUTE": SECRET}, "config", "--json")
    assert result.data[-1] == {
        **{"name": "REQUEST_PER_MINUTE", "value": "(set, not read)"},
        **{"origin": "no setting", "source": "REQUESTS_PER_MINUTE?"},
    }
    found = {each["name"]: each for each in result.data}
    assert found["PORT"] == {"name": "PORT", "value": "9000", "origin": "environment", "source": ""}
    assert found["API_WORKERS"]["origin"] == "default"
    assert found["TRUSTED_PROXIES"]["origin"] == "derived"
    assert found["SECRET_KEY"] == {
        "name": "SECRET_KEY",
        "value": "(set, not shown)",
        "origin": "derived",
        "source": "JWT_SECRET_KEY",
    }
    assert found["DATABASE_URL"]["value"] == "postgresql://me:***@db.example.org/x"
    printed = result.output + succeeded(given, "config").output
    assert [secret for secret in (SECRET, KEY) if secret in printed] == []


# keys, users, jobs


def test_keys_are_made_listed_and_revoked_and_it_stands_in_the_audit_log(
    place: Callable[[str], dict[str, str]],
) -> None:
    environment = place("server")
    succeeded(environment, "migrate")
    boss = "boss@example.org"
    succeeded(environment, "users", "add", boss, "--admin", "--password", "a few unrelated words")
    options = ("--name", "backup", "--scope", "admin", "--days", "7", "--json")
    made = succeeded(environment, "keys", "create", boss, *options).data
    assert made["key"].startswith("rmk_")
    listed = succeeded(environment, "keys", "list", boss, "--json").data
    assert [each["id"] for each in listed] == [made["id"]]
    assert made["id"] in succeeded(environment, "keys", "list", boss).output
    revoked = succeeded(environment, "keys", "revoke", boss, made["id"], "--json").data
    assert revoked["revoked"] == [made["id"]]
    assert "no key" in succeeded(environment, "keys", "list", boss).output
    assert "does not exist" in refused(environment, "keys", "revoke", boss, made["id"])
    absent = ("keys", "create", "absent@example.org", "--name", "x")
    assert "No account has" in refused(environment, *absent)
    acts = ask(environment, "SELECT action, outcome FROM audit_record ORDER BY id")
    assert acts == [
        ("user.add", "done"),
        ("key.create", "done"),
        ("key.revoke", "done"),
        ("key.revoke", "refused"),
        ("key.create", "refused"),
    ]
    kept = f"SELECT count(*) FROM audit_record WHERE details::text LIKE '%{made['key']}%'"
    assert ask(environment, kept) == [(0,)]


def test_a_queue_is_paused_looked_at_and_resumed(place: Callable[[str], dict[str, str]]) -> None:
    environment = place("embedded")
    succeeded(environment, "migrate")
    paused = succeeded(environment, "jobs", "pause", "content", "--json").data
    assert paused == {"queue": "content", "is_paused": True}
    listed = succeeded(environment, "jobs", "list", "--json").data
    assert [each["is_paused"] for each in listed] == [False, True]
    found = checks_of(roadmap(environment, "doctor", "--json"))["queue content"]
    assert found["fix"] == "`roadmap jobs resume content`"
    succeeded(environment, "jobs", "resume", "content")
    assert "paused" not in succeeded(environment, "jobs", "list").output
    assert succeeded(environment, "jobs", "list", "--state", "ready", "--json").data["items"] == []
    assert succeeded(environment, "jobs", "workers", "--json").data == []
    assert "no dead letter" in refused(environment, "jobs", "retry", "77").lower()
    assert "characters" in refused(environment, "jobs", "dead", "--search", "x" * 10_000)
    assert roadmap(environment, "jobs", "replay").code == 2
    for blank in ("", "  "):
        result = roadmap(environment, "jobs", "delete", "--all", "--search", blank)
        assert (result.code, "--search" in result.errors) == (2, True)
    acts = ask(environment, "SELECT action, target, outcome FROM audit_record ORDER BY id")
    assert acts == [
        ("queue.pause", "content", "done"),
        ("queue.resume", "content", "done"),
        ("message.retry", "content/77", "refused"),
    ]


def test_the_workers_of_a_service_are_seen(stack: Stack) -> None:
    found = succeeded(stack.environment, "jobs", "workers", "--json").data
    assert {each["queue"] for each in found} == {"logs", "content"}


def test_the_log_is_searched_and_followed_until_one_interrupts(stack: Stack) -> None:
    first = stack.create(review=True)
    wait_until(
        lambda: stack.get(f"{first}/logs").json()["items"], reason="what was done for it is stored"
    )
    output = succeeded(stack.environment, "logs", "--json", "--limit", "1000").output
    printed = [json.loads(line) for line in output.splitlines()]
    assert first.rpartition("/")[2] in {record["roadmap_id"] for record in printed}
    assert printed == sorted(printed, key=lambda record: record["id"])
    arguments = [ROADMAP, "logs", "--follow", "--json", "--limit", "1000"]
    with subprocess.Popen(
        arguments, env=command(stack.environment), stdout=PIPE, stderr=PIPE, text=True
    ) as following:
        watchdog = threading.Timer(HANG, following.kill)
        watchdog.start()
        try:
            assert following.stdout is not None
            lines = map(json.loads, following.stdout)
            for path in (first, None):
                its = (path or stack.create(review=True)).rpartition("/")[2]
                assert any(record["roadmap_id"] == its for record in lines)
            following.send_signal(signal.SIGINT)
            assert following.wait(HANG) == Exit.interrupted
        finally:
            watchdog.cancel()
            following.kill()
        assert following.stderr is not None
        assert following.stderr.read().strip() == "Interrupted."


def test_every_family_of_commands_is_a_process_as_well(shared_server: Stack) -> None:
    """Results are on standard output, errors on the other; the exit code says which."""
    for words in ("doctor", "config", "users list", "jobs list", "migrate --check"):
        assert commands.succeeded(shared_server.environment, *words.split(), "--json").data
    away = {**shared_server.environment, "DATABASE_URL": at(f"x@127.0.0.1:{free_port()}/x")}
    for words, code in (("keys list a@example.org", 3), ("logs", 3), ("backup", 2)):
        found = commands.roadmap(away, *words.split())
        assert (found.code, found.output, "Error: " in found.errors) == (code, "", True)


def test_a_command_that_is_not_there_and_help_need_no_environment() -> None:
    broken = {"DATABASE_URL": "nonsense", "PORT": "x"}
    assert roadmap(broken, "--help").code == 0
    assert roadmap(broken, "nothing").code == 2
    result = roadmap(broken, "users", "list")
    assert "DATABASE_URL" in result.errors
    assert result == commands.roadmap(broken, "users", "list")  # forked
    assert result == commands.roadmap(broken, "users", "list", before=lambda: None)  # a new one


# Words of others

EVIL = "<b>[red]\x1b[31m\x9b31m\u202enaive\u2028\x07\r\n2026-11-26 08:00:00 error forged"
COMMANDING = ("\x1b", "\x9b", "\u202e", "\u2028", "\x07", "\r")


def test_what_is_logged_neither_commands_a_terminal_nor_begins_a_line_of_its_own(
    place: Callable[[str], dict[str, str]],
) -> None:
    environment = place("embedded")
    succeeded(environment, "migrate")
    row = (new_id().hex, "2026-11-26 08:00:00", "info", EVIL, EVIL, EVIL)
    into = "execution_log (id, at, level, category, step, message)"
    with closing(sqlite3.connect(Path(environment["DATA_DIR"]) / "roadmap.db")) as file, file:
        file.execute(f"INSERT INTO {into} VALUES (?, ?, ?, ?, ?, ?)", row)
    text = succeeded(environment, "logs").output
    assert "[red]" in text
    assert len(text.splitlines()) == 1
    document = succeeded(environment, "logs", "--json").output
    assert json.loads(document)["message"] == EVIL
    assert len(document.splitlines()) == 1
    assert [sign for sign in COMMANDING if sign in text + document] == []


def test_what_a_refusal_quotes_does_not_command_a_terminal(
    place: Callable[[str], dict[str, str]],
) -> None:
    environment = place("embedded")
    succeeded(environment, "migrate")
    for arguments in (
        ("jobs", "revoke", "a\x9b31m\u202e"),
        ("logs", "--since", "a\x9b31m\u202e"),
        ("a\x9b31m\u202e",),
    ):
        result = roadmap(environment, *arguments)
        assert result.code in (1, 2)
        assert "Error: " in result.errors
        assert [sign for sign in COMMANDING if sign in result.errors] == []


def test_a_time_before_all_times_is_refused(place: Callable[[str], dict[str, str]]) -> None:
    result = roadmap(place("embedded"), "logs", "--since", "999999d")
    assert (result.code, "Traceback" in result.errors) == (2, False)
    assert "must be a time such as" in result.errors


@try_each(
    ("name", "address", "shown"),
    [
        (
            "DATABASE_URL",
            f"postgresql://u:{SECRET}@db:5432/learning",
            "postgresql://u:***@db:5432/learning",
        ),
        (
            "DATABASE_URL",
            f"postgresql://db/learning?password={SECRET}&sslmode=require",
            "postgresql://db/learning",
        ),
        ("DATABASE_URL", f"postgresql://db/learning?user=u&password=a@{SECRET}", HIDDEN),
        ("DATABASE_URL", f"postgresql://u:1?{SECRET}@db/learning", HIDDEN),
        ("REDIS_URL", f"redis://:{SECRET}@[::1]:6379/0", "redis://:***@[::1]:6379/0"),
        ("REDIS_URL", f"redis://broker:6379/0?password={SECRET}@{SECRET}", HIDDEN),
        (
            "OPENAI_BASE_URL",
            f"https://u:{SECRET}@models.example.org/v1",
            "https://u:***@models.example.org/v1",
        ),
        (
            "OPENAI_BASE_URL",
            f"https://models.example.org/v1?key={SECRET}",
            "https://models.example.org/v1",
        ),
        ("OPENAI_BASE_URL", "http://[::1]:11434/v1", "http://[::1]:11434/v1"),
    ],
)
def test_of_an_address_only_where_it_leads_to_is_shown(
    server: dict[str, str], name: str, address: str, shown: str
) -> None:
    result = succeeded({**server, name: address}, "config", "--json")
    assert SECRET not in result.output
    assert next(each["value"] for each in result.data if each["name"] == name) == shown
