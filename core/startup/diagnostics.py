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
from core.backends import DATABASE_FILE, open_database, open_migration_database
from core.connection_errors import (
    DATABASE_FAULTS,
    broker_trouble,
    database_trouble,
    direct_database_trouble,
)
from core.migrate import known, pending, unknown
from core.paths import START
from core.postgres import identity, limit_waiting
from core.settings import SHORTEST_KEY, Settings

SLOW = 50.0  # milliseconds of a round trip; beyond it everything takes long
APART = 2.0  # seconds between two clocks; beyond it leases and logins end at the wrong time
NEARLY_FULL = 0.8  # of connections, of memory
FEWEST_FREE, LEAST_FREE = 512 * 1024 * 1024, 64 * 1024 * 1024  # bytes of a disk: warn, fail
LEAST_BITS = 64  # entropy of a key
FAR_AWAY = "it is in another region or overloaded"
MOVE_NEARER = "run it in the region of the services"
MARGIN = 5.0  # seconds that a platform should wait beyond the grace of a service
RAILWAY_DRAINING = "RAILWAY_DEPLOYMENT_DRAINING_SECONDS"
EXAMPLES = (
    "changeme", "change-me", "change_me", "example", "your-secret", "your_secret", "secret_key",
    "secretkey", "password", "0123456789", "abcdefgh",
)  # fmt: skip


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


def _judged(name: str, finding: str, *problems: tuple[object, State, str, str]) -> Check:
    """Return the first problem that is present, or that all is well.

    Of a problem there is whether it is present, its state, its cause and its fix.
    """
    for is_present, state, cause, fix in problems:
        if is_present:
            return Check(name, state, finding, cause, fix)
    return Check(name, State.ok, finding)


def of_database(settings: Settings) -> list[Check]:
    """Check the database, its migrations and its clock, over one connection."""
    if settings.embedded and not (settings.data_dir / DATABASE_FILE).exists():
        return [Check("service", State.ok, f"not started yet: run `{START}`")]
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
        return [Check("database", State.failed, trouble.what, trouble.cause, trouble.fix)]


def _database(database: peewee.Database, connected: float) -> Check:
    trip = min(_milliseconds(lambda: database.execute_sql("SELECT 1").fetchone()) for _ in range(3))
    if not isinstance(database, peewee.PostgresqlDatabase):
        [version] = database.execute_sql("SELECT sqlite_version()").fetchone()
        return Check("database", State.ok, f"SQLite {version}, a query takes {trip:.1f} ms")
    [version] = database.execute_sql("SHOW server_version").fetchone()
    [encoding] = database.execute_sql("SHOW server_encoding").fetchone()
    clients = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    used, most, *limits = database.execute_sql(
        f"SELECT ({clients}), current_setting('max_connections')::int, "
        "current_setting('idle_in_transaction_session_timeout'), current_setting('lock_timeout')"
    ).fetchone()
    return _judged(
        "database",
        f"PostgreSQL {version.split()[0]}, connected in {connected:.0f} ms, "
        f"a query takes {trip:.1f} ms, {used} of {most} connections in use",
        (
            encoding != "UTF8",
            State.failed,
            f"it is encoded in {encoding}",
            "create it with ENCODING 'UTF8'",
        ),
        (
            used >= most * NEARLY_FULL,
            State.warning,
            "few connections are available",
            "raise max_connections, or start fewer processes and threads",
        ),
        (trip > SLOW, State.warning, FAR_AWAY, MOVE_NEARER),
        (
            "0" in limits,
            State.warning,
            "a process that loses its connection in a transaction would keep its locks forever",
            "set the limits of deploy/pgbouncer.ini in the pooler",
        ),
    )


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
        return [Check(name, State.failed, trouble.what, trouble.cause, trouble.fix)]
    if theirs != usual:
        return [
            Check(
                name,
                State.failed,
                f"{variable} and DATABASE_URL are different databases",
                "migrations and backups would use another database than the services",
                "use the same database in both",
            )
        ]
    if is_pooled:
        return [
            Check(
                name,
                State.warning,
                f"{variable} goes through a pooler",
                "the limits of the pooler can end a long migration",
                f"use the address of the server in {variable}",
            )
        ]
    return [Check(name, State.ok, "the same database, without a pooler")]


def _migrations(database: peewee.Database) -> Check:
    missing, newer = pending(database), unknown(database)
    finding = "nothing is pending"
    if newer:
        finding = f"{len(newer)} of a newer version: {', '.join(newer[:3])}"
    elif missing:
        more = ", ..." if len(missing) > 3 else ""
        finding = f"{len(missing)} pending: {', '.join(missing[:3])}{more}"
    return _judged(
        "migrations",
        finding,
        (
            newer,
            State.warning,
            "a newer version has changed the schema",
            "run that version, or restore an earlier backup",
        ),
        (
            missing == known(),
            State.failed,
            "none has been applied yet",
            "start the service, or run `roadmap migrate`",
        ),
        (
            missing,
            State.failed,
            "the schema is older than this version",
            "run `roadmap migrate`",
        ),
    )


def of_broker(settings: Settings) -> list[Check]:
    """Check the broker and its clock. Embedded mode has none: its queues are a file."""
    if settings.redis_url is None:
        return [Check("broker", State.ok, "not needed: the queues are a file in DATA_DIR")]
    try:
        client = redis.Redis.from_url(
            settings.redis_url.get_secret_value(), socket_timeout=3, socket_connect_timeout=3
        )
        with closing(client):
            trip = min(_milliseconds(client.ping) for _ in range(3))
            try:
                answer = client.info()
            except redis.ResponseError:  # a managed server may forbid it
                answer = {}
            info = answer if isinstance(answer, dict) else {}
            try:
                is_saved = bool(client.config_get("save").get("save"))
            except redis.ResponseError:  # forbidden as well: has it made a snapshot?
                is_saved = int(info.get("rdb_saves", 0)) > 0
            before = clock.now()
            seconds, microseconds = client.time()
            theirs = datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)
            return [_broker(info, trip, is_saved=is_saved), _clock("broker", before, theirs)]
    except (redis.RedisError, OSError, ValueError, TypeError) as error:
        trouble = broker_trouble(error)
        return [Check("broker", State.failed, trouble.what, trouble.cause, trouble.fix)]


def _broker(info: Mapping[str, Any], trip: float, *, is_saved: bool) -> Check:
    name = "Valkey" if info.get("server_name") == "valkey" else "Redis"
    version = info.get("valkey_version") or info.get("redis_version") or "of an unknown version"
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    memory = f"{_size(used)}{f' of {_size(most)}' if most else ''} in use"
    keeps = [*(["AOF"] if info.get("aof_enabled") else []), *(["RDB"] if is_saved else [])]
    policy = info.get("maxmemory_policy")
    finding = (
        f"{name} {version}, answers in {trip:.1f} ms, {memory}, "
        f"keeps by {' and '.join(keeps) or 'nothing'}"
    )
    if not info:
        finding = f"answers in {trip:.1f} ms"
    elif policy != "noeviction":
        finding += f", maxmemory-policy {policy}"
    return _judged(
        "broker",
        finding,
        (
            not info,
            State.warning,
            "it refuses INFO, so its settings are unknown",
            "make sure that maxmemory-policy is noeviction",
        ),
        (
            policy != "noeviction",
            State.failed if str(policy).startswith("allkeys-") else State.warning,
            "it deletes queues when memory is short",
            "set its maxmemory-policy to noeviction",
        ),
        (
            most and used > most * NEARLY_FULL,
            State.warning,
            "its memory is nearly full",
            "raise its maxmemory, or let the workers catch up",
        ),
        (
            not info.get("aof_enabled"),
            State.warning,
            "its last writes are lost when it stops: rescue recovers all except log records",
            "set appendonly to yes",
        ),
        (trip > SLOW, State.warning, FAR_AWAY, MOVE_NEARER),
    )


def _clock(of: str, before: datetime, theirs: datetime) -> Check:
    """Compare a clock, read between `before` and now, with this machine's clock."""
    apart = max((before - theirs).total_seconds(), (theirs - clock.now()).total_seconds(), 0.0)
    if apart <= APART:
        shown = max(0.1, math.ceil(apart * 10) / 10)
        return Check(f"clock of the {of}", State.ok, f"less than {shown:g} s from this machine's")
    return Check(
        f"clock of the {of}",
        State.failed,
        f"{apart:.1f} s from this machine's",
        "leases, logins and signatures would expire too early or too late",
        "synchronise both clocks with NTP",
    )


def of_secret(settings: Settings) -> Check:
    keys = settings.secret_keys
    if not keys:
        return Check(
            "secret", State.ok, "created by the service at its start, in DATA_DIR/secret_key"
        )
    fix = "set it to the output of `openssl rand -hex 32`"
    for number, key in enumerate(keys, 1):
        which = "SECRET_KEY" if len(keys) == 1 else f"key {number} of SECRET_KEY"
        if any(each in key.casefold() for each in EXAMPLES):
            return Check(
                "secret",
                State.failed,
                f"{which} looks like an example",
                "anyone who knows the example can sign tokens",
                fix,
            )
        if bits(key) < LEAST_BITS:
            return Check(
                "secret",
                State.failed,
                f"{which} is easy to guess",
                "it repeats a few characters",
                fix,
            )
    count = "1 key" if len(keys) == 1 else f"{len(keys)} keys"
    return Check("secret", State.ok, f"{count} of at least {SHORTEST_KEY} characters")


def bits(key: str) -> float:
    """Return the Shannon entropy of a key in bits, which limits the guessing work."""
    counts = [key.count(each) for each in set(key)]
    return -sum(count * math.log2(count / len(key)) for count in counts)


def of_drain_time(settings: Settings, environment: Mapping[str, str]) -> Check:
    """Check that the platform waits long enough between SIGTERM and SIGKILL."""
    grace = settings.shutdown_grace_seconds
    least = grace + MARGIN
    draining = environment.get(RAILWAY_DRAINING, "").strip()
    finding = f"running tasks get {grace:g} s"
    if not any(name.startswith("RAILWAY_") for name in environment):
        return Check(
            "drain time",
            State.ok,
            f"{finding}; the platform must wait at least {least:g} s after SIGTERM "
            "(docs/DEPLOYMENT.md)",
        )
    is_set = draining.isdecimal()
    return _judged(
        "drain time",
        f"{finding}, {RAILWAY_DRAINING} is {draining if is_set else 'not set'}",
        (not is_set, State.warning, "Railway kills at once", f"set it to {least:.0f}"),
        (
            is_set and int(draining) < least,
            State.warning,
            "tasks are killed before they end, and run again",
            f"set it to {least:.0f}",
        ),
    )


def of_disk(settings: Settings) -> list[Check]:
    """Check the free space in embedded mode, whose database is on this machine."""
    if not settings.embedded:
        return []
    free = shutil.disk_usage(settings.data_dir).free
    return [
        _judged(
            "disk",
            f"{_size(free)} are free where DATA_DIR is",
            (
                free < FEWEST_FREE,
                State.failed if free < LEAST_FREE else State.warning,
                "nothing can be stored on a full disk",
                "free space there, or set DATA_DIR to another disk",
            ),
        )
    ]


def _milliseconds(ask: Callable[[], Any]) -> float:
    began = time.monotonic()
    ask()
    return (time.monotonic() - began) * 1000


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GB" if count >= 1024**3 else f"{count / 1024**2:.1f} MB"
