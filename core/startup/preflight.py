"""Preflight checks: settings, folder, port, database, migrations, broker.

`main` returns 0 when the service can start, and 1 after one clear sentence when it cannot.
"""

import errno
import fcntl
import logging
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import peewee
import redis

from core.backends import open_database, signing_keys
from core.connection_errors import (
    AWAY,
    Trouble,
    broker_trouble,
    database_trouble,
    direct_database_trouble,
    first_line,
    is_misspelt,
    option_trouble,
)
from core.logging_setup import say
from core.migrate import MigrationFailed, apply_pending, connected, pending, unknown
from core.postgres import identity
from core.settings import API, Settings, SettingsError, from_environment, misspelt
from core.version import COMMIT, NUMBER

LONGEST_PAUSE = 3.0  # seconds between two tries


class NotReady(Exception):
    """A dependency is not ready yet. The message is for the operator."""


class StartRefused(Exception):
    """The service cannot start, and waiting would not help."""


def main() -> int:
    for name, meant in misspelt(os.environ).items():  # first: may explain a missing setting
        say(
            f"warning: {name} is not a setting and has no effect; did you mean {meant}?",
            logging.WARNING,
        )
    try:
        settings = from_environment(os.environ)
        if not settings.embedded:  # in embedded mode core/startup/banner.py prints both
            say(f"version: {NUMBER}, commit {COMMIT}")
            if settings.has_api:
                address = f"{settings.host or '*'}:{settings.port}"
                say(f"address: {address}, mode: server (PostgreSQL and Redis)")
        prepare(settings)
    except (SettingsError, StartRefused, NotReady) as error:
        for line in str(error).splitlines():
            say(f"error: {line}", logging.ERROR)
        return 1
    return 0


def prepare(settings: Settings) -> None:
    """Check and migrate. Raises StartRefused, or NotReady after STARTUP_WAIT_SECONDS."""
    _check_folder(settings)
    _check_broker_address(settings)
    deadline = time.monotonic() + settings.startup_wait_seconds
    if settings.has_api:
        _check_port(settings)
    if settings.database_url is not None:
        _wait(lambda: _check_application_database(settings), deadline)
    prepare_schema = _migrate_schema if settings.has_api else _check_schema
    _wait(lambda: prepare_schema(settings), deadline)
    if settings.redis_url is not None and settings.service_type != API:
        _wait(lambda: _check_broker(settings), deadline)


def _wait(check: Callable[[], None], deadline: float) -> None:
    """Repeat a check until it passes, and report each new problem. Raises NotReady."""
    pause, reported = 0.1, ""
    while True:
        try:
            return check()
        except NotReady as problem:
            if time.monotonic() + pause > deadline:
                raise
            if str(problem) != reported:
                reported = str(problem)
                say(f"waiting: {reported}", logging.WARNING)
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _check_folder(settings: Settings) -> None:
    """Check the folder of embedded mode and its key.

    Warn if another instance uses it. Each instance keeps a shared lock until this process and its
    children have ended. Server mode has no folder.
    """
    try:
        signing_keys(settings)
        if not settings.embedded:
            return
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(settings.data_dir, os.O_RDONLY)
    except OSError as error:
        raise StartRefused(
            f"DATA_DIR: {settings.data_dir} cannot be used ({error.strerror}); set it to a "
            "writable folder"
        ) from None
    with suppress(OSError):  # no locks on this file system
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(
                f"warning: another instance uses DATA_DIR {settings.data_dir}, with its "
                "roadmaps and queues; stop one of them, or set another DATA_DIR",
                logging.WARNING,
            )
        fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _check_broker_address(settings: Settings) -> None:
    """Check REDIS_URL without connecting: the API starts without a broker."""
    if settings.redis_url is None:
        return
    try:
        pool = redis.ConnectionPool.from_url(settings.redis_url.get_secret_value())
        connection = pool.connection_class(**pool.connection_kwargs)  # does not connect yet
    except (TypeError, ValueError, redis.RedisError) as error:
        raise StartRefused(str(option_trouble(error))) from None
    if authorities := getattr(connection, "ca_certs", None):
        _check_certificate(
            "ssl_ca_certs", authorities, lambda context: context.load_verify_locations(authorities)
        )
    own, key = getattr(connection, "certfile", None), getattr(connection, "keyfile", None)
    if key and not own:
        raise StartRefused(
            "REDIS_URL: ssl_keyfile needs the certificate of the key in ssl_certfile"
        )
    if own:
        password = getattr(connection, "certificate_password", None)
        # Without a password OpenSSL would ask the terminal for one.
        _check_certificate(
            "ssl_certfile",
            own,
            lambda context: context.load_cert_chain(own, key, lambda: password or ""),
        )


def _check_certificate(option: str, file: str, load: Callable[[ssl.SSLContext], object]) -> None:
    try:
        load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise StartRefused(
            f"REDIS_URL: no certificate can be read from {repr(file)[1:-1]} ({reason}); "
            f"set a PEM file in {option}"
        ) from None


def _check_port(settings: Settings) -> None:
    usual = ["127.0.0.1"] if settings.embedded else ["0.0.0.0", "::"]
    for address in [settings.host] if settings.host else usual:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family is socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, settings.port))
        except OSError as error:
            if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) and not settings.host:
                continue  # a machine without this family
            raise StartRefused(
                f"PORT {settings.port} cannot be used ({error.strerror}); stop the process "
                f"that uses it, or set another by --port or PORT: {min(settings.port + 1, 65535)}"
            ) from None


@contextmanager
def _explained_faults(settings: Settings) -> Iterator[None]:
    """Translate errors of the database to which migrations go.

    All but a misspelt option are waited for: a standby may be promoted, a full disk emptied.
    """
    try:
        yield
    except AWAY as error:
        kind = StartRefused if is_misspelt(error) else NotReady
        raise kind(str(direct_database_trouble(error, settings))) from None
    except peewee.ProgrammingError as error:
        raise _unreadable(error) from None


def _migrate_schema(settings: Settings) -> None:
    try:
        with _explained_faults(settings), connected(settings) as database:
            applied = apply_pending(database)
            _warn_of_newer_schema(database)
    except MigrationFailed as error:
        raise StartRefused(str(error)) from None
    if not settings.embedded:
        last = f", the last is {applied[-1]}" if applied else ""
        say(f"migrations: {len(applied)} applied{last}")


def _check_schema(settings: Settings) -> None:
    with _explained_faults(settings), connected(settings) as database:
        if isinstance(database, peewee.PostgresqlDatabase):  # SQLite has UTF-8 alone
            [encoding] = database.execute_sql("SHOW server_encoding").fetchone()
            if encoding != "UTF8":
                raise StartRefused(
                    f"DATABASE_URL: the database is encoded in {encoding}; "
                    "create it with ENCODING 'UTF8'"
                )
        missing = pending(database)
        _warn_of_newer_schema(database)
    if missing:
        raise NotReady(
            f"the schema is older than {missing[-1]}: start the api service of this "
            "version, which migrates it"
        )


def _warn_of_newer_schema(database: peewee.Database) -> None:
    """Warn: it is so for a while during an upgrade, and lastingly after a mere downgrade."""
    if newer := unknown(database):
        say(
            f"warning: the database has the schema of a newer version ({newer[-1]}); run that "
            f"version, or restore a backup from before the upgrade for this one ({NUMBER})",
            logging.WARNING,
        )


def _check_application_database(settings: Settings) -> None:
    """Connect as the service does: a pooler may refuse its options.

    Also check, before migrations change anything, that they go to the same database.
    """
    database = open_database(settings)
    try:
        database.connect()
        application_database = identity(database)
    except AWAY as error:
        raise _away(database_trouble(error, settings)) from None
    except peewee.ProgrammingError as error:
        raise _unreadable(error) from None
    finally:
        database.close_all()
    if settings.direct_database_url is not None:
        with _explained_faults(settings), connected(settings) as direct:
            if identity(direct) != application_database:
                raise StartRefused(
                    "DIRECT_DATABASE_URL and DATABASE_URL are different databases or "
                    "schemas; use the same in both"
                )


def _away(trouble: Trouble) -> NotReady | StartRefused:
    return NotReady(str(trouble)) if trouble.is_away else StartRefused(str(trouble))


def _check_broker(settings: Settings) -> None:
    assert settings.redis_url is not None
    client = redis.Redis.from_url(
        settings.redis_url.get_secret_value(), socket_timeout=2, socket_connect_timeout=2
    )
    policy: Any = None
    try:
        client.ping()
        with suppress(redis.ResponseError):  # a managed server may forbid it
            memory: Any = client.info("memory")
            policy = memory.get("maxmemory_policy") if isinstance(memory, dict) else None
    except redis.AuthenticationError:
        raise StartRefused("REDIS_URL: the server refuses the user or the password") from None
    except redis.ResponseError as error:
        raise StartRefused(f"REDIS_URL: the server refuses: {first_line(error)}") from None
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise _away(broker_trouble(error)) from None
    except (TypeError, ValueError) as error:  # an option that matters only when it connects
        raise StartRefused(str(option_trouble(error))) from None
    finally:
        client.close()
    if not policy:
        say(
            "warning: the broker's eviction policy cannot be read; make sure that it is noeviction",
            logging.WARNING,
        )
    elif str(policy).startswith("allkeys-"):
        raise StartRefused(
            f"the broker's maxmemory-policy is {policy}, which deletes queues when memory "
            "is short: set it to noeviction"
        )
    elif policy != "noeviction":
        say(
            f"warning: the broker's maxmemory-policy is {policy}; set it to noeviction",
            logging.WARNING,
        )


def _unreadable(error: Exception) -> StartRefused:
    """Return an error without the driver's words, which quote parts of the address."""
    return StartRefused(
        f"the driver rejects DATABASE_URL or DIRECT_DATABASE_URL ({type(error).__name__}): "
        "check the options"
    )
