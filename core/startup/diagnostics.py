"""Diagnostics of what the service depends on, for `roadmap doctor`.

Each check has a result and, if something is wrong, a cause and a fix, each in one sentence. Checks
change nothing, limit every wait and show no secret.
"""

import math
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import peewee
import redis

from core import clock
from core.backends import open_database, open_migration_database, signing_keys
from core.connection_errors import (
    DATABASE_FAULTS,
    broker_trouble,
    database_trouble,
    direct_database_trouble,
)
from core.migrate import known, pending, unknown
from core.postgres import identity, limit_waiting
from core.settings import SHORTEST_KEY, Settings

SLOW = 50.0  # milliseconds of a round trip; beyond it everything takes long
APART = 2.0  # seconds between two clocks; beyond it leases and logins end at the wrong time
NEARLY_FULL = 0.8  # of connections, of memory
FEWEST_FREE, LEAST_FREE = 512 * 1024 * 1024, 64 * 1024 * 1024  # bytes of a disk: warn, fail
LEAST_BITS = 64  # entropy of a key
MARGIN = 5.0  # seconds that a platform should wait beyond the grace of a service
RAILWAY_DRAINING = "RAILWAY_DEPLOYMENT_DRAINING_SECONDS"
EXAMPLES = (
    *(
        "changeme",
        "change-me",
        "change_me",
        "example",
        "your-secret",
        "your_secret",
        "secret_key",
        "secretkey",
    ),
    *("password", "0123456789", "abcdefgh"),
)


class State(StrEnum):
    ok = "ok"
    warning = "warning"
    failed = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """Result of a check. `cause` and `fix` are empty when all is well."""

    name: str
    state: State
    told: str
    cause: str = ""
    fix: str = ""


def well(name: str, told: str) -> Check:
    return Check(name, State.ok, told)


def warning(name: str, told: str, cause: str, fix: str) -> Check:
    return Check(name, State.warning, told, cause, fix)


def failed(name: str, told: str, cause: str, fix: str) -> Check:
    return Check(name, State.failed, told, cause, fix)


def of_database(settings: Settings) -> list[Check]:
    """Check the database, its migrations and its clock, over one connection."""
    database = open_database(settings)
    try:
        with closing(database):
            began = time.monotonic()
            database.connect()
            connected = (time.monotonic() - began) * 1000
            checks = [_database(database, connected), _migrations(database)]
            if isinstance(database, peewee.PostgresqlDatabase):
                before = clock.now()
                [theirs] = database.execute_sql("SELECT clock_timestamp()").fetchone()
                checks.append(_clock("database", before, theirs))
            return [*checks, *_direct_database(settings, identity(database))]
    except DATABASE_FAULTS as error:
        trouble = database_trouble(error, settings)
        return [failed("database", trouble.what, trouble.cause, trouble.fix)]


def _database(database: peewee.Database, connected: float) -> Check:
    trip = min(_milliseconds(lambda: database.execute_sql("SELECT 1").fetchone()) for _ in range(3))
    if not isinstance(database, peewee.PostgresqlDatabase):
        [version] = database.execute_sql("SELECT sqlite_version()").fetchone()
        return well("database", f"SQLite {version}, a query takes {trip:.1f} ms")
    [version] = database.execute_sql("SHOW server_version").fetchone()
    [encoding] = database.execute_sql("SHOW server_encoding").fetchone()
    clients = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    used, most = database.execute_sql(
        f"SELECT ({clients}), current_setting('max_connections')::int"
    ).fetchone()
    finding = (
        f"PostgreSQL {version.split()[0]}, connected in {connected:.0f} ms, "
        f"a query takes {trip:.1f} ms, {used} of {most} connections in use"
    )
    if encoding != "UTF8":
        return failed(
            "database", finding, f"it is encoded in {encoding}", "create it with ENCODING 'UTF8'"
        )
    if used >= most * NEARLY_FULL:
        return warning(
            "database",
            finding,
            "few connections are left",
            "raise max_connections, or start fewer processes and threads",
        )
    if trip > SLOW:
        return warning(
            "database",
            finding,
            "it is far away or overloaded",
            "put it into the region of the services",
        )
    limits = (
        "SELECT current_setting('idle_in_transaction_session_timeout'), "
        "current_setting('lock_timeout')"
    )
    if "0" in database.execute_sql(limits).fetchone():
        return warning(
            "database",
            finding,
            "a process that is cut off in the middle of a transaction "
            "would hold its locks for ever",
            "let the pooler set the limits that deploy/pgbouncer.ini sets",
        )
    return well("database", finding)


def _direct_database(settings: Settings, usual: tuple[Any, ...]) -> list[Check]:
    """Check that DIRECT_DATABASE_URL leads to the same database without a pooler."""
    if settings.direct_database_url is None:
        return []
    name, variable = "direct database", "DIRECT_DATABASE_URL"
    direct = open_migration_database(settings)
    limit_waiting()  # as for the other checks
    try:
        with closing(direct):
            direct.connect()
            theirs = identity(direct)
            [process] = direct.execute_sql("SELECT pg_backend_pid()").fetchone()
            is_pooled = process != direct.connection().get_backend_pid()  # a pooler makes one up
    except DATABASE_FAULTS as error:
        trouble = direct_database_trouble(error, settings)
        return [failed(name, trouble.what, trouble.cause, trouble.fix)]
    if theirs != usual:
        return [
            failed(
                name,
                f"{variable} leads elsewhere than DATABASE_URL",
                "migrations and backups would go to another database than the services",
                "name the same database in both",
            )
        ]
    if is_pooled:
        return [
            warning(
                name,
                f"{variable} leads through a pooler",
                "a migration that takes long may be ended by its limits",
                f"name the server itself in {variable}",
            )
        ]
    return [well(name, "the same database, without a pooler")]


def _migrations(database: peewee.Database) -> Check:
    missing, newer = pending(database), unknown(database)
    if newer:
        finding = f"{len(newer)} of a newer version: {', '.join(newer[:3])}"
        return warning(
            "migrations",
            finding,
            "a newer version was here",
            "run that version, or restore a backup of before",
        )
    if missing:
        finding = (
            f"{len(missing)} pending: {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}"
        )
        if missing == known():
            return failed(
                "migrations",
                finding,
                "none has been applied yet",
                "start the service, or run `roadmap migrate`",
            )
        return failed(
            "migrations", finding, "the schema is older than this version", "run `roadmap migrate`"
        )
    return well("migrations", "nothing is pending")


def of_broker(settings: Settings) -> list[Check]:
    """Check the broker and its clock. Embedded mode has none: its queues are a file."""
    if settings.redis_url is None:
        return [well("broker", "none is needed: the queues are a file in DATA_DIR")]
    try:
        client = redis.Redis.from_url(
            settings.redis_url.get_secret_value(), socket_timeout=3, socket_connect_timeout=3
        )
        with closing(client):
            trip = min(_milliseconds(client.ping) for _ in range(3))
            info = _info(client)
            checks = [_broker(info, trip, is_saved=_is_saved(client, info))]
            before = clock.now()
            seconds, microseconds = client.time()
            return [
                *checks,
                _clock("broker", before, datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)),
            ]
    except (redis.RedisError, OSError, ValueError, TypeError) as error:
        trouble = broker_trouble(error)
        return [failed("broker", trouble.what, trouble.cause, trouble.fix)]


def _info(client: redis.Redis) -> Mapping[str, Any]:
    """Return the server's INFO; empty where a managed server forbids it."""
    try:
        answer = client.info()
    except redis.ResponseError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _broker(info: Mapping[str, Any], trip: float, *, is_saved: bool) -> Check:
    name = "Valkey" if info.get("server_name") == "valkey" else "Redis"
    version = info.get("valkey_version") or info.get("redis_version") or "of an unknown version"
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    memory = f"{_size(used)}{f' of {_size(most)}' if most else ''} in use"
    keeps = [*(["AOF"] if info.get("aof_enabled") else []), *(["RDB"] if is_saved else [])]
    finding = (
        f"{name} {version}, answers in {trip:.1f} ms, {memory}, "
        f"keeps by {' and '.join(keeps) or 'nothing'}"
    )
    policy = info.get("maxmemory_policy")
    if not info:
        finding = f"answers in {trip:.1f} ms"
        return warning(
            "broker",
            finding,
            "it forbids INFO, so its settings are not known",
            "make sure that maxmemory-policy is noeviction",
        )
    if policy != "noeviction":
        finding += f", maxmemory-policy {policy}"
        state = failed if str(policy).startswith("allkeys-") else warning
        return state(
            "broker",
            finding,
            "it drops queues when memory is short",
            "set its maxmemory-policy to noeviction",
        )
    if most and used > most * NEARLY_FULL:
        return warning(
            "broker",
            finding,
            "its memory is nearly full",
            "raise its maxmemory, or let the workers catch up",
        )
    if not info.get("aof_enabled"):
        return warning(
            "broker",
            finding,
            "what it acknowledged last is lost when it ends: "
            "rescue makes up for it, but for log records",
            "set appendonly to yes",
        )
    if trip > SLOW:
        return warning(
            "broker",
            finding,
            "it is far away or overloaded",
            "put it into the region of the services",
        )
    return well("broker", finding)


def _is_saved(client: redis.Redis, info: Mapping[str, Any]) -> bool:
    """Return whether the server makes snapshots, or else has made one."""
    try:
        return bool(client.config_get("save").get("save"))
    except redis.ResponseError:  # a managed server may forbid it
        return int(info.get("rdb_saves", 0)) > 0


def _clock(of: str, before: datetime, theirs: datetime) -> Check:
    """Compare a clock, read between `before` and now, with this machine's clock."""
    after = clock.now()
    early, late = (before - theirs).total_seconds(), (theirs - after).total_seconds()
    apart = max(early, late, 0.0)
    finding = f"less than {max(0.1, math.ceil(apart * 10) / 10):g} s from this machine's"
    if apart > APART:
        return failed(
            f"clock of the {of}",
            f"{apart:.1f} s from this machine's",
            "leases, logins and signatures would end too early or too late",
            "let NTP set the clocks of both machines",
        )
    return well(f"clock of the {of}", finding)


def of_secret(settings: Settings) -> Check:
    keys = settings.secret_keys
    if not keys and signing_keys(settings):
        return well("secret", "made by the service, in DATA_DIR/secret_key")
    for number, key in enumerate(keys, 1):
        which = "SECRET_KEY" if len(keys) == 1 else f"key {number} of SECRET_KEY"
        if any(each in key.casefold() for each in EXAMPLES):
            return failed(
                "secret",
                f"{which} looks like an example",
                "who knows the example can sign tokens",
                "set it to the output of `openssl rand -hex 32`",
            )
        if bits(key) < LEAST_BITS:
            return failed(
                "secret",
                f"{which} is easy to guess",
                "it repeats a few characters",
                "set it to the output of `openssl rand -hex 32`",
            )
    return well(
        "secret",
        f"{len(keys)} {'key' if len(keys) == 1 else 'keys'} of at least {SHORTEST_KEY} characters",
    )


def bits(key: str) -> float:
    """Return the Shannon entropy of a key in bits, which limits the guessing work."""
    counts = [key.count(each) for each in set(key)]
    return -sum(count * math.log2(count / len(key)) for count in counts)


def of_drain_time(settings: Settings, environment: Mapping[str, str]) -> Check:
    """Check that the platform waits long enough between SIGTERM and SIGKILL."""
    grace = settings.shutdown_grace_seconds
    draining = environment.get(RAILWAY_DRAINING, "").strip()
    on_railway = any(name.startswith("RAILWAY_") for name in environment)
    finding = f"running tasks get {grace:g} s"
    if not on_railway:
        return well(
            "drain time",
            f"{finding}; the platform must wait at least {grace + MARGIN:g} s after SIGTERM "
            "(docs/DEPLOYMENT.md)",
        )
    if not draining.isdecimal():
        return warning(
            "drain time",
            f"{finding}, {RAILWAY_DRAINING} is not set",
            "Railway kills at once",
            f"set it to {grace + MARGIN:.0f}",
        )
    if int(draining) < grace + MARGIN:
        return warning(
            "drain time",
            f"{finding}, {RAILWAY_DRAINING} is {draining}",
            "tasks are killed before they have ended, and begun anew",
            f"set it to {grace + MARGIN:.0f}",
        )
    return well("drain time", f"{finding}, {RAILWAY_DRAINING} is {draining}")


def of_disk(settings: Settings) -> list[Check]:
    """Check the free space in embedded mode, whose database is on this machine."""
    if not settings.embedded:
        return []
    free = shutil.disk_usage(settings.data_dir).free
    finding = f"{_size(free)} are free where DATA_DIR is"
    if free < FEWEST_FREE:
        state = failed if free < LEAST_FREE else warning
        return [
            state(
                "disk",
                finding,
                "nothing can be stored on a full disk",
                "make room there, or set DATA_DIR to another place",
            )
        ]
    return [well("disk", finding)]


def _milliseconds(ask: Callable[[], Any]) -> float:
    began = time.monotonic()
    ask()
    return (time.monotonic() - began) * 1000


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GB" if count >= 1024**3 else f"{count / 1024**2:.1f} MB"
