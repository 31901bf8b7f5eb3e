"""Connection errors of database and broker: cause and fix, each in one sentence.

Drivers name host, port and user, never the password. Their messages on a URL that they cannot parse
quote parts of it, and are not repeated.
"""

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace

import peewee
import redis

from core.sanitize import without_arguments
from core.settings import Settings

# Codes of PostgreSQL: connection failed, too many connections, intervention of an operator
LOST = ("08", "53300", "57")
BUSY = ("55P03", "40", "25P03")  # lock timeout, transaction rollback, idle in transaction
DISK_FULL = "53100"
# Failed rollbacks of SQLite, and of PostgreSQL when the connection is lost
NOT_UNDONE = ("no transaction is active", "no such savepoint", "connection already closed")

NO_SCHEMA = ("42P01", "42703")  # no such table, no such column
BAD_OPTION = "invalid "  # by the driver, of a value in a URL, without an attempt to connect
NO_LIMITS = "unsupported startup parameter"  # by PgBouncer, of `options` in a URL

DATABASE_FAULTS = (peewee.PeeweeException,)
# InternalError: a read-only server, as a standby is after a failover
AWAY = (peewee.OperationalError, peewee.InterfaceError, peewee.InternalError)

DATABASE_CAUSES = (  # words of the driver, cause, fix
    ("could not translate host name", "the host was not found", "check the host in DATABASE_URL"),
    ("name or service not known", "the host was not found", "check the host in DATABASE_URL"),
    (
        "connection refused",
        "no server listens there",
        "start PostgreSQL, or check host and port in DATABASE_URL",
    ),
    (
        "password authentication failed",
        "the user or the password is wrong",
        "check both in DATABASE_URL; special characters must be percent-encoded",
    ),
    ("no password supplied", "a password is required", "add it to DATABASE_URL"),
    (
        NO_LIMITS,
        "a pooler in front of it refuses session limits",
        "set DIRECT_DATABASE_URL to the server itself (docs/DEPLOYMENT.md, A transaction pooler)",
    ),
    (
        BAD_OPTION,
        "an option has an invalid value",
        "check the options of DATABASE_URL, such as sslmode",
    ),
    (
        "server does not support ssl",
        "the server does not support TLS",
        "enable ssl on the server, or remove sslmode=require from DATABASE_URL (and "
        "DIRECT_DATABASE_URL)",
    ),
    (
        "root certificate file",
        "the CA certificate file cannot be read",
        "set its path in DATABASE_URL: ?sslmode=verify-full&sslrootcert=/path",
    ),
    (
        "certificate verify failed",
        "its certificate is not trusted",
        "set the path of the CA certificate in DATABASE_URL: "
        "?sslmode=verify-full&sslrootcert=/path",
    ),
    (
        "does not match host name",
        "its certificate is for another host",
        "use a host in DATABASE_URL that the certificate is valid for",
    ),
    (
        "no pg_hba.conf entry",
        "the server does not accept connections from this machine",
        "allow it in pg_hba.conf, or add ?sslmode=require to DATABASE_URL",
    ),
    ("role", "the user does not exist", "check the user in DATABASE_URL, or create it"),
    (
        "database",
        "the database does not exist",
        "check the name at the end of DATABASE_URL, "
        "or create it with CREATE DATABASE ... ENCODING 'UTF8'",
    ),
)
BROKER_REFUSALS: tuple[tuple[type[Exception], tuple[str, ...], str, str, bool], ...] = (
    # Class of the error, beginnings of its message, cause (or that message), fix, whether waiting
    # may help
    (
        redis.AuthenticationError,
        ("NOAUTH", "WRONGPASS"),
        "the user or the password is wrong or missing",
        "check both in REDIS_URL",
        False,
    ),
    (
        redis.exceptions.NoPermissionError,
        (),
        "",
        "allow the user of REDIS_URL all commands on all keys",
        False,
    ),
    (
        redis.exceptions.OutOfMemoryError,
        ("OOM",),
        "its memory is full",
        "raise its maxmemory, or let the workers catch up",
        True,
    ),
    (redis.ResponseError, (), "", "check REDIS_URL and the server", False),
)
BROKER_CAUSES = (  # words of the driver, cause, fix, whether waiting may help
    (
        "mismatch, certificate",
        "its certificate is for another host",
        "use a host in REDIS_URL that the certificate is valid for",
        False,
    ),
    (
        "has expired",
        "its certificate is not valid at this time",
        "renew it, correct the clock, or use another REDIS_URL",
        False,
    ),
    (
        "not yet valid",
        "its certificate is not valid at this time",
        "set the clock, or name another REDIS_URL",
        False,
    ),
    (
        "certificate verify failed",
        "its certificate is not trusted",
        "set the path of the CA certificate in REDIS_URL "
        "(rediss://HOST:PORT/0?ssl_ca_certs=/path) or in SSL_CERT_FILE",
        False,
    ),
    *(
        (
            words,
            "the server does not use TLS on this port",
            "use redis:// instead of rediss:// in REDIS_URL, or the TLS port of the "
            "server; or check why it does not respond",
            True,
        )
        for words in (
            "handshake operation timed out",
            "wrong version number",
            "record layer failure",
            "unexpected eof",
        )
    ),
    *(
        (
            words,
            "the server closes the connection at once",
            "start it, or, if it uses TLS, write rediss:// in REDIS_URL",
            True,
        )
        for words in ("connection closed by server", "connection reset by peer")
    ),
)
FILE_CAUSES = (
    ("no such table", "it does not have the tables of this version", "run `roadmap migrate`"),
    ("no such column", "it does not have the tables of this version", "run `roadmap migrate`"),
    (
        "unable to open database file",
        "the file cannot be opened",
        "check that DATA_DIR can be written",
    ),
    ("locked", "another process has locked it for a long time", "stop that process, or try again"),
    ("not a database", "the file is not an SQLite database", "move it away and restore a backup"),
    ("malformed", "the file is damaged", "move it away and restore a backup"),
    ("readonly", "the file cannot be written", "check the owner of DATA_DIR"),
    ("full", "the disk is full", "free space on the disk of DATA_DIR"),
    (
        "disk i/o",
        "the disk fails or is full",
        "free space on the disk of DATA_DIR, and check the disk",
    ),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Problem with its cause and fix. `is_away`: waiting may help."""

    what: str
    cause: str
    fix: str
    is_away: bool

    def __str__(self) -> str:
        return f"{self.what}: {self.cause}; {self.fix}"


def first_of(error: BaseException) -> BaseException:
    """Return the first error of a failed rollback.

    On a full disk SQLite ends a transaction by itself, and a lost connection ends every one; the
    rollback then fails as well.
    """
    while any(words in str(error) for words in NOT_UNDONE) and error.__context__ is not None:
        error = error.__context__
    return error


def is_misspelt(error: BaseException) -> bool:
    """Return whether the driver refused the value of an option, without connecting."""
    return _code(error) is None and first_line(error).lower().startswith(BAD_OPTION)


def is_full(error: BaseException) -> bool:
    """Return whether the error says that a database has no room left."""
    return _code(error) == DISK_FULL or (
        isinstance(getattr(error, "orig", None) or error, sqlite3.Error) and "full" in str(error)
    )


def database_trouble(error: BaseException, settings: Settings) -> Trouble:
    """Explain an error of the application's database."""
    error = first_of(error)
    line, is_option = first_line(error), is_misspelt(error)
    unusable = "the database cannot be used"
    if settings.embedded:
        return Trouble(
            f"the database in {settings.data_dir} cannot be used",
            *_meaning(line, FILE_CAUSES, "check DATA_DIR"),
            "locked" in str(error),
        )
    if _code(error) in NO_SCHEMA:
        return Trouble(
            unusable, "it does not have the tables of this version", "run `roadmap migrate`", False
        )
    if isinstance(error, peewee.ProgrammingError) and _code(error) is None:
        return Trouble(
            "DATABASE_URL cannot be used",
            f"the driver rejects it ({type(error).__name__})",
            "check its options",
            False,
        )
    message = line.lower()
    causes = [
        each
        for each in DATABASE_CAUSES
        if (
            each[0] not in ("role", "database")
            or ("does not exist" in message and f'{each[0]} "' in message)
        )
        and (each[0] != BAD_OPTION or is_option)
    ]
    cause, fix = _meaning(line, causes, "check DATABASE_URL and the server")
    if NO_LIMITS in message or is_option:
        return Trouble(unusable, cause, fix, False)
    return Trouble("the database does not answer", cause, fix, is_away(error))


def direct_database_trouble(error: BaseException, settings: Settings) -> Trouble:
    """Explain an error of the database for migrations, by the variable that names it."""
    trouble = database_trouble(error, settings)
    if settings.direct_database_url is None:
        return trouble
    what, fix = (
        re.sub(r"\bDATABASE_URL", "DIRECT_DATABASE_URL", text)
        for text in (trouble.what, trouble.fix)
    )
    return replace(trouble, what=what, fix=fix)


def broker_trouble(error: Exception) -> Trouble:
    """Explain an error of the queues, in Redis or in a file."""
    message = first_line(error)
    if isinstance(error, sqlite3.Error | peewee.PeeweeException | OSError) and not isinstance(
        error, redis.RedisError
    ):
        return Trouble(
            "the queues in DATA_DIR cannot be used",
            *_meaning(message, FILE_CAUSES, "check DATA_DIR"),
            "locked" in message,
        )
    if isinstance(error, TypeError | ValueError) or type(error) is redis.RedisError:
        return option_trouble(error)
    for kind, begins, cause, fix, may_help in BROKER_REFUSALS:
        if isinstance(error, kind) or message.upper().startswith(begins):
            return Trouble("the broker refuses", cause or message, fix, may_help)
    reasons: list[str] = []  # of the error and its causes, which may say more
    each: BaseException | None = error
    while each is not None:
        reasons.append(first_line(each))
        each = each.__cause__ or each.__context__
    for words, cause, fix, may_help in BROKER_CAUSES:
        if reason := next((each for each in reasons if words in each.lower()), ""):
            what = "the broker does not answer" if may_help else "the broker cannot be used"
            return Trouble(what, f"{cause} ({reason.rstrip('.')})", fix, may_help)
    return Trouble(
        "the broker does not answer", message, "start it, or check host and port in REDIS_URL", True
    )


def option_trouble(error: Exception) -> Trouble:
    """Explain an error of REDIS_URL without the driver's words, which may quote it."""
    return Trouble(
        "the driver rejects REDIS_URL",
        type(error).__name__,
        "check its options (TLS options need rediss://)",
        False,
    )


def is_away(error: BaseException) -> bool:
    """Return whether the error says that a database is away or busy."""
    origin = getattr(error, "orig", None) or error
    if isinstance(origin, sqlite3.Error):
        return "locked" in str(origin) or "busy" in str(origin)
    code = _code(error)
    if code is None:
        return isinstance(error, peewee.OperationalError | peewee.InterfaceError)
    return code.startswith((*LOST, *BUSY))


def first_line(error: BaseException) -> str:
    """Return the first line of an error, without arguments, which may be a password."""
    message = str(error).strip()
    return without_arguments(message.splitlines()[0]) if message else type(error).__name__


def _code(error: BaseException) -> str | None:
    return getattr(getattr(error, "orig", None) or error, "pgcode", None)


def _meaning(message: str, causes: Iterable[tuple[str, str, str]], fix: str) -> tuple[str, str]:
    """Return cause and fix of a driver's message; without a known cause, it and `fix`."""
    for words, cause, its_fix in causes:
        if words in message.lower():
            return f"{cause} ({message})", its_fix
    return message, fix
