"""Passwords: refused when they are easy to guess, stored as argon2id hashes."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from core.errors import FieldError, Invalid
from core.password_strength import password_weakness

# OWASP's floor for argon2id: 19 MiB, two passes; web/password_pool.py runs at most two at once
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# No password's: to compare with it takes as long as with a known account's, and it costs no start of a process.
NOBODY = f"$argon2id$v=19$m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}${'A' * 22}${'A' * 43}"


def hashed(password: str) -> str:
    """Slow by design."""
    return HASHER.hash(password)


def rehashed(password_hash: str, password: str) -> str:
    """The hash of a password that matches, made anew when it is from a time with other parameters."""
    return HASHER.hash(password) if HASHER.check_needs_rehash(password_hash) else password_hash


def matches(password_hash: str | None, password: str) -> bool:
    """Slow by design, and as slow for an account that does not exist or has no password."""
    try:
        HASHER.verify(password_hash or NOBODY, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
    return bool(password_hash)


def check(password: str, *names: str, pointer: str = "/password") -> None:
    """Raises Invalid when others would guess it. `names` are those of the person."""
    if problem := password_weakness(password, *names):
        raise Invalid(
            f"The password is too easy to guess: it {problem}.",
            fields=(FieldError(pointer, problem),),
        )
