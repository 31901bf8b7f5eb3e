"""Record the data and tokens of a version, for `tests/integration/test_upgrade.py`.

    cd CHECKOUT && PYTHONPATH=... .venv/bin/python .../tests/upgrade/record.py FOLDER \
        [DATABASE_URL REDIS_URL]

It runs in a checkout of that version, the working directory, with an empty PostgreSQL database and
an empty Redis, or without both in embedded mode. Everything is made by that version: its services
over HTTP, its commands, and its workers. The names inside `AS_A_WORKER` are those of commit
78eefd3, the version of the recordings here. Their secrets are random.

FOLDER gets `database.sql`, `queue.sql` (SQLite) or `redis.json`, `backup.gz`, `roadmap.json` (an
export), and `facts.json`: keys, tokens, links and answers. Large files are compressed.
"""

import base64
import contextlib
import gzip
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import psycopg2
import redis

from testing.waiting import HANG, wait_until

HOOK_PORT = 18990  # a test puts the port of its own receiver in its place
BACKUP = "backup.gz"
PASSWORD = "a long enough passphrase"
SMALL = {"goal": "Become a web frontend developer", "level": "advanced"}
QUIET = {"LINK_CHECK_DAYS": "0", "REGISTRATION": "open", "LOG_LEVEL": "WARNING"}
# Work of that version's worker between two starts of the services; it leaves the queues paused.
AS_A_WORKER = """
import sys
from datetime import timedelta
from core import clock
from roadmap import execution_log
from tasks.content import build_content, content_queue, look_after_links
from tasks.queues import logs_queue
from tasks.upkeep import rescue_again, rescue_overdue

part, *ids = sys.argv[1:]
content_queue.storage.resume()
if part == "half":
    for _ in range(6):  # a plan, what webhooks are sent of it, and contents
        content_queue.execute(content_queue.dequeue())
    task = content_queue.dequeue()
    content_queue.storage.bury(task.claim, "it failed for good: RuntimeError('recorded')")
else:
    content_queue.dequeue()  # and it dies: the plan of another roadmap
    content_queue.execute(content_queue.dequeue())  # a delivery that is refused and comes again
    content_queue.execute(build_content.s("not-an-id", retries=1))  # fails; a retry is scheduled
    content_queue.enqueue(build_content.s(ids[0], eta=clock.now() + timedelta(minutes=5)))
    content_queue.enqueue(look_after_links.s())
    logs_queue.storage.resume()
    while (letter := logs_queue.dequeue()).name != "store_log_batch":
        logs_queue.execute(letter)
    logs_queue.storage.bury(letter.claim, "it failed for good: RuntimeError('recorded')")
    logs_queue.enqueue(rescue_overdue.s())
    logs_queue.enqueue(rescue_again.s(eta=clock.now() + timedelta(seconds=40)))
    logs_queue.storage.pause()
execution_log.buffer.flush()
content_queue._acknowledge_finished()
content_queue.storage.pause()
"""
FAIL = "from tasks.content import build_content; build_content('not-an-id')"


class Checkout:
    """The services of the version in the working directory."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.is_server = bool(database_url)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = folder
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **{"PORT": str(self.port), "DATA_DIR": str(folder), **QUIET},
            **{"HEARTBEAT_SECONDS": "0.5", "HEARTBEAT_TTL_SECONDS": "2"},
        }
        if self.is_server:
            self.environment |= {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
            self.environment |= {"SECRET_KEY": os.urandom(32).hex()}
            self.environment |= {"WEBHOOK_NETWORKS": "127.0.0.0/8"}
        self.names = ("api", "huey_logs", "huey_content") if self.is_server else ("all",)
        self.headers: dict[str, str] = {}

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        processes = [
            subprocess.Popen(["./entrypoint.sh"], env={**self.environment, "SERVICE_TYPE": name})
            for name in self.names
        ]
        try:
            wait_until(self._is_ready)
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(HANG)

    def _is_ready(self) -> bool:
        with contextlib.suppress(httpx2.TransportError):
            return httpx2.get(f"{self.url}/health/ready").status_code == 200
        return False

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        answer = httpx2.request(method, self.url + path, headers=headers, timeout=HANG, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def python(self, code: str, *arguments: str) -> None:
        self._run(sys.executable, "-c", code, *arguments)

    def roadmap(self, *arguments: str) -> str:
        return self._run("bin/roadmap", *arguments)

    def _run(self, *command: str) -> str:
        kind = "api" if self.is_server else "all"
        path = f"{Path(sys.executable).parent}:{self.environment['PATH']}"
        environment = {**self.environment, "SERVICE_TYPE": kind, "PATH": path}
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout


def record(checkout: Checkout, out: Path, statuses: list[int]) -> dict[str, Any]:
    """Let the version do its work; return its keys, tokens and answers."""
    call = checkout.call
    facts: dict[str, Any] = {"hook_port": HOOK_PORT}
    with checkout.running():
        if checkout.is_server:
            facts |= log_in(checkout)
        webhook = call("POST", "/api/v1/webhooks", json={"url": _hook()}).json()
        facts |= {"webhook": webhook["id"], "webhook_secret": webhook["secret"]}
        facts |= learn(checkout)
        trashed = create(checkout, **SMALL, review=True)
        wait_until(lambda: call("GET", trashed).json()["status"] in ("awaiting_review", "ready"))
        facts["cursor"] = call("GET", "/api/v1/roadmaps?limit=1").json()["next_cursor"]
        call("DELETE", trashed)
        facts["trashed"] = trashed.rpartition("/")[2]
        (out / "roadmap.json").write_bytes(call("GET", facts["roadmap"] + "/export.json").content)
        checkout.python(FAIL)
        wait_until(lambda: json.loads(checkout.roadmap("jobs", "dead", "--json"))["items"])
        checkout.roadmap("backup", BACKUP, "--force")
        Path(BACKUP).rename(out / BACKUP)
        for queue in ("content", "logs"):
            checkout.roadmap("jobs", "pause", queue)
        facts["half_built"] = create(checkout, **SMALL)
    checkout.python(AS_A_WORKER, "half")
    statuses[:] = [500]
    with checkout.running():
        facts["planned_later"] = create(checkout, **SMALL, hours_per_week=7)
        deliveries = f"/api/v1/webhooks/{facts['webhook']}"
        *_, oldest = call("GET", deliveries + "/deliveries").json()["items"]
        call("POST", f"{deliveries}/deliveries/{oldest['id']}/retry")
        call("POST", deliveries + "/test")
        items = call("GET", deliveries + "/deliveries").json()["items"]
        facts["deliveries"] = [each["id"] for each in items if each["status"] == "pending"]
        if checkout.is_server:
            call("POST", "/api/v1/auth/me/export", json={}, headers=_bearer(facts["bob"]))
        facts["revoked"] = create(checkout, **SMALL, hours_per_week=9)
        waiting = json.loads(checkout.roadmap("jobs", "list", "--state", "ready", "--json"))
        [message] = [each["id"] for each in waiting["items"] if _id(facts["revoked"]) in str(each)]
        checkout.roadmap("jobs", "revoke", message)
        tree = call("GET", facts["half_built"]).json()
        # the last one: its own message waits, too, and whichever comes first writes it
        content = [c for c in concepts(tree) if c["contents"]["quiz"]["status"] != "ready"][-1]
        facts["scheduled"] = content["id"]
        content_id = _content_id(checkout, content["id"])
    checkout.python(AS_A_WORKER, "rest", content_id)
    return facts


def log_in(checkout: Checkout) -> dict[str, Any]:
    """An administrator with two logins, a key and an invitation, and a second account."""
    people = [{"email": f"{name}@example.org", "password": PASSWORD} for name in ("ada", "bob")]
    ada, bob = [checkout.call("POST", "/api/v1/auth/register", json=each) for each in people]
    checkout.roadmap("users", "admin", "ada@example.org")
    login = checkout.call("POST", "/api/v1/auth/login", json=people[0]).json()
    page = checkout.call("POST", "/api/v1/auth/login", json={**people[0], "cookie": True})
    checkout.headers = _bearer(login["access_token"])
    key = {"name": "recorded", "scopes": ["read", "write"], "expires_in_days": 90}
    guest = {"email": "guest@example.org"}
    return {
        "secret_key": checkout.environment["SECRET_KEY"],
        "password": PASSWORD,
        "account": ada.json()["user"]["id"],
        "access_token": login["access_token"],
        "cookie": page.cookies["__Host-roadmap"],
        "csrf_token": page.json()["csrf_token"],
        "bob": bob.json()["access_token"],
        "api_key": checkout.call("POST", "/api/v1/api-keys", json=key).json()["key"],
        "invitation": checkout.call("POST", "/api/v1/invitations", json=guest).json()["invitation"],
    }


def learn(checkout: Checkout) -> dict[str, Any]:
    """A roadmap that is finished, learned from and shared."""
    call = checkout.call
    headers = {"Idempotency-Key": "recorded-1"}
    answer = call("POST", "/api/v1/roadmaps", json=SMALL, headers=headers)
    path = answer.headers["location"]
    wait_until(lambda: call("GET", path).json()["status"] == "ready")
    first, second, *_ = concepts(call("GET", path).json())
    at = f"{path}/concepts/{first['id']}"
    call("PUT", at + "/progress", json={"progress": "done"})
    call("PUT", f"{path}/concepts/{second['id']}/notes", json={"notes": "Recorded."})
    questions = call("GET", at).json()["quiz"]["questions"]
    attempt = {
        "version": 1,
        "answers": [[0] if each["type"] == "single" else [] for each in questions],
    }
    call("POST", at + "/quiz/attempts", json=attempt)
    links = {
        purpose: call("POST", path + "/links", json={"purpose": purpose}).json()["url"]
        for purpose in ("reading", "calendar")
    }
    tree = call("GET", path)
    return {
        "roadmap": path,
        "concept": first["id"],
        "noted": second["id"],
        "attempt": attempt,
        "first_answer": {"request": SMALL, "headers": headers, "body": answer.json()},
        "links": {purpose: url.removeprefix(checkout.url) for purpose, url in links.items()},
        "etag": tree.headers["etag"],
        "tree": tree.json(),
    }


def create(checkout: Checkout, **request: Any) -> str:
    return str(checkout.call("POST", "/api/v1/roadmaps", json=request).headers["location"])


def concepts(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        concept
        for stage in tree["stages"]
        for module in stage["modules"]
        for concept in module["concepts"]
    ]


def dump_sqlite(file: Path, out: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as opened:
        out.write_text("\n".join(opened.iterdump()) + "\n")


def dump_postgres(url: str, out: Path) -> None:
    """As SQL without commands of psql, which any driver can execute."""
    options = ["--inserts", "--rows-per-insert=100", "--no-owner", "--no-privileges"]
    dump = subprocess.run(["pg_dump", *options, url], check=True, capture_output=True, text=True)
    lines = dump.stdout.splitlines(keepends=True)
    out.write_text("".join(line for line in lines if "restrict " not in line[:12]))


def dump_redis(url: str, out: Path) -> None:
    """Each key with its kind and value, with bytes as base64, and for how long it lives yet."""
    client = redis.Redis.from_url(url)
    read: dict[bytes, Callable[[bytes], Any]] = {
        b"string": client.get,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": lambda key: sorted(client.smembers(key)),
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
    }
    found = []
    for key in sorted(client.keys()):
        kind = client.type(key)
        value = read[kind](key)
        pairs = list(value.items()) if isinstance(value, dict) else value
        found.append([kind.decode(), _plain(key), client.pttl(key), _plain(pairs)])
    out.write_text("[\n" + ",\n".join(json.dumps(each) for each in found) + "\n]\n")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _content_id(checkout: Checkout, concept: str) -> str:
    query = "SELECT id FROM content WHERE concept_id = '{}' AND kind = 'quiz'"
    if checkout.is_server:
        with contextlib.closing(psycopg2.connect(checkout.environment["DATABASE_URL"])) as opened:
            cursor = opened.cursor()
            cursor.execute(query.format(concept))
            return str(cursor.fetchall()[0][0])
    with contextlib.closing(sqlite3.connect(checkout.data / "roadmap.db")) as file:
        return str(file.execute(query.format(concept.replace("-", ""))).fetchone()[0])


def _hook() -> str:
    return f"http://127.0.0.1:{HOOK_PORT}/hook"


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _id(path: str) -> str:
    return path.rpartition("/")[2]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def receiver(statuses: list[int]) -> HTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(statuses[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

    return HTTPServer(("127.0.0.1", HOOK_PORT), Handler)


def main(out: Path, database_url: str = "", redis_url: str = "") -> None:
    out.mkdir(parents=True, exist_ok=True)
    statuses = [204]
    server = receiver(statuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as scratch:
        checkout = Checkout(Path(scratch, "data"), database_url, redis_url)
        facts = record(checkout, out, statuses)
        facts["made_at"] = datetime.now(UTC).isoformat()
        if checkout.is_server:
            dump_postgres(database_url, out / "database.sql")
            dump_redis(redis_url, out / "redis.json")
        else:
            facts["secret_key"] = (checkout.data / "secret_key").read_text()
            dump_sqlite(checkout.data / "roadmap.db", out / "database.sql")
            dump_sqlite(checkout.data / "queue.db", out / "queue.sql")
    server.shutdown()
    (out / "facts.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    for file in (*out.glob("*.sql"), out / "roadmap.json"):
        if file.stat().st_size > 50_000:
            Path(f"{file}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
            file.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
