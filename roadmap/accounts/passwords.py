"""Passwords: strength check, and argon2id hashes."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from core.errors import FieldError, Invalid
from core.password_strength import password_weakness

# OWASP's minimum for argon2id: 19 MiB, two passes; web/auth/logins.py runs at most two at once.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# The hash of no password: comparing with it takes as long as with that of an account.
COSTS = f"m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}"
NO_PASSWORD = f"$argon2id$v=19${COSTS}${'A' * 22}${'A' * 43}"


def hashed(password: str) -> str:
    """Return the hash of a password. Slow by design."""
    return HASHER.hash(password)


def rehashed(password_hash: str, password: str) -> str:
    """Return the hash of a matching password, renewed after a change of parameters."""
    return HASHER.hash(password) if HASHER.check_needs_rehash(password_hash) else password_hash


def matches(password_hash: str | None, password: str) -> bool:
    """Compare a password. Slow by design, also without a hash, which matches nothing."""
    try:
        HASHER.verify(password_hash or NO_PASSWORD, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
    return bool(password_hash)


def check(password: str, *names: str, pointer: str = "/password") -> None:
    """Raise Invalid when a password is easy to guess. `names` are those of the person."""
    if problem := password_weakness(password, *names):
        raise Invalid(
            f"The password is too easy to guess: it {problem}.",
            fields=(FieldError(pointer, problem),),
        )
