"""Why a database or a broker cannot be used: cause and fix, each in one sentence, for who operates the service.

Drivers name host, port and user, never the password; what they say of an address that they cannot read quotes parts of it, and
is not repeated.
"""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace

import peewee
import redis

from core.logging_setup import without_arguments
from core.settings import Settings

LOST = (
    None,
    "08",
    "53300",
    "57",
)  # of PostgreSQL: no answer at all, connections, too many of them, an operator's intervention
BUSY = (
    "55P03",
    "40",
    "25P03",
)  # a lock was not given in time, overtaken, a transaction that idled too long

DISK_FULL = "53100"
# Of SQLite, and of PostgreSQL when the connection is lost.
NOT_UNDONE = ("no transaction is active", "no such savepoint", "connection already closed")

NO_SCHEMA = ("42P01", "42703")  # no such table, no such column
BAD_OPTION = "invalid "  # of the driver, to a value in an address: it has not even tried
NO_LIMITS = "unsupported startup parameter"  # of PgBouncer, to `options` in an address

DATABASE_FAULTS = (peewee.PeeweeException,)
# InternalError: a server that is read-only, as a standby is after a failover.
AWAY = (peewee.OperationalError, peewee.InterfaceError, peewee.InternalError)

DATABASE_CAUSES = (  # what the driver says, what it means, what to do
    ("could not translate host name", "its host cannot be found", "check the host in DATABASE_URL"),
    ("name or service not known", "its host cannot be found", "check the host in DATABASE_URL"),
    (
        "connection refused",
        "nothing listens there",
        "start PostgreSQL, or check host and port in DATABASE_URL",
    ),
    (
        "password authentication failed",
        "it refuses the user or the password",
        "check both in DATABASE_URL; special characters must be percent-encoded",
    ),
    ("no password supplied", "it wants a password", "put it into DATABASE_URL"),
    (
        NO_LIMITS,
        "a pooler stands before it that gives sessions no limits",
        "set DIRECT_DATABASE_URL to the server itself (docs/DEPLOYMENT.md, A transaction pooler)",
    ),
    (
        BAD_OPTION,
        "it has an option whose value is none that there is",
        "check the options of DATABASE_URL, as sslmode",
    ),
    (
        "server does not support ssl",
        "it does not speak TLS",
        "turn ssl on at the server, or take sslmode=require out of DATABASE_URL (and DIRECT_DATABASE_URL)",
    ),
    (
        "root certificate file",
        "the file of its authority cannot be read",
        "name it in DATABASE_URL: ?sslmode=verify-full&sslrootcert=/path",
    ),
    (
        "certificate verify failed",
        "its certificate is not trusted",
        "name the file of its authority in DATABASE_URL: ?sslmode=verify-full&sslrootcert=/path",
    ),
    (
        "does not match host name",
        "its certificate is for another host",
        "name in DATABASE_URL a host that the certificate is for",
    ),
    (
        "no pg_hba.conf entry",
        "it does not let this machine in",
        "allow it in pg_hba.conf, or add ?sslmode=require to DATABASE_URL",
    ),
    ("role", "it has no such user", "check the user in DATABASE_URL, or create it"),
    (
        "database",
        "it has no such database",
        "check the name at the end of DATABASE_URL, or create it with CREATE DATABASE ... ENCODING 'UTF8'",
    ),
)
BROKER_CAUSES = (  # the same of the broker, and whether waiting may help
    (
        "mismatch, certificate",
        "its certificate is for another host",
        "name in REDIS_URL a host that the certificate is for",
        False,
    ),
    (
        "has expired",
        "its certificate is not valid at this time",
        "renew it, or set the clock, or name another REDIS_URL",
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
        "name the file of its authority in REDIS_URL (rediss://HOST:PORT/0?ssl_ca_certs=/path) or in SSL_CERT_FILE",
        False,
    ),
    *(
        (
            words,
            "it does not speak TLS there",
            "write redis:// instead of rediss:// in REDIS_URL, or name its port of TLS; or end what keeps it from answering",
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
            "it ends the connection at once",
            "start it, or, if it speaks TLS there, write rediss:// in REDIS_URL",
            True,
        )
        for words in ("connection closed by server", "connection reset by peer")
    ),
)
FILE_CAUSES = (
    ("no such table", "it has not the tables of this version", "run `roadmap migrate`"),
    ("no such column", "it has not the tables of this version", "run `roadmap migrate`"),
    (
        "unable to open database file",
        "the file cannot be opened",
        "check that DATA_DIR can be written",
    ),
    ("locked", "another process holds it for long", "end what uses it, or try again"),
    ("not a database", "the file is no SQLite database", "move it away, and restore a backup"),
    ("malformed", "the file is damaged", "move it away, and restore a backup"),
    ("readonly", "the file cannot be written", "check the owner of DATA_DIR"),
    ("full", "the disk is full", "make room where DATA_DIR is"),
    (
        "disk i/o",
        "the disk does not work, or is full",
        "make room where DATA_DIR is, and check the disk",
    ),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """`is_away`: waiting may help."""

    what: str
    cause: str
    fix: str
    is_away: bool

    def __str__(self) -> str:
        return f"{self.what}: {self.cause}; {self.fix}"


def first_of(error: BaseException) -> BaseException:
    """What went wrong first: on a full disk SQLite ends a transaction by itself, a lost connection every one, and who wants to
    undo it then fails as well.
    """
    while any(words in str(error) for words in NOT_UNDONE) and error.__context__ is not None:
        error = error.__context__
    return error


def is_misspelt(error: BaseException) -> bool:
    """Whether the driver says that an option of the address has no such value, without having tried."""
    return _code(error) is None and first_line(error).lower().startswith(BAD_OPTION)


def is_full(error: BaseException) -> bool:
    """Whether this says that a database has no room left."""
    return _code(error) == DISK_FULL or (
        isinstance(getattr(error, "orig", None) or error, sqlite3.Error) and "full" in str(error)
    )


def database_trouble(error: BaseException, settings: Settings) -> Trouble:
    error = first_of(error)
    if settings.embedded:
        cause, fix = _meaning(first_line(error), FILE_CAUSES, "check DATA_DIR")
        return Trouble(
            f"the database in {settings.data_dir} cannot be used",
            cause,
            fix,
            "locked" in str(error),
        )
    if _code(error) in NO_SCHEMA:
        return Trouble(
            "the database cannot be used",
            "it has not the tables of this version",
            "run `roadmap migrate`",
            False,
        )
    if isinstance(error, peewee.ProgrammingError) and _code(error) is None:
        name = type(error).__name__
        return Trouble(
            "DATABASE_URL cannot be used",
            f"the driver does not accept it ({name})",
            "check its options",
            False,
        )
    said = first_line(error).lower()
    missing = "does not exist" in said
    causes = [
        each
        for each in DATABASE_CAUSES
        if each[0] not in ("role", "database") or (missing and f'{each[0]} "' in said)
    ]
    causes = [each for each in causes if each[0] != BAD_OPTION or is_misspelt(error)]
    cause, fix = _meaning(first_line(error), causes, "check DATABASE_URL and the server")
    if NO_LIMITS in said or is_misspelt(error):
        return Trouble("the database cannot be used", cause, fix, False)
    return Trouble("the database does not answer", cause, fix, is_away(error))


def direct_database_trouble(error: BaseException, settings: Settings) -> Trouble:
    """Of the one that migrations go to, which has a variable of its own where a pooler stands before the server."""
    trouble = database_trouble(error, settings)
    if settings.direct_database_url is None:
        return trouble
    what, fix = (
        re.sub(r"\bDATABASE_URL", "DIRECT_DATABASE_URL", said)
        for said in (trouble.what, trouble.fix)
    )
    return replace(trouble, what=what, fix=fix)


def broker_trouble(error: Exception) -> Trouble:
    said = first_line(error)
    if isinstance(error, sqlite3.Error | peewee.PeeweeException | OSError) and not isinstance(
        error, redis.RedisError
    ):
        return Trouble(
            "the queues in DATA_DIR cannot be used",
            *_meaning(said, FILE_CAUSES, "check DATA_DIR"),
            "locked" in said,
        )
    if isinstance(error, TypeError | ValueError) or type(error) is redis.RedisError:
        return option_trouble(error)
    if isinstance(
        error, redis.AuthenticationError | redis.ResponseError
    ) or said.upper().startswith(("NOAUTH", "WRONGPASS", "OOM")):
        return _refusal(error, said)
    for words, cause, fix, may_help in BROKER_CAUSES:
        if reason := next((each for each in _reasons(error) if words in each.lower()), ""):
            what = "the broker does not answer" if may_help else "the broker cannot be used"
            return Trouble(what, f"{cause} ({reason.rstrip('.')})", fix, may_help)
    return Trouble(
        "the broker does not answer", said, "start it, or check host and port in REDIS_URL", True
    )


def option_trouble(error: Exception) -> Trouble:
    """Without the driver's words, which may quote the address."""
    name = type(error).__name__
    return Trouble(
        "REDIS_URL is not accepted by the driver",
        name,
        "check its options (those of TLS want rediss://)",
        False,
    )


def _refusal(error: Exception, said: str) -> Trouble:
    what = "the broker refuses"
    if isinstance(error, redis.AuthenticationError) or said.upper().startswith(
        ("NOAUTH", "WRONGPASS")
    ):
        return Trouble(
            what, "the user or the password is wrong or missing", "check both in REDIS_URL", False
        )
    if isinstance(error, redis.exceptions.NoPermissionError):
        return Trouble(what, said, "give the user of REDIS_URL every command on every key", False)
    if isinstance(error, redis.exceptions.OutOfMemoryError) or said.startswith("OOM"):
        return Trouble(
            what, "its memory is full", "raise its maxmemory, or let the workers catch up", True
        )
    return Trouble(what, said, "check REDIS_URL and the server", False)


def _reasons(error: BaseException) -> Iterator[str]:
    """What was said of it, from the last on: of a handshake that takes too long the driver says less than what lies beneath."""
    each: BaseException | None = error
    while each is not None:
        yield first_line(each)
        each = each.__cause__ or each.__context__


def is_away(error: BaseException) -> bool:
    """Whether this says that a database is away or busy, and not that it cannot do what it was asked."""
    origin = getattr(error, "orig", None) or error
    if isinstance(origin, sqlite3.Error):
        return "locked" in str(origin) or "busy" in str(origin)
    code = _code(error)
    if code is None:
        return isinstance(error, peewee.OperationalError | peewee.InterfaceError)
    return any(code.startswith(start) for start in (*LOST, *BUSY) if start)


def first_line(error: BaseException) -> str:
    """What the driver says, without what it adds, and without what a server repeats of a command, which may be a password."""
    said = str(error).strip()
    return without_arguments(said.splitlines()[0]) if said else type(error).__name__


def _code(error: BaseException) -> str | None:
    return getattr(getattr(error, "orig", None) or error, "pgcode", None)


def _meaning(said: str, causes: object, otherwise: str) -> tuple[str, str]:
    for words, cause, fix in causes:  # type: ignore[attr-defined]
        if words in said.lower():
            return f"{cause} ({said})", fix
    return said, otherwise
